#include "poll.h"

#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/json.h"
#include "net/capacity.h"
#include "net/loop_private.h"
#include "net/transport.h"
#include "subscribe_options.h"

struct poll {
	struct subscriber subscriber; /* first member */
	struct conn *conn;
	char job_id[ID_MAX + 1];
	struct position asked;
	struct attach options; /* types and tabs */
	uint64_t limit, wait_s;
};

/* The content of an answer. */
struct update {
	const char *epoch;
	enum job_status status;
	bool deleted;
	uint64_t cursor, head;
	bool over; /* the job has ended or was deleted, and no event follows the cursor */
	enum reset_reason reason;
	bool reset;
	struct read_result *snapshot;
	struct buf events; /* joined by commas */
};

static struct poll *poll_of(struct subscriber *s)
{
	return (struct poll *)s;
}

static void encode(const struct poll *p, const struct update *u, struct buf *out)
{
	const char *status = u->deleted ? "deleted" : job_status_text(u->status);

	buf_format(out, "{\"jobId\":\"%s\",\"epoch\":\"%s\",\"cursor\":\"", p->job_id, u->epoch);
	cursor_add(out, u->epoch, u->cursor);
	buf_format(out, "\",\"head\":%llu,\"status\":\"%s\",\"terminal\":%s,\"reset\":%s",
	           (unsigned long long)u->head, status, u->over ? "true" : "false",
	           u->reset ? "true" : "false");
	if (u->reason)
		buf_format(out, ",\"reason\":\"%s\"", reset_reason_text(u->reason));
	buf_text(out, ",\"events\":[");
	buf_slice(out, buf_as_slice(&u->events));
	buf_char(out, ']');
	if (u->snapshot)
		json_name(out, "job"); /* the snapshot follows */
}

static void encode_end(const struct poll *p, struct buf *out)
{
	buf_format(out, ",\"pollIntervalMs\":%llu}",
	           (unsigned long long)p->conn->loop->limits->poll_interval_ms);
}

static void reply(const struct poll *p, const struct update *u, const char *lines)
{
	struct buf body = { 0 }, end = { 0 };

	encode(p, u, &body);
	if (u->snapshot) {
		encode_end(p, &end);
		reply_json_around(p->conn, OUTCOME_OK, lines, &body, u->snapshot, &end);
	} else {
		encode_end(p, &body);
		reply_json_taken(p->conn, OUTCOME_OK, lines, &body);
	}
}

/*
 * The cursor in quotes, which a client knows without asking, as long as nothing follows it.
 * Otherwise the tag is another one, because the answer tells the head and the end, too.
 */
static void add_etag(const struct update *u, struct buf *lines)
{
	buf_text(lines, "ETag: \"");
	cursor_add(lines, u->epoch, u->cursor);
	if (u->head != u->cursor)
		buf_format(lines, ".%llu", (unsigned long long)u->head);
	buf_text(lines, u->over ? ".end\"\r\n" : "\"\r\n");
}

static void answer(struct poll *p, struct update *u)
{
	struct conn *c = p->conn;
	struct buf lines = { 0 };

	hub_detach(c->loop->hub, &p->subscriber);
	add_etag(u, &lines);
	buf_text(&lines, "Cache-Control: no-cache\r\n");
	reply(p, u, buf_string(&lines));
	buf_finish(&lines);
	buf_finish(&u->events);
}

static void add_event(struct update *u, struct slice json)
{
	if (u->events.len)
		buf_char(&u->events, ',');
	buf_slice(&u->events, json);
}

static void add_from_read(const struct poll *p, struct update *u, const struct read_result *r)
{
	for (size_t i = 0; i < r->event_count; i++) {
		const struct read_event *e = &r->events[i];
		if (subscriber_wants(&p->subscriber, e->type))
			add_event(u, read_event_json(r, e));
		u->cursor = e->seq;
	}
}

static void add_from_ring(const struct poll *p, struct update *u)
{
	const struct subscriber *s = &p->subscriber;
	uint64_t last = subscriber_head(s);

	if (!subscriber_reaches(s))
		return;
	for (uint64_t n = 0; n < p->limit && u->cursor < last; u->cursor++) {
		uint64_t next = u->cursor + 1;
		if (!subscriber_wants(s, subscriber_type(s, next)))
			continue;
		add_event(u, subscriber_json(s, next));
		n++;
	}
}

/*
 * Collects the events after the cursor of an attached poll, and moves the cursor past them.  The
 * result of a read may be newer than the ring.
 */
static struct update collect(struct poll *p, const struct subscription_start *o)
{
	struct subscriber *s = &p->subscriber;
	struct update u = {
		.epoch = subscriber_epoch(s),
		.status = subscriber_status(s),
		.deleted = subscriber_deleted(s),
		.cursor = s->cursor,
		.head = o ? o->head : subscriber_head(s),
	};

	if (o && o->result && o->result->event_count)
		add_from_read(p, &u, o->result);
	else
		add_from_ring(p, &u);
	subscriber_skip_to(s, u.cursor);
	u.over = subscriber_ended(s) &&
	         (u.cursor >= u.head || (u.deleted && !subscriber_reaches(s)));
	return u;
}

/* Answers with the snapshot instead of events.  Later events come with the next poll. */
static void make_reset(const struct poll *p, struct update *u, const struct subscription_start *o)
{
	u->reset = true;
	u->reason = o->reason;
	u->snapshot = o->result;
	u->events.len = 0;
	u->cursor = o->start;
	u->over = subscriber_ended(&p->subscriber) && u->cursor >= u->head;
}

/*
 * A client with a position in a deleted job gets the end of that job.  For any other client the job
 * is unknown.
 */
