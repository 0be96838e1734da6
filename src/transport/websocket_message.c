/* What a client says over its WebSocket, and what it hears of that. */
#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/answer.h"
#include "joblight/core/json.h"
#include "websocket_private.h"

/* What the client hears of its messages. */

static void add_text(struct buf *json, const char *name, const char *text)
{
	if (!text || !text[0])
		return;
	json_name(json, name);
	json_string(json, slice_of(text));
}

static bool retryable(enum outcome o)
{
	return outcome_status(o) >= 500;
}

void ws_say_error(struct ws *w, const char *id, const char *job_id, const struct problem *p)
{
	struct buf json = { 0 };

	buf_text(&json, "{\"type\":\"error\"");
	add_text(&json, "id", id);
	add_text(&json, "jobId", job_id);
	add_text(&json, "code", outcome_code(p->outcome));
	buf_format(&json, ",\"status\":%d", outcome_status(p->outcome));
	add_text(&json, "detail", p->detail[0] ? p->detail : outcome_title(p->outcome));
	buf_format(&json, ",\"retryable\":%s}", retryable(p->outcome) ? "true" : "false");
	ws_say(w, &json);
}

static void say_ack(struct ws *w, const struct op *op)
{
	struct buf json = { 0 };

	answer_encode_ack(&json, op, hub_watchers(w->conn->loop->hub, op->job_id));
	ws_say(w, &json);
}

void ws_answer(struct conn *c, struct op *op)
{
	struct ws *w = c->ws;

	w->pending--;
	if (outcome_is_error(op->problem.outcome))
		ws_say_error(w, op->key, op->job_id, &op->problem);
	else
		say_ack(w, op);
	op_free(op);
	ws_enqueue(w);
}

/* Messages. */

static void tell_watchers(struct crowd_want *want, const char *job_id, unsigned watchers)
{
	struct reported *r = (struct reported *)want;
	struct buf json = { 0 };

	buf_format(&json, "{\"type\":\"watchers\",\"jobId\":\"%s\",\"watchers\":%u}", job_id,
	           watchers);
	ws_say(r->ws, &json);
}

void ws_forget_reported(struct reported *r)
{
	crowd_unwant(r->ws->conn->loop->crowd, &r->want, r->job_id);
	list_remove(&r->link);
	free(r);
}

/* The jobs it reported on lately: it is told when somebody begins or ceases to look at one of them.
 */
static void remember_reported(struct ws *w, const char *job_id)
{
	uint64_t count = 0;

	for (struct list *at = w->reported.next; at != &w->reported; at = at->next, count++)
		if (strcmp(container_of(at, struct reported, link)->job_id, job_id) == 0)
			return;
	if (count >= w->conn->loop->limits->subscriptions)
		ws_forget_reported(container_of(w->reported.next, struct reported, link));
	struct reported *r = xcalloc(1, sizeof(*r));
	r->ws = w;
	r->want.tell = tell_watchers;
	memcpy(r->job_id, job_id, strlen(job_id) + 1);
	list_append(&w->reported, &r->link);
	crowd_want(w->conn->loop->crowd, &r->want, job_id);
}

/* Refused or not, it goes the way to the store, so that answers come in the order of the messages.
 */
static void submit(struct ws *w, struct op *op)
{
	struct loop *l = w->conn->loop;
	struct problem busy = { .outcome = OUTCOME_OVERLOADED,
		                .detail = "too many writes are waiting" };

	op->loop = l;
	op->reply_to = w->conn->id;
	w->pending++;
	if (l->service->submit(l->service->context, op))
		return;
	w->pending--;
	l->counters.busy++;
	ws_say_error(w, op->key, op->job_id, &busy);
	op_free(op);
}

static void refuse_op(struct ws *w, const struct message *m, const struct problem *p)
{
	struct op *op = op_create(OP_TASK_REPORT);

	memcpy(op->key, m->id, sizeof(op->key));
	memcpy(op->job_id, m->job_id, sizeof(op->job_id));
	problem_set(&op->problem, p->outcome, "%s", p->detail);
	submit(w, op);
}

