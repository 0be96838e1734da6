#include "updates.h"

#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/json.h"
#include "loop_private.h"
#include "router.h"

struct poll {
	struct subscriber subscriber; /* first */
	struct conn *conn;
	char job_id[ID_MAX + 1];
	uint64_t limit, wait_s;
};

/* What an answer is made of. */
struct update {
	const char *epoch;
	enum job_status status;
	uint64_t cursor, head;
	bool over; /* the job has ended and nothing follows the cursor */
	enum reset_reason reason;
	bool reset;
	struct slice snapshot;
	struct buf events; /* joined by commas */
};

static struct poll *poll_of(struct subscriber *s)
{
	return (struct poll *)s;
}

static void encode(const struct poll *p, const struct update *u, struct buf *out)
{
	buf_format(out, "{\"jobId\":\"%s\",\"epoch\":\"%s\",\"cursor\":\"", p->job_id, u->epoch);
	cursor_add(out, u->epoch, u->cursor);
	buf_format(out, "\",\"head\":%llu,\"status\":\"%s\",\"terminal\":%s,\"reset\":%s", (unsigned long long)u->head,
		   job_status_text(u->status), u->over ? "true" : "false", u->reset ? "true" : "false");
	if (u->reason)
		buf_format(out, ",\"reason\":\"%s\"", reset_reason_text(u->reason));
	buf_text(out, ",\"events\":[");
	buf_slice(out, buf_as_slice(&u->events));
	buf_char(out, ']');
	if (u->snapshot.len) {
		json_name(out, "job");
		buf_slice(out, u->snapshot);
	}
	buf_format(out, ",\"pollIntervalMs\":%llu}", (unsigned long long)p->conn->loop->limits->poll_interval_ms);
}

static void answer(struct poll *p, struct update *u)
{
	struct conn *c = p->conn;
	struct buf etag = { 0 }, lines = { 0 }, body = { 0 };

	hub_detach(c->loop->hub, &p->subscriber);
	buf_char(&etag, '"');
	cursor_add(&etag, u->epoch, u->cursor);
	buf_char(&etag, '"');
	buf_format(&lines, "ETag: %s\r\nCache-Control: no-cache\r\n", buf_string(&etag));
	if (!u->events.len && request_has_etag(c->request, buf_string(&etag))) {
		reply_empty(c, OUTCOME_NOT_MODIFIED, buf_string(&lines));
	} else {
		encode(p, u, &body);
		reply_json(c, OUTCOME_OK, buf_string(&lines), buf_as_slice(&body));
	}
	buf_finish(&etag);
	buf_finish(&lines);
	buf_finish(&body);
	buf_finish(&u->events);
}

static void add_event(struct update *u, uint64_t seq, struct slice json)
{
	if (u->events.len)
		buf_char(&u->events, ',');
	buf_slice(&u->events, json);
	u->cursor = seq;
}

static void add_from_read(const struct poll *p, struct update *u, const struct read_result *r)
{
	for (size_t i = 0; i < r->event_count && i < p->limit; i++)
		add_event(u, r->events[i].seq, read_event_json(r, &r->events[i]));
}

static void add_from_ring(const struct poll *p, struct update *u)
{
	const struct subscriber *s = &p->subscriber;

	if (!subscriber_reaches(s))
		return;
	for (uint64_t n = 0; n < p->limit && u->cursor < u->head; n++)
		add_event(u, u->cursor + 1, subscriber_json(s, u->cursor + 1));
}

/* What there is at the cursor of an attached poll. */
static struct update look(const struct poll *p, const struct read_result *r)
{
	const struct subscriber *s = &p->subscriber;
	struct update u = {
		.epoch = subscriber_epoch(s),
		.status = subscriber_status(s),
		.cursor = s->cursor,
		.head = subscriber_head(s),
	};

	if (r && r->event_count)
		add_from_read(p, &u, r);
	else
		add_from_ring(p, &u);
	u.over = subscriber_ended(s) && u.cursor >= u.head;
	return u;
}

static void poll_opened(struct subscriber *subscriber, const struct opening *o)
{
	struct poll *p = poll_of(subscriber);
	struct conn *c = p->conn;

	if (outcome_is_error(o->outcome)) {
		reply_refuse(c, o->outcome, "%s", o->detail);
		return;
	}
	struct update u = look(p, o->result);
	if (o->resume == RESUME_EXACT && !u.events.len && !u.over && p->wait_s && !c->loop->stopping) {
		conn_wait(c, &c->loop->waits[p->wait_s], loop_now(c->loop) + p->wait_s * 1000);
		return;
	}
	u.reset = o->resume != RESUME_EXACT;
	u.reason = o->reason;
	u.snapshot = o->snapshot;
	if (u.reset) {
		u.events.len = 0; /* they are in the snapshot, or come with the next poll */
		u.cursor = o->start;
	}
	answer(p, &u);
}

static void attach(struct poll *p, const struct position *position);

/* Something came.  More than the ring holds came at once: then the store has it. */
static void poll_ready(struct subscriber *s)
{
	struct poll *p = poll_of(s);
	struct conn *c = p->conn;

	if (subscriber_deleted(s)) {
		hub_detach(c->loop->hub, s);
		reply_refuse(c, OUTCOME_NOT_FOUND, "the job was deleted");
		return;
	}
	if (!subscriber_reaches(s)) {
		struct position here = { .kind = POSITION_CURSOR, .seq = s->cursor };
		memcpy(here.epoch, subscriber_epoch(s), strlen(subscriber_epoch(s)) + 1);
		hub_detach(c->loop->hub, s);
		attach(p, &here);
		return;
	}
	updates_answer_now(c);
}

void updates_answer_now(struct conn *c)
{
	struct poll *p = poll_of(c->subscriber);

	if (!p->subscriber.channel || !p->subscriber.open)
		return; /* answered, or about to be */
	struct update u = look(p, NULL);
	answer(p, &u);
}

static const struct subscriber_ops poll_ops = { .opened = poll_opened, .ready = poll_ready };

static void attach(struct poll *p, const struct position *position)
{
	struct attach a = {
		.job_id = p->job_id,
		.position = *position,
		.framing = FRAME_SSE, /* its log is where the JSON is sliced from */
		.types = TYPE_BITS_ALL,
		.limit = (size_t)p->limit,
	};

	hub_attach(p->conn->loop->hub, &p->subscriber, &poll_ops, &a);
}

void updates_poll(struct conn *c, struct request *r)
{
	const struct limits *limits = c->loop->limits;
	struct problem problem = { 0 };
	struct slice since = { 0 };
	uint64_t limit, wait_s;

	if (!request_number(r, "limit", limits->poll_events, 1, limits->poll_events, &limit, &problem) ||
	    !request_number(r, "wait", 0, 0, limits->poll_wait_ms / 1000, &wait_s, &problem)) {
		reply_problem(c, &problem, "");
		return;
	}
	request_arg(r, "since", &since);
	struct position position = position_parse_time(since);
	struct poll *p = xcalloc(1, sizeof(*p));
	p->conn = c;
	p->limit = limit;
	p->wait_s = wait_s;
	memcpy(p->job_id, r->params[0].ptr, r->params[0].len);
	c->subscriber = &p->subscriber;
	attach(p, &position);
}