static void answer_failure(struct poll *p, const struct subscription_start *o)
{
	struct update u = { .epoch = p->asked.epoch,
		            .deleted = true,
		            .cursor = p->asked.seq,
		            .head = p->asked.seq,
		            .over = true };

	if (o->deleted)
		answer(p, &u);
	else
		reply_refuse(p->conn, o->outcome, "%s", o->detail);
}

static void attach(struct poll *p, const struct position *position);

/* Reads the store for the events after `seq`. */
static void attach_at(struct poll *p, uint64_t seq)
{
	struct position here = { .kind = POSITION_CURSOR, .seq = seq };

	memcpy(here.epoch, subscriber_epoch(&p->subscriber),
	       strlen(subscriber_epoch(&p->subscriber)) + 1);
	hub_detach(p->conn->loop->hub, &p->subscriber);
	p->asked = here;
	attach(p, &p->asked);
}

/* Waits after this event; no event up to it is wanted. */
static void wait_after(struct poll *p, uint64_t seq)
{
	struct conn *c = p->conn;

	if (seq < subscriber_head(&p->subscriber)) {
		attach_at(p, seq);
		return;
	}
	subscriber_skip_to(&p->subscriber, seq);
	if (list_empty(&c->timer)) /* otherwise it was waiting before it read the store */
		deadline_set(&c->loop->deadlines.waits[p->wait_s], c,
		             loop_now(c->loop) + p->wait_s * 1000);
}

static void poll_opened(struct subscriber *subscriber, const struct subscription_start *o)
{
	struct poll *p = poll_of(subscriber);
	struct conn *c = p->conn;

	if (outcome_is_error(o->outcome)) {
		answer_failure(p, o);
		return;
	}
	struct update u = collect(p, o);
	struct problem full = { 0 };
	if (o->resume != RESUME_EXACT)
		make_reset(p, &u, o);
	else if (!u.events.len && !u.over && p->wait_s && !c->loop->stopping && !c->ended &&
	         capacity_count_stream(c, &full) == STREAM_COUNTED) {
		/* if too many polls are waiting, it is answered at once */
		wait_after(p, u.cursor);
		return;
	}
	answer(p, &u);
}

/* Answers with the events that are present. */
static void answer_now(struct conn *c)
{
	struct poll *p = c->session;

	if (!p->subscriber.channel || !p->subscriber.open)
		return; /* answered already, or as soon as the read has finished */
	struct update u = collect(p, NULL);
	answer(p, &u);
}

/*
 * The wait has expired, the server stops, or the client has ended its side.  If a read of the store
 * is running, the answer follows it.
 */
static void wait_is_over(struct conn *c)
{
	struct poll *p = c->session;

	p->wait_s = 0;
	answer_now(c);
}

/* The credential has ended.  An answer that has begun goes on. */
static void expelled(struct conn *c)
{
	static const struct problem over = {
		.outcome = OUTCOME_UNAUTHORIZED,
		.detail = "the key or the token has ended while the poll was waiting",
	};
	struct poll *p = c->session;

	if (c->reply)
		return;
	hub_detach(c->loop->hub, &p->subscriber);
	reply_problem(c, &over, http_refusal_lines(over.outcome));
}

/* Events have arrived.  If the ring does not hold all of them, the store is read. */
static void poll_ready(struct subscriber *s)
{
	struct poll *p = poll_of(s);

	if (subscriber_reaches(s) || subscriber_deleted(s))
		answer_now(p->conn);
	else
		attach_at(p, s->cursor);
}

static const struct subscriber_ops poll_ops = { .opened = poll_opened, .ready = poll_ready };

static void attach(struct poll *p, const struct position *position)
{
	struct attach a = {
		.job_id = p->job_id,
		.position = *position,
		.framing = FRAME_SSE, /* the JSON is cut out of this framing */
		.types = p->options.types,
		.tabs = p->options.tabs,
		.identity = access_identity(p->conn),
		.uncounted = !p->wait_s,
		.limit = (size_t)p->limit,
	};

	hub_attach(p->conn->loop->hub, &p->subscriber, &poll_ops, &a);
}

static void detach(struct conn *c)
{
	struct poll *p = c->session;

	hub_detach(c->loop->hub, &p->subscriber);
}

static void free_session(struct conn *c)
{
	free(c->session);
}

static const struct transport polling = {
	.detach = detach,
	.free = free_session,
	.stop = wait_is_over,
	.expelled = expelled,
	.expired = wait_is_over,
	.half_closed = wait_is_over,
};

void updates_poll(struct conn *c, struct request *r)
{
	const struct limits *limits = c->loop->limits;
	struct problem problem = { 0 };
	struct slice since = { 0 };
	uint64_t limit, wait_s;
	struct attach options;

	if (!subscribe_options_read(r, &options, &problem) ||
	    !request_number(r, "limit", limits->poll_events, 1, limits->poll_events, &limit,
	                    &problem) ||
	    !request_number(r, "wait", 0, 0, limits->poll_wait_ms / 1000, &wait_s, &problem)) {
		reply_problem(c, &problem, "");
		return;
	}
	request_arg(r, "since", &since);
	struct poll *p = xcalloc(1, sizeof(*p));
	p->conn = c;
	p->asked = position_parse_time(since);
	p->options = options;
	p->limit = limit;
	p->wait_s = wait_s;
	memcpy(p->job_id, r->params[0].ptr, r->params[0].len);
	conn_count_as(c, LABEL_TRANSPORT_POLL);
	c->transport = &polling;
	c->session = p;
	attach(p, &p->asked);
}
