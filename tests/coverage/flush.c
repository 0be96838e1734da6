/*
 * Linked into the server by the preset `coverage`: SIGRTMIN writes the counts of gcov, and then
 * kills the process as SIGKILL does.  The tests send it instead of SIGKILL (JOBLIGHT_TEST_KILL), of
 * which gcov would see nothing.  It would see nothing of a process that ends by _exit(), either.
 */
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

void __gcov_dump(void);

static sigset_t flush_signal;

/* Instead of that of the C library. */
void _exit(int status)
{
	__gcov_dump();
	for (;;)
		syscall(SYS_exit_group, status);
}

static void *wait_for_signal(void *context)
{
	int number;

	(void)context;
	sigwait(&flush_signal, &number);
	__gcov_dump();
	raise(SIGKILL);
	return NULL;
}

/* The thread gets no signal of the server.  Threads that start later inherit the mask of this one.
 */
__attribute__((constructor)) static void start(void)
{
	sigset_t all, before;
	pthread_t thread;

	sigemptyset(&flush_signal);
	sigaddset(&flush_signal, SIGRTMIN);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&thread, NULL, wait_for_signal, NULL) == 0)
		pthread_detach(thread);
	sigaddset(&before, SIGRTMIN);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}
