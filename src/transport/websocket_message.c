/* The messages of a client over its WebSocket, and the answers to them. */
#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/answer.h"
#include "joblight/core/json.h"
#include "net/ask.h"
#include "net/dispatch.h"
#include "net/refused.h"
#include "net/request_span.h"
#include "net/quota.h"
#include "websocket_private.h"

/* Answers. */

static void send_ack(struct ws *w, const struct op *op)
{
	struct buf json = { 0 };

	ws_accepted(w);
	answer_encode_ack(&json, op, hub_watchers(w->conn->loop->hub, op->job_id));
	ws_send(w, &json);
}

/* The jobs that it reported on. */

static void tell_watchers(struct attendance_want *want, const char *job_id, unsigned watchers)
{
	struct reported *r = (struct reported *)want;
	struct buf json = { 0 };

	buf_format(&json, "{\"type\":\"watchers\",\"jobId\":\"%s\",\"watchers\":%u}", job_id,
	           watchers);
	ws_send(r->ws, &json);
}

void ws_forget_reported(struct reported *r)
{
	attendance_unwant(r->ws->conn->loop->attendance, &r->want, r->job_id);
	list_remove(&r->link);
	free(r);
}

/* Looks from the newest on, because most workers report on one job.  *count is how many it has
 * looked at. */
static struct reported *find_reported(const struct ws *w, const char *job_id, uint64_t *count)
{
	*count = 0;
	for (struct list *at = w->reported.prev; at != &w->reported; at = at->prev, ++*count) {
		struct reported *r = container_of(at, struct reported, link);
		if (strcmp(r->job_id, job_id) == 0)
			return r;
	}
	return NULL;
}

/*
 * A connection is told when a job that it has reported on gets its first watcher or loses the last
 * one.  The jobs of its last reports are remembered, the newest at the end.
 */
static void remember_reported(struct ws *w, const char *job_id)
{
	uint64_t count;
	struct reported *r = find_reported(w, job_id, &count);

	if (r) {
		list_move(&w->reported, &r->link);
		return;
	}
	for (; count >= w->conn->loop->limits->subscriptions; count--)
		ws_forget_reported(container_of(w->reported.next, struct reported, link));
	r = xcalloc(1, sizeof(*r));
	r->ws = w;
	r->want.tell = tell_watchers;
	memcpy(r->job_id, job_id, strlen(job_id) + 1);
	list_append(&w->reported, &r->link);
	attendance_want(w->conn->loop->attendance, &r->want, job_id);
}

void ws_answered(struct conn *c, struct op *op)
{
	struct ws *w = c->session;

	w->pending--;
	span_of_message(c, op, op->kind == OP_COMMAND ? "command" : "update");
	if (outcome_is_error(op->problem.outcome)) {
		ws_send_error(w, op->key, op->job_id, &op->problem);
	} else {
		if (op->kind == OP_TASK_REPORT)
			remember_reported(w, op->job_id);
		send_ack(w, op);
	}
	op_free(op);
	ws_enqueue(w);
}

/* Messages. */

/*
 * An op goes through the store even if it was refused, so that answers keep the order of the
 * messages.
 */
static void submit(struct ws *w, struct op *op)
{
	struct problem busy = { .outcome = OUTCOME_OVERLOADED,
		                .detail = "too many writes are waiting" };

	if (ask_write(w->conn, op)) {
		w->pending++;
		return;
	}
	ws_send_error(w, op->key, op->job_id, &busy);
	op_free(op);
}

static void refuse_op(struct ws *w, const struct message *m, enum op_kind operation,
                      const struct problem *p)
{
	struct op *op = op_create(operation);

	memcpy(op->key, m->id, sizeof(op->key));
	memcpy(op->job_id, m->job_id, sizeof(op->job_id));
	problem_set(&op->problem, p->outcome, "%s", p->detail);
	op->problem.wait_ms = p->wait_ms;
	submit(w, op);
}

