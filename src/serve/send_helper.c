#include "send_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Starting. */

/* Beside the program that runs, which may have been replaced or removed since. */
static bool find_program(char path[PATH_MAX])
{
	ssize_t len = readlink("/proc/self/exe", path, PATH_MAX - 1);
	char *slash;

	if (len <= 0)
		return false;
	path[len] = '\0';
	slash = strrchr(path, '/');
	if (!slash || (size_t)(slash - path) + sizeof("/" SEND_PROGRAM) > PATH_MAX)
		return false;
	memcpy(slash, "/" SEND_PROGRAM, sizeof("/" SEND_PROGRAM));
	return true;
}

static void describe(posix_spawn_file_actions_t *files, posix_spawnattr_t *attributes, int fd)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_adddup2(files, fd, STDIN_FILENO);
	posix_spawn_file_actions_addopen(files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1);
	posix_spawnattr_setsigmask(attributes, &none);
	posix_spawnattr_setsigdefault(attributes, &all);
	posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

static int spawn(pid_t *pid, int fd)
{
	char path[PATH_MAX], *arguments[] = { SEND_PROGRAM, NULL }, *environment[] = { NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;

	if (!find_program(path))
		return ENOENT;
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	describe(&files, &attributes, fd);
	int result = posix_spawn(pid, path, &files, &attributes, arguments, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return result;
}

bool send_helper_start(struct send_helper *h, const char **cause)
{
	int pair[2], result;

	*h = (struct send_helper){ .fd = -1 };
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		*cause = strerror(errno);
		return false;
	}
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	result = spawn(&h->pid, pair[1]);
	close(pair[1]);
	if (result != 0) {
		close(pair[0]);
		h->pid = 0;
		*cause = result == ENOENT ? "it is not beside the program of the server"
		                          : strerror(result);
		return false;
	}
	h->fd = pair[0];
	return true;
}

/* Frames. */

bool send_helper_flush(struct send_helper *h)
{
	while (h->written < h->out.len) {
		ssize_t n = send(h->fd, h->out.ptr + h->written, h->out.len - h->written,
		                 MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		h->written += (size_t)n;
	}
	buf_finish(&h->out);
	h->written = 0;
	return true;
}

bool send_helper_send(struct send_helper *h, struct slice body, uint32_t items)
{
	unsigned char head[SEND_HEAD_BYTES];

	send_put_u32(head, (uint32_t)body.len);
	send_put_u32(head + 4, items);
	buf_add(&h->out, head, sizeof(head));
	buf_slice(&h->out, body);
	return send_helper_flush(h);
}

bool send_helper_is_idle(const struct send_helper *h)
{
	return h->written == h->out.len;
}

/* Lines. */

static bool take_line(struct send_helper *h, const char **line)
{
	static _Thread_local char taken[SEND_LINE_MAX];
	char *end = memchr(h->line, '\n', h->line_len);

	if (!end)
		return false;
	size_t len = (size_t)(end - h->line);
	memcpy(taken, h->line, len);
	taken[len] = '\0';
	h->line_len -= len + 1;
	memmove(h->line, end + 1, h->line_len);
	*line = taken;
	return true;
}

enum send_line send_helper_line(struct send_helper *h, const char **line)
{
	while (!take_line(h, line)) {
		if (h->line_len == sizeof(h->line))
			return SEND_ENDED; /* that is no helper of ours */
		ssize_t n = recv(h->fd, h->line + h->line_len, sizeof(h->line) - h->line_len, 0);
		if (n < 0 && errno == EAGAIN)
			return SEND_NO_LINE;
		if (n == 0 || (n < 0 && errno != EINTR))
			return SEND_ENDED;
		h->line_len += n > 0 ? (size_t)n : 0;
	}
	return SEND_LINE;
}

/* The end. */

void send_helper_end(struct send_helper *h)
{
	shutdown(h->fd, SHUT_WR);
}

static void wait_for_exit(pid_t pid, unsigned wait_ms)
{
	struct pollfd process = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };

	if (process.fd < 0)
		return;
	poll(&process, 1, (int)wait_ms);
	close(process.fd);
}

void send_helper_reap(struct send_helper *h, unsigned wait_ms)
{
	if (!h->pid)
		return;
	wait_for_exit(h->pid, wait_ms);
	kill(h->pid, SIGKILL); /* it is still ours: nobody else waits for it */
	while (waitpid(h->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(h->fd);
	buf_finish(&h->out);
	h->pid = 0;
	h->fd = -1;
}
