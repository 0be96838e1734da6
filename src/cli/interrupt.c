#include "interrupt.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "verb.h"

static _Atomic(const char *) last_text;
static bool ignored_pipe;

static void on_interrupt(int number)
{
	const char *text = atomic_load(&last_text);

	(void)number;
	if (text && write(STDOUT_FILENO, text, strlen(text)) < 0)
		_exit(EXIT_INTERRUPTED);
	_exit(EXIT_INTERRUPTED);
}

void interrupt_call(void (*handler)(int number))
{
	struct sigaction action = { .sa_handler = handler }, before;

	if (sigaction(SIGINT, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
		sigaction(SIGINT, &action, NULL);
}

void interrupt_catch(void)
{
	ignored_pipe = signal(SIGPIPE, SIG_IGN) == SIG_IGN;
	interrupt_call(on_interrupt);
}

void interrupt_restore(void)
{
	signal(SIGPIPE, ignored_pipe ? SIG_IGN : SIG_DFL);
}

void interrupt_write(const char *text)
{
	atomic_store(&last_text, text);
}