struct presence {
	struct presence_report report;
	char id[KEY_MAX + 1]; /* of the message, "" for none */
};

/* Presence needs an existing job, so the store is read first. */
static void presence_read(struct conn *c, struct read_result *job, const void *data)
{
	const struct presence *presence = data;
	struct ws *w = c->session;
	struct problem p = job->problem;

	w->pending--;
	if (!outcome_is_error(p.outcome) &&
	    attendance_report(c->loop->attendance, &presence->report, &p))
		w->present = true;
	else
		ws_send_error(w, presence->id, presence->report.job_id, &p);
	ws_enqueue(w);
}

/* A connection's id is unique only within its loop. */
static void name_agent(struct presence_report *report, struct conn *c)
{
	uint64_t loop = request_ids_prefix(&c->loop->request_ids);

	snprintf(report->agent, sizeof(report->agent), "agent-%llx-%llx", (unsigned long long)loop,
	         (unsigned long long)c->id);
}

static void receive_presence(struct ws *w, const struct message *m)
{
	struct read_query q = { .kind = READ_HEAD };
	struct presence presence = { .report = m->report };
	struct presence_report *report = &presence.report;
	struct problem busy = { .outcome = OUTCOME_OVERLOADED,
		                .detail = "too many reads are waiting" };

	memcpy(q.job_id, m->job_id, sizeof(q.job_id));
	memcpy(presence.id, m->id, sizeof(presence.id));
	report->owner = w->conn->id;
	report->loop = w->conn->loop->peer;
	if (!report->agent[0])
		name_agent(report, w->conn);
	if (ask_read(w->conn, &q, presence_read, &presence, sizeof(presence)))
		w->pending++;
	else
		ws_send_error(w, m->id, m->job_id, &busy);
}

static void receive_subscribe(struct ws *w, const struct message *m)
{
	struct attach wanted = {
		.job_id = m->job_id,
		.position = m->since,
		.types = m->types,
		.heartbeat_s = m->heartbeat_s,
		.tabs = m->tabs,
	};

	ws_subscribe(w, &wanted, m->id, false);
}

static void receive_unsubscribe(struct ws *w, const struct message *m)
{
	ws_unsubscribe(w, m->job_id);
}

static void receive_write(struct ws *w, const struct message *m)
{
	submit(w, m->op);
}

static void receive_ping(struct ws *w, const struct message *m)
{
	(void)m;
	ws_add_frame(w, SLICE("{\"type\":\"pong\"}"));
}

/* Whether the client has this right over the job, after its credential changed. */
static bool may(const struct ws *w, enum right right, const char *job_id)
{
	return (w->conn->rights & right) && credential_covers(w->conn->credential, job_id);
}

static void end_what_is_not_covered(struct ws *w)
{
	struct list *next;

	for (struct list *at = w->reported.next; at != &w->reported; at = next) {
		struct reported *r = container_of(at, struct reported, link);
		next = at->next;
		if (!may(w, RIGHT_REPORT, r->job_id))
			ws_forget_reported(r);
	}
	for (struct list *at = w->subscriptions.next; at != &w->subscriptions; at = next) {
		struct subscription *s = container_of(at, struct subscription, link);
		struct problem p = { 0 };
		next = at->next;
		if (s->leaving || may(w, RIGHT_WATCH, s->job_id))
			continue;
		problem_set(&p, OUTCOME_FORBIDDEN, "the new token is not for this job");
		ws_unsubscribe(w, s->job_id);
		ws_send_error(w, "", s->job_id, &p);
	}
}

/* Who may not report any more is not present any more. */
static void leave_without_right(struct ws *w)
{
	struct conn *c = w->conn;

	if (!w->present || (c->rights & RIGHT_REPORT))
		return;
	attendance_owner_gone(c->loop->attendance, c->id);
	w->present = false;
}

