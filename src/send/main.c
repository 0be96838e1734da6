/*
 * joblight-send: makes the requests of a server that go out, so that the server loads no library
 * for them and waits for no receiver.  `joblight serve` starts it, with one end of a pair of
 * sockets as standard input, and speaks joblight/base/send_wire.h with it.
 */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backlog.h"
#include "frames.h"
#include "joblight/base/clock.h"
#include "joblight/base/random.h"
#include "transfer.h"

#define SERVER STDIN_FILENO
#define CONFIGURED_MS 10000 /* until the configuration is there */
#define LOOK_MS 1000        /* at most so long until the end of the server is noticed */

struct sender {
	struct options options;
	struct frames frames;
	struct backlog backlog;
	struct transfer transfer;
	uint64_t ends_at; /* 0: the server is there */
};

/* A line that the server does not take is lost; it reads them all the time. */
__attribute__((format(printf, 1, 2))) static void tell(const char *format, ...)
{
	char line[SEND_LINE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	char *end = line;
	for (; *end; end++)
		if ((unsigned char)*end < ' ')
			*end = ' ';
	*end++ = '\n';
	send(SERVER, line, (size_t)(end - line), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Results. */

static void drop(struct sender *s, const char *cause)
{
	tell("lost %" PRIu32 " %s", s->backlog.bodies[s->backlog.first].items, cause);
	backlog_drop(&s->backlog);
}

static void sent(struct sender *s, const struct transfer_result *result)
{
	tell("sent %" PRIu32, s->backlog.bodies[s->backlog.first].items);
	if (result->rejected || result->cause[0])
		tell("rejected %" PRIu64 " %s", result->rejected, result->cause);
	backlog_drop(&s->backlog);
	backlog_done(&s->backlog);
}

static void failed(struct sender *s, const struct transfer_result *result)
{
	uint64_t now = clock_monotonic_ms();

	if (backlog_is_old(&s->backlog, now) || s->ends_at) {
		drop(s, result->cause);
		return;
	}
	tell("trouble %s", result->cause);
	backlog_failed(&s->backlog, now, result->asked_ms, random_u64());
}

static void settle(struct sender *s, const struct transfer_result *result)
{
	switch (result->verdict) {
	case TRANSFER_SENT:
		sent(s, result);
		return;
	case TRANSFER_RETRY:
		failed(s, result);
		return;
	case TRANSFER_REFUSED:
		drop(s, result->cause);
		backlog_done(&s->backlog);
	}
}

/* The loop. */

static void try_next(struct sender *s)
{
	const struct backlog_body *next = backlog_next(&s->backlog, clock_monotonic_ms());
	struct transfer_result result;

	if (next && !s->transfer.busy &&
	    !transfer_begin(&s->transfer, buf_as_slice(&next->bytes), &result))
		settle(s, &result);
}

static void step(struct sender *s)
{
	struct transfer_result result;

	if (s->transfer.busy && transfer_step(&s->transfer, &result))
		settle(s, &result);
}

static void take_frames(struct sender *s)
{
	uint32_t items;

	while (backlog_has_room(&s->backlog) && frames_read(&s->frames, &items))
		backlog_add(&s->backlog, &s->frames.body, items, clock_monotonic_ms());
}

static int wait_ms(const struct sender *s)
{
	uint64_t wait = s->transfer.busy ? LOOK_MS
	                                 : backlog_wait_ms(&s->backlog, clock_monotonic_ms());

	return wait < LOOK_MS ? (int)wait : LOOK_MS;
}

static void wait_for_work(struct sender *s)
{
	struct curl_waitfd server = { .fd = SERVER, .events = CURL_WAIT_POLLIN };
	bool listens = backlog_has_room(&s->backlog) && !s->frames.ended;

	curl_multi_poll(s->transfer.multi, &server, listens ? 1 : 0, wait_ms(s), NULL);
}

static bool is_over(struct sender *s)
{
	uint64_t now = clock_monotonic_ms();

	if (!s->ends_at && frames_are_ending(&s->frames)) {
		s->ends_at = now + SEND_FLUSH_MS;
		s->backlog.due = 0;
	}
	return s->ends_at &&
	       (now >= s->ends_at || (s->frames.ended && !s->backlog.count && !s->transfer.busy));
}

static void run(struct sender *s)
{
	for (;;) {
		take_frames(s);
		try_next(s);
		step(s);
		if (is_over(s))
			return;
		wait_for_work(s);
	}
}

/* The start. */

static bool wait_for_configuration(struct sender *s)
{
	uint64_t end = clock_monotonic_ms() + CONFIGURED_MS, now;
	struct pollfd server = { .fd = SERVER, .events = POLLIN };
	uint32_t items;

	while (!frames_read(&s->frames, &items)) {
		now = clock_monotonic_ms();
		if (s->frames.ended || now >= end)
			return false;
		poll(&server, 1, (int)(end - now));
	}
	return true;
}

static bool configure(struct sender *s)
{
	char error[SEND_LINE_MAX - 16];

	if (!wait_for_configuration(s))
		return false;
	bool ok = options_read(&s->options, buf_as_slice(&s->frames.body), error, sizeof(error));
	buf_finish(&s->frames.body);
	if (ok)
		tell("ready");
	else
		tell("fault %s", error);
	return ok;
}

/* No dump of the memory has the secrets of the headers; the signals of a terminal or of a
 * supervisor mean the server, which says when it ends. */
static void harden(void)
{
	static const int ignored[] = {
		SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2
	};
	const struct rlimit none = { 0, 0 };

	prctl(PR_SET_DUMPABLE, 0);
	setpriority(PRIO_PROCESS, 0, 10); /* what serves comes first */
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	setrlimit(RLIMIT_CORE, &none);
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
}

static bool is_socket(int fd)
{
	int type;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0;
}

int main(int argc, char **argv)
{
	static struct sender s = { .frames = { .fd = SERVER } };

	(void)argv;
	if (argc > 1 || !is_socket(SERVER)) {
		fputs(SEND_PROGRAM " " JOBLIGHT_VERSION ": `joblight serve` starts it\n", stderr);
		return 2;
	}
	harden();
	curl_global_init(CURL_GLOBAL_DEFAULT);
	bool ok = configure(&s);
	if (ok) {
		transfer_init(&s.transfer, &s.options);
		run(&s);
		while (s.backlog.count)
			drop(&s, "the server has stopped");
	}
	backlog_finish(&s.backlog);
	buf_finish(&s.frames.body);
	options_finish(&s.options);
	return ok ? 0 : 1; /* a name that is being looked up is not waited for */
}
