/* How long connections stay open on which nothing is sent. */
#include <stdio.h>

#include "doctor.h"
#include "joblight/base/clock.h"
#include "probe_socket.h"

#define FIRST_MS 3000
#define LOOK_MS 250       /* the connections are looked at so often */
#define HEARTBEAT_MIN_S 5 /* what a client may ask for */
#define HEARTBEAT_MAX_S 60
#define MARGIN_MS 500 /* after the heartbeat of the server */

struct line {
	const char *name;
	bool open;         /* it is tested */
	uint64_t heard_us; /* the last time that something arrived */
	uint64_t cut_us;   /* after so long it was cut; 0: it was not */
};

struct idle {
	struct exchange *stream, *poll;
	struct probe_socket socket;
	struct line on_stream, on_socket, on_poll;
	size_t seen; /* bytes of the stream */
};

static unsigned within(unsigned value, unsigned min, unsigned max)
{
	return value < min ? min : value > max ? max : value;
}

static void open_poll(struct doctor *d, struct idle *i, unsigned seconds)
{
	char cursor[64], path[256];

	if (!doctor_read_cursor(d, cursor, sizeof(cursor)))
		return;
	snprintf(path, sizeof(path), "/api/jobs/%s/updates?wait=%u&since=%s", d->job,
	         within(seconds, 1, HEARTBEAT_MAX_S), cursor);
	struct request_of_probe r = { .method = "GET", .path = path, .is_new = true };
	i->poll = exchange_begin(&d->probe, &r);
	i->on_poll.open = true;
}

static void open_lines(struct doctor *d, struct idle *i, unsigned seconds)
{
	static const char *const headers[] = { "Accept: text/event-stream", NULL };
	char path[160];

	snprintf(path, sizeof(path), "/api/jobs/%s/task-events?heartbeat=%u", d->job,
	         within(seconds, HEARTBEAT_MIN_S, HEARTBEAT_MAX_S));
	struct request_of_probe r = {
		.method = "GET", .path = path, .headers = headers, .is_new = true
	};
	i->stream = exchange_begin(&d->probe, &r);
	i->on_stream.open = exchange_wait_for(i->stream, "\"connected\"", FIRST_MS) &&
	                    !i->stream->done;
	i->on_socket.open = probe_socket_open(&i->socket, &d->probe, FIRST_MS);
	open_poll(d, i, seconds);
	i->seen = i->stream->body.len;
	i->on_stream.heard_us = i->on_socket.heard_us = i->on_poll.heard_us = clock_monotonic_us();
}

static void cut(struct line *l, uint64_t at_us)
{
	if (l->open && !l->cut_us)
		l->cut_us = at_us > l->heard_us ? at_us - l->heard_us : 1;
	l->open = false;
}

static void look(struct idle *i)
{
	if (i->on_stream.open && i->stream->done)
		cut(&i->on_stream, i->stream->done_us);
	else if (i->stream->body.len > i->seen)
		i->on_stream.heard_us = clock_monotonic_us();
	i->seen = i->stream->body.len;
	if (i->on_socket.open) {
		probe_socket_take(&i->socket);
		if (i->socket.ended)
			cut(&i->on_socket, i->socket.ended_us);
	}
	if (i->on_poll.open && i->poll->done && (i->poll->status >= 500 || !i->poll->status))
		cut(&i->on_poll, i->poll->done_us);
	i->on_poll.open = i->on_poll.open && !i->poll->done;
}

static void stay(struct doctor *d, struct idle *i, uint64_t ms)
{
	uint64_t until = clock_monotonic_ms() + ms;

	while (clock_monotonic_ms() < until && !d->probe.stopped &&
	       (i->on_stream.open || i->on_socket.open)) {
		probe_run(&d->probe, LOOK_MS, i->on_socket.open ? (int)i->socket.fd : -1);
		look(i);
	}
}

static void add_cut(struct buf *out, const struct line *l)
{
	if (l->cut_us)
		buf_format(out, "%s%s after %.1f s", out->len ? ", " : "", l->name,
		           (double)l->cut_us / 1000000);
}

static void report(struct doctor *d, const struct idle *i, uint64_t ms)
{
	struct buf cuts = { 0 };

	add_cut(&cuts, &i->on_stream);
	add_cut(&cuts, &i->on_socket);
	add_cut(&cuts, &i->on_poll);
	if (cuts.len)
		doctor_report(d, VERDICT_FAIL, "wait for two minutes", ADVICE_IDLE,
		              "connections are cut when nothing is sent: %s", buf_string(&cuts));
	else if (i->on_stream.open && i->on_socket.open)
		doctor_ok(d, "a stream and a WebSocket stay open for %.0f s", (double)ms / 1000);
	else if (i->on_stream.open || i->on_socket.open)
		doctor_ok(d, "a %s stays open for %.0f s",
		          i->on_stream.open ? "stream" : "WebSocket", (double)ms / 1000);
	else
		doctor_skip(d, "not tested: neither a stream nor a WebSocket opens");
	buf_finish(&cuts);
}

void doctor_check_idle(struct doctor *d)
{
	uint64_t ms = d->idle_ms < 0 ? d->arrival.heartbeat_ms + MARGIN_MS : (uint64_t)d->idle_ms;
	struct idle i = { .on_stream = { .name = "the stream" },
		          .on_socket = { .name = "the WebSocket" },
		          .on_poll = { .name = "the waiting request" } };

	if (!d->job[0] || !ms) {
		doctor_skip(d, ms ? "not tested: there is no job" : "not tested: --idle 0");
		return;
	}
	open_lines(d, &i, (unsigned)((ms + 999) / 1000));
	stay(d, &i, ms);
	report(d, &i, ms);
	exchange_free(i.stream);
	exchange_free(i.poll);
	probe_socket_close(&i.socket);
}
