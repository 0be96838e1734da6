/* A subscription of a WebSocket: a subscriber of the hub for one job. */
#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "first_message.h"
#include "net/connection_flow.h"
#include "websocket_private.h"

#define ANNOUNCED_BYTES (64 * 1024) /* a larger first message is announced */

static struct subscription *subscription_of(struct subscriber *s)
{
	return container_of(s, struct subscription, subscriber);
}

/* The id of the message that asked for it; "" for none. */
static const char *message_id(const struct subscription *s)
{
	return s->job_id + strlen(s->job_id) + 1;
}

static struct subscription *find_subscription(struct ws *w, const char *job_id)
{
	for (struct list *at = w->subscriptions.next; at != &w->subscriptions; at = at->next) {
		struct subscription *s = container_of(at, struct subscription, link);
		if (!s->leaving && strcmp(s->job_id, job_id) == 0)
			return s;
	}
	return NULL;
}

/*
 * May be called inside a callback of the subscriber, so its memory is freed at the end of the turn.
 */
void ws_leave(struct subscription *s)
{
	struct ws *w = s->ws;

	hub_detach(w->conn->loop->hub, &s->subscriber);
	turn_free_later(w->conn->loop, &s->link);
	if (!s->leaving)
		w->count--;
	if (w->open == s)
		w->open = NULL;
	ws_enqueue(w);
}

/* Ends the subscription after a first message that has begun. */
void ws_leave_all(struct ws *w)
{
	while (!list_empty(&w->subscriptions))
		ws_leave(container_of(w->subscriptions.next, struct subscription, link));
}

static void leave_in_order(struct subscription *s)
{
	if (s->ws->open != s) {
		ws_leave(s);
		return;
	}
	s->leaving = true;
	s->ws->count--;
}

static void send_end(struct ws *w, const struct subscription_end *e, bool with_cursor)
{
	struct buf json = { 0 };

	end_encode(&json, e, with_cursor);
	ws_send(w, &json);
}

static void subscription_failed(struct subscription *s, const struct subscription_start *o)
{
	struct ws *w = s->ws;
	struct problem p = { .outcome = o->outcome };

	snprintf(p.detail, sizeof(p.detail), "%s", o->detail);
	ws_send_error(w, message_id(s), s->job_id, &p);
	if (s->only && o->outcome == OUTCOME_NOT_FOUND)
		ws_close(w, CLOSE_NO_JOB, "no such job");
	ws_leave(s);
}

/* Announces a large message, so that the client knows that it is coming. */
static void announce(struct ws *w, const char *job_id, size_t bytes)
{
	struct buf json = { 0 };

	if (bytes <= ANNOUNCED_BYTES)
		return;
	buf_format(&json, "{\"type\":\"opening\",\"jobId\":\"%s\",\"bytes\":%zu}", job_id, bytes);
	ws_send(w, &json);
}

static void subscription_opened(struct subscriber *subscriber, const struct subscription_start *o)
{
	struct subscription *s = subscription_of(subscriber);
	struct ws *w = s->ws;
	struct first_message m = { 0 };

	if (outcome_is_error(o->outcome)) {
		subscription_failed(s, o);
		return;
	}
	ws_accepted(w);
	first_message_encode(&m, w->conn->loop, o);
	announce(w, s->job_id, m.head.len + m.snapshot.len + m.tail.len);
	conn_widen(w->conn, o->snapshot.len);
	hub_send(subscriber, &m, o->result);
}

static void subscription_ended(struct subscriber *subscriber, const struct subscription_end *e)
{
	struct subscription *s = subscription_of(subscriber);
	struct ws *w = s->ws;

	send_end(w, e, subscriber_filters(subscriber));
	if (s->only && w->count == 1)
		ws_close(w, CLOSE_NORMAL, "the job is over");
	ws_leave(s);
}

static void subscription_heartbeat(struct subscriber *subscriber, uint64_t head)
{
	struct ws *w = subscription_of(subscriber)->ws;
	struct buf json = { 0 };

	heartbeat_encode(&json, subscriber, head);
	conn_widen(w->conn, 0);
	ws_send(w, &json);
}