/* Presence of a job that there is: the store is asked, and then the word counts. */
struct presence_read {
	struct read_request request; /* first */
	struct loop *loop;
	uint64_t conn;
	struct presence_report word;
};

static void presence_done(struct read_request *request)
{
	struct presence_read *r = (struct presence_read *)request;
	struct conn *c = conn_find(r->loop, r->conn);
	struct problem p = request->result->problem;

	if (c && c->state == CONN_SOCKET) {
		c->ws->pending--;
		if (!outcome_is_error(p.outcome) && !crowd_hear(r->loop->crowd, &r->word))
			problem_set(&p, OUTCOME_TOO_MANY_AGENTS, "the job has too many agents");
		if (outcome_is_error(p.outcome))
			ws_say_error(c->ws, NULL, r->word.job_id, &p);
		c->ws->present = true;
		ws_enqueue(c->ws);
	}
	read_result_release(request->result);
	free(r);
}

static void hear_presence(struct ws *w, const struct message *m)
{
	struct presence_read *r = xcalloc(1, sizeof(*r));
	struct loop *l = w->conn->loop;
	struct problem busy = { .outcome = OUTCOME_OVERLOADED,
		                .detail = "too many readers are waiting" };

	r->request.query = (struct read_query){ .kind = READ_HEAD };
	memcpy(r->request.query.job_id, m->job_id, sizeof(r->request.query.job_id));
	r->request.loop = r->loop = l;
	r->request.done = presence_done;
	atomic_init(&r->request.gone, false);
	r->conn = w->conn->id;
	r->word = m->report;
	r->word.owner = w->conn->id;
	r->word.loop = l->index;
	if (!r->word.agent[0]) /* a connection's id is unique in its loop only */
		snprintf(r->word.agent, sizeof(r->word.agent), "agent-%x-%llx", l->index,
		         (unsigned long long)w->conn->id);
	w->pending++;
	if (l->service->read(l->service->context, &r->request))
		return;
	w->pending--;
	l->counters.busy++;
	ws_say_error(w, NULL, m->job_id, &busy);
	free(r);
}

static void hear_subscribe(struct ws *w, const struct message *m)
{
	struct attach wanted = {
		.job_id = m->job_id,
		.position = m->since,
		.types = m->types,
		.heartbeat_s = m->heartbeat_s,
		.tabs = m->tabs,
	};

	ws_subscribe(w, &wanted, false);
}

static void run_message(struct ws *w, struct message *m)
{
	switch (m->kind) {
	case MESSAGE_SUBSCRIBE:
		hear_subscribe(w, m);
		return;
	case MESSAGE_UNSUBSCRIBE:
		ws_unsubscribe(w, m->job_id);
		return;
	case MESSAGE_UPDATE:
		remember_reported(w, m->job_id);
		submit(w, m->op);
		return;
	case MESSAGE_COMMAND:
		submit(w, m->op);
		return;
	case MESSAGE_PRESENCE:
		hear_presence(w, m);
		return;
	default:
		ws_add_frame(w, SLICE("{\"type\":\"pong\"}"));
	}
}

void ws_hear_message(struct ws *w, struct slice text)
{
	struct message m;
	struct problem p = { 0 };

	if (message_decode(w->conn->loop->limits, text, &m, &p))
		run_message(w, &m);
	else if (m.unreadable)
		ws_close(w->conn,
		         p.outcome == OUTCOME_OUT_OF_MEMORY ? CLOSE_OVERLOADED : CLOSE_BAD_MESSAGE,
		         p.detail);
	else if (m.kind == MESSAGE_UPDATE || m.kind == MESSAGE_COMMAND)
		refuse_op(w, &m, &p);
	else
		ws_say_error(w, m.id, m.job_id, &p);
	problem_finish(&p);
}