/* Renews the credential in place: what goes on is not interrupted. */
static void receive_token(struct ws *w, const struct message *m)
{
	struct conn *c = w->conn;
	struct problem p = { 0 };
	struct buf json = { 0 };
	const char *fault = NULL;
	struct credential *k = access_is_open(c->loop) ? NULL
	                                               : access_find(c, slice_of(m->token), &fault);

	if (!k && !access_is_open(c->loop)) {
		problem_set(&p, OUTCOME_UNAUTHORIZED, "the token is not in force: %s",
		            fault ? fault : "no such key");
		quota_takes_wrong_key(c, &p);
		refused_note(c, p.outcome, NULL, NULL);
		ws_send_error(w, m->id, "", &p);
		return;
	}
	if (k) {
		c->source = ACCESS_HEADER;
		access_grant(c, k, credential_rights(k));
		credential_release(k);
		if (!quota_renew(c, &p)) {
			ws_close(w, CLOSE_RATE_LIMITED, p.detail);
			return;
		}
		end_what_is_not_covered(w);
		leave_without_right(w);
	}
	buf_text(&json, "{\"type\":\"ack\",\"id\":");
	json_string(&json, slice_of(m->id));
	buf_char(&json, '}');
	ws_send(w, &json);
}

enum refusal { AT_ONCE, IN_ORDER };

static const struct row {
	enum right rights; /* the client needs one of them, or none */
	enum refusal refusal;
	enum op_kind operation;                                 /* of a write: IN_ORDER needs one */
	void (*receive)(struct ws *w, const struct message *m); /* takes m->op */
} rows[MESSAGE_KIND_COUNT] = {
#define MESSAGE(kind, name, take, id, job, rights, refusal, function)                              \
	[MESSAGE_##kind] = { RIGHT_##rights, refusal, OP_KIND_COUNT, function },
#define WRITE_MESSAGE(kind, name, rights, operation)                                               \
	[MESSAGE_##kind] = { RIGHT_##rights, IN_ORDER, OP_##operation, receive_write },
#include "joblight/core/messages.def"
#undef MESSAGE
};

static void refuse(struct ws *w, const struct message *m, const struct problem *p)
{
	if (m->kind < MESSAGE_KIND_COUNT && rows[m->kind].refusal == IN_ORDER)
		refuse_op(w, m, rows[m->kind].operation, p);
	else
		ws_send_error(w, m->id, m->job_id, p);
}

/* The id of the job may be concealed: then all parts of the message have it so. */
static void conceal(struct message *m)
{
	memcpy(m->report.job_id, m->job_id, sizeof(m->job_id));
	if (m->op)
		memcpy(m->op->job_id, m->job_id, sizeof(m->job_id));
}

/* A write counts as its updates, another message as a request. */
static bool is_within_limits(struct conn *c, const struct message *m, struct problem *p)
{
	return m->op ? quota_takes_updates(c, op_updates(m->op), p) : quota_takes_message(c, p);
}

static void run(struct ws *w, struct message *m, struct problem *p)
{
	const struct row *row = &rows[m->kind];

	const struct dispatch *d = w->conn->loop->dispatch;

	bool admitted = d->admits(w->conn, row->rights, m->job_id, p); /* notes what it refuses */

	if (admitted && (!m->op || d->admits_op(w->conn, m->op, p)) &&
	    is_within_limits(w->conn, m, p)) {
		conceal(m);
		row->receive(w, m);
		return;
	}
	if (admitted)
		refused_note(w->conn, p->outcome, NULL, m->job_id[0] ? m->job_id : NULL);
	op_free(m->op);
	refuse(w, m, p);
}

void ws_receive_message(struct ws *w, struct slice text)
{
	struct message m;
	struct problem p = { 0 };

	if (message_decode(w->conn->loop->limits, text, &m, &p)) {
		run(w, &m, &p);
		free(m.token);
	} else if (m.unreadable)
		ws_close(w,
		         p.outcome == OUTCOME_OUT_OF_MEMORY ? CLOSE_OVERLOADED : CLOSE_BAD_MESSAGE,
		         p.detail);
	else
		refuse(w, &m, &p);
	problem_finish(&p);
}
