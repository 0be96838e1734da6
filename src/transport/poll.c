#include "poll.h"

#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/json.h"
#include "net/capacity.h"
#include "net/loop_private.h"
#include "net/transport.h"
#include "wishes.h"

struct poll {
	struct subscriber subscriber; /* first */
	struct conn *conn;
	char job_id[ID_MAX + 1];
	struct position asked;
	struct attach wishes; /* types and tabs */
	uint64_t limit, wait_s;
};

/* What an answer is made of. */
struct update {
	const char *epoch;
	enum job_status status;
	bool deleted;
	uint64_t cursor, head;
	bool over; /* the job has ended, or was deleted, and nothing follows the cursor */
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
		json_name(out, "job"); /* it follows */
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

static void answer(struct poll *p, struct update *u)
{
	struct conn *c = p->conn;
	struct buf etag = { 0 }, lines = { 0 };

	hub_detach(c->loop->hub, &p->subscriber);
	buf_char(&etag, '"');
	cursor_add(&etag, u->epoch, u->cursor);
	buf_char(&etag, '"');
	buf_format(&lines, "ETag: %s\r\nCache-Control: no-cache\r\n", buf_string(&etag));
	if (!u->events.len && !u->over && request_has_etag(c->request, buf_string(&etag))) {
		reply_empty(c, OUTCOME_NOT_MODIFIED, buf_string(&lines));
	} else {
		reply(p, u, buf_string(&lines));
	}
	buf_finish(&etag);
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
 * What there is at the cursor of an attached poll, which goes on from behind it.  What was read may
 * be newer than the ring.
 */
static struct update look(struct poll *p, const struct subscription_start *o)
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

/* The snapshot instead of events: those behind it come with the next poll. */
static void turn_into_reset(const struct poll *p, struct update *u,
                            const struct subscription_start *o)
{
	u->reset = true;
	u->reason = o->reason;
	u->snapshot = o->result;
	u->events.len = 0;
	u->cursor = o->start;
	u->over = subscriber_ended(&p->subscriber) && u->cursor >= u->head;
}

/* A client with a position in a job that was deleted gets the end of that job; for any other client
 * the job is unknown. */
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

/* Asks for what comes after `seq`. */
static void attach_at(struct poll *p, uint64_t seq)
{
	struct position here = { .kind = POSITION_CURSOR, .seq = seq };

	memcpy(here.epoch, subscriber_epoch(&p->subscriber),
	       strlen(subscriber_epoch(&p->subscriber)) + 1);
	hub_detach(p->conn->loop->hub, &p->subscriber);
	p->asked = here;
	attach(p, &p->asked);
}

/* Nothing that it wants has happened up to this event. */
static void wait_behind(struct poll *p, uint64_t seq)
{
	struct conn *c = p->conn;

	if (seq < subscriber_head(&p->subscriber)) {
		attach_at(p, seq);
		return;
	}
	subscriber_skip_to(&p->subscriber, seq);
	if (list_empty(&c->timer)) /* else it waits already, and has read the store meanwhile */
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
	struct update u = look(p, o);
	if (o->resume != RESUME_EXACT)
		turn_into_reset(p, &u, o);
	else if (!u.events.len && !u.over && p->wait_s && !c->loop->stopping && !c->ended &&
	         capacity_count_stream(
	             c)) { /* where too many wait already, it is answered at once */
		wait_behind(p, u.cursor);
		return;
	}
	answer(p, &u);
}

/* It is answered with what there is. */
static void answer_now(struct conn *c)
{
	struct poll *p = c->session;

	if (!p->subscriber.channel || !p->subscriber.open)
		return; /* answered, or about to be */
	struct update u = look(p, NULL);
	answer(p, &u);
}

/* Its time is over, the server stops, or its client has said all.  While it reads the store, the
 * answer comes with the end of that. */
static void wait_is_over(struct conn *c)
{
	struct poll *p = c->session;

	p->wait_s = 0;
	answer_now(c);
}

/* Something came.  More than the ring holds came at once: then the store has it. */
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
		.framing = FRAME_SSE, /* its log is where the JSON is sliced from */
		.types = p->wishes.types,
		.tabs = p->wishes.tabs,
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
	.expired = wait_is_over,
	.half_closed = wait_is_over,
};

void updates_poll(struct conn *c, struct request *r)
{
	const struct limits *limits = c->loop->limits;
	struct problem problem = { 0 };
	struct slice since = { 0 };
	uint64_t limit, wait_s;
	struct attach wishes;

	if (!wishes_read(r, &wishes, &problem) ||
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
	p->wishes = wishes;
	p->limit = limit;
	p->wait_s = wait_s;
	memcpy(p->job_id, r->params[0].ptr, r->params[0].len);
	c->transport = &polling;
	c->session = p;
	attach(p, &p->asked);
}