static void subscription_stalled(struct subscriber *subscriber)
{
	/* a close frame would wait behind what the client does not take */
	conn_kill(subscription_of(subscriber)->ws->conn);
}

static bool subscription_takes(struct subscriber *subscriber)
{
	return conn_takes(subscription_of(subscriber)->ws->conn);
}

/* Writes frames of the ring directly if there is no other output. */
static enum sink write_or_buffer(struct ws *w, const char *bytes, size_t len)
{
	if (!w->out.len && w->count == 1)
		return ws_write_now(w, bytes, len);
	buf_add(&w->out, bytes, len);
	ws_enqueue(w);
	if (w->out.len < w->conn->loop->limits->write_bytes)
		return SINK_OPEN;
	ws_write_now(w, w->out.ptr, w->out.len);
	w->out.len = 0;
	return w->blocked ? SINK_BLOCKED : SINK_OPEN;
}

/*
 * Writes several frames of one job, or a fragment of its first message.  The first fragment fills a
 * whole write, so it goes out at once, after all earlier output.  The other fragments bypass
 * w->out, which waits for the end of the message.
 */
static enum sink subscription_write(struct subscriber *subscriber, const char *bytes, size_t len)
{
	struct subscription *s = subscription_of(subscriber);
	struct ws *w = s->ws;
	bool continues = w->open == s;

	if (w->close_code && (!continues || ws_close_is_due(w)))
		return SINK_BLOCKED; /* no new message is started */
	w->open = subscriber_in_message(subscriber) ? s : NULL;
	enum sink sink = continues ? ws_write_now(w, bytes, len) : write_or_buffer(w, bytes, len);
	if (s->leaving && w->open != s)
		ws_leave(s);
	return sink;
}

static const struct subscriber_ops subscription_ops = {
	.opened = subscription_opened,
	.write = subscription_write,
	.ended = subscription_ended,
	.heartbeat = subscription_heartbeat,
	.write_stalled = subscription_stalled,
	.takes = subscription_takes,
};

static struct subscription *create_subscription(struct ws *w, const char *job_id, const char *id,
                                                bool only)
{
	size_t job_len = strlen(job_id) + 1, id_len = strlen(id) + 1;
	struct subscription *s = xcalloc(1, sizeof(*s) + job_len + id_len);

	s->ws = w;
	s->only = only;
	memcpy(s->job_id, job_id, job_len);
	memcpy(s->job_id + job_len, id, id_len);
	list_append(&w->subscriptions, &s->link);
	w->count++;
	return s;
}

void ws_subscribe(struct ws *w, const struct attach *wanted, const char *id, bool only)
{
	const struct limits *limits = w->conn->loop->limits;
	const char *job_id = wanted->job_id;
	struct subscription *s = find_subscription(w, job_id);
	struct attach a = *wanted;
	struct problem full = { .outcome = OUTCOME_TOO_MANY_SUBSCRIPTIONS };

	if (!s && w->count >= limits->subscriptions) {
		snprintf(full.detail, sizeof(full.detail),
		         "a connection may have %llu subscriptions",
		         (unsigned long long)limits->subscriptions);
		ws_send_error(w, id, job_id, &full);
		return;
	}
	if (s) { /* replaces the old one, at the new position */
		only = only || s->only;
		leave_in_order(s);
	}
	s = create_subscription(w, job_id, id, only);
	a.job_id = s->job_id;
	a.asker = w->conn->id;
	a.blocked = w->blocked;
	a.framing = FRAME_WS;
	a.identity = access_identity(w->conn);
	hub_attach(w->conn->loop->hub, &s->subscriber, &subscription_ops, &a);
}

void ws_unsubscribe(struct ws *w, const char *job_id)
{
	struct subscription *s = find_subscription(w, job_id);
	char shown[ID_MAX + 1];
	struct subscription_end e = { .job_id = shown, .status = "unsubscribed" };

	id_reveal(shown, job_id);

	if (s && s->subscriber.open) {
		e.epoch = subscriber_epoch(&s->subscriber);
		e.seq = s->subscriber.cursor;
	}
	send_end(w, &e, e.epoch && subscriber_filters(&s->subscriber));
	if (s)
		leave_in_order(s);
}
