#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "interrupt.h"

#define NOT_FOUND 127 /* as shells do */
#define NOT_RUNNABLE 126

static bool are_same(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

static bool has_terminal(void)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void copy_size(int from, int to)
{
	struct winsize size;

	if (ioctl(from, TIOCGWINSZ, &size) == 0)
		ioctl(to, TIOCSWINSZ, &size);
}

/* The bytes pass as they are: the terminal behind it does what has to be done with them. */
static void make_raw(int fd)
{
	struct termios modes;

	if (tcgetattr(fd, &modes) != 0)
		return;
	modes.c_oflag &= ~(tcflag_t)OPOST;
	modes.c_lflag &= ~(tcflag_t)(ECHO | ICANON);
	tcsetattr(fd, TCSANOW, &modes);
}

/* ends[0] is read, ends[1] written, as of a pipe. */
static bool open_terminal(int fd, int ends[2])
{
	char name[64];

	ends[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (ends[0] < 0)
		return false;
	ends[1] = -1;
	if (grantpt(ends[0]) == 0 && unlockpt(ends[0]) == 0 &&
	    ptsname_r(ends[0], name, sizeof(name)) == 0)
		ends[1] = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (ends[1] < 0) {
		close(ends[0]);
		return false;
	}
	make_raw(ends[1]);
	copy_size(fd, ends[0]);
	return true;
}

/* Makes the course of an output, and returns where the command writes; -1: errno says why. */
static int open_course(struct capture *c, int course, int fd)
{
	int ends[2];

	c->terminal[course] = isatty(fd) && open_terminal(fd, ends);
	if (!c->terminal[course] && pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	c->courses[course] = (struct course){ ends[0], fd };
	return ends[1];
}

/* In the child. */
static void run(const struct capture *c, char **command, const int outputs[2], const sigset_t *mask)
{
	if (c->own_group)
		setpgid(0, 0);
	dup2(outputs[0], STDOUT_FILENO);
	dup2(outputs[1], STDERR_FILENO);
	interrupt_restore();
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(command[0], command);
	int error = errno;
	fprintf(stderr, "joblight: %s: %s\n", command[0], strerror(error));
	_exit(error == ENOENT ? NOT_FOUND : NOT_RUNNABLE);
}

static int start(struct capture *c, char **command, const int outputs[2], const sigset_t *mask)
{
	c->own_group = !has_terminal();
	c->pid = fork();
	if (c->pid == 0)
		run(c, command, outputs, mask);
	if (c->pid > 0 && c->own_group)
		setpgid(c->pid, c->pid);
	return c->pid < 0 ? -1 : 0;
}

static void close_course(struct course *c)
{
	if (c->from >= 0)
		close(c->from);
	c->from = -1;
}

int capture_start(struct capture *c, char **command, const sigset_t *mask)
{
	int outputs[2], result = -1;

	*c = (struct capture){ .courses = { { -1, -1 }, { -1, -1 } } };
	c->errors_apart = !are_same(STDOUT_FILENO, STDERR_FILENO);
	outputs[0] = open_course(c, 0, STDOUT_FILENO);
	outputs[1] = c->errors_apart ? open_course(c, 1, STDERR_FILENO) : outputs[0];
	if (outputs[0] >= 0 && outputs[1] >= 0)
		result = start(c, command, outputs, mask);
	int error = errno;
	if (outputs[0] >= 0)
		close(outputs[0]);
	if (c->errors_apart && outputs[1] >= 0)
		close(outputs[1]);
	for (int i = 0; result != 0 && i < COURSES_MAX; i++)
		close_course(&c->courses[i]);
	errno = error;
	return result;
}

void capture_signal(const struct capture *c, int number)
{
	kill(c->own_group ? -c->pid : c->pid, number);
}

void capture_resize(const struct capture *c)
{
	for (int i = 0; i < COURSES_MAX; i++)
		if (c->terminal[i])
			copy_size(c->courses[i].to, c->courses[i].from);
	kill(c->own_group ? -c->pid : 0, SIGWINCH);
}
