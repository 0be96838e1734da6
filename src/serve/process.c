#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static bool is_closed(int fd)
{
	return fcntl(fd, F_GETFD) < 0 && errno == EBADF;
}

bool process_open_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (is_closed(fd) &&
		    open("/dev/null", O_RDWR) != fd) /* open() returns the lowest free number */
			return false;
	return true;
}

static bool without_hangup;

bool process_is_without_hangup(void)
{
	return without_hangup;
}

void process_ignore_signals(void)
{
	static const int ignored[] = {
		SIGPIPE, SIGHUP,  SIGXFSZ, /* a file size limit is an error of the store, not the
		                              end of the process */
		SIGUSR1, SIGUSR2, SIGALRM, SIGQUIT, SIGVTALRM, SIGPROF, SIGIO,
	};

	without_hangup = signal(SIGHUP, SIG_IGN) == SIG_IGN;
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
}
