#include "redis_server.h"

#include "../kit.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS 20000

static struct sockaddr_in address_of(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		                     .sin_port = htons((uint16_t)port),
		                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int free_port(void)
{
	struct sockaddr_in address = address_of(0);
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static void run(const struct redis_server *r, int out)
{
	char port[8];

	snprintf(port, sizeof(port), "%d", r->port);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(out, STDOUT_FILENO);
	execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "",
	       "--appendonly", "no", "--dir", r->folder, "--daemonize", "no", (char *)NULL);
	fprintf(stderr, "redis-server cannot be started: install the package redis-server\n");
	_exit(127);
}

static void wait_until_ready(int in)
{
	char text[65536];
	size_t len = 0;
	struct pollfd wait = { .fd = in, .events = POLLIN };

	do {
		assert_true(len + 1 < sizeof(text));
		assert_int_equal(poll(&wait, 1, START_MS), 1);
		ssize_t more = read(in, text + len, sizeof(text) - 1 - len);
		if (more <= 0)
			fail_msg("redis-server has ended: %.*s", (int)len, text);
		len += (size_t)more;
		text[len] = '\0';
	} while (!strstr(text, "eady to accept connections"));
}

void redis_server_start(struct redis_server *r, int port)
{
	int ends[2];

	if (!r->folder[0]) {
		snprintf(r->folder, sizeof(r->folder), "/tmp/test-redis-XXXXXX");
		assert_non_null(mkdtemp(r->folder));
	}
	r->port = port ? port : free_port();
	snprintf(r->url, sizeof(r->url), "redis://127.0.0.1:%d", r->port);
	assert_int_equal(pipe(ends), 0);
	r->pid = fork();
	assert_true(r->pid >= 0);
	if (!r->pid)
		run(r, ends[1]);
	close(ends[1]);
	wait_until_ready(ends[0]);
	close(ends[0]);
}

void redis_server_kill(struct redis_server *r)
{
	if (!r->pid)
		return;
	kill(r->pid, SIGKILL);
	waitpid(r->pid, NULL, 0);
	r->pid = 0;
}

void redis_server_finish(struct redis_server *r)
{
	redis_server_kill(r);
	rmdir(r->folder);
}

const char *redis_server_say(const struct redis_server *r, const char *command)
{
	static char reply[512];
	struct sockaddr_in address = address_of(r->port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	size_t len = 0;

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	dprintf(fd, "%s\r\n", command);
	while (!memchr(reply, '\n', len) && len < sizeof(reply) - 1) {
		ssize_t more = read(fd, reply + len, sizeof(reply) - 1 - len);
		if (more <= 0)
			break;
		len += (size_t)more;
	}
	close(fd);
	reply[len] = '\0';
	return reply;
}
