#include "ws.h"

#include <stdio.h>
#include <stdlib.h>

#include "crowd.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/json.h"
#include "joblight/core/message.h"
#include "loop_private.h"
#include "opening.h"

#define CLOSE_OVER 1000
#define CLOSE_PROTOCOL 1002
#define CLOSE_BINARY 1003
#define CLOSE_TOO_BIG 1009
#define CLOSE_RESTART 1012
#define CLOSE_TOO_SLOW 4008
#define CLOSE_BAD_MESSAGE 4400
#define CLOSE_NO_JOB 4404

#define REASON_MAX 100          /* bytes of a close frame's reason */
#define UNREAD_BYTES (64 * 1024) /* of answers a client has not taken: it is not read from beyond */

struct subscription {
	struct subscriber subscriber; /* first */
	struct ws *ws;
	struct list link; /* in ws.subscriptions, or ws.left until it can be freed */
	bool only;        /* named in the URL: without it the connection has no purpose */
	char job_id[];
};

/* A job this connection reported on. */
struct reported {
	struct crowd_want want; /* first */
	struct ws *ws;
	char job_id[ID_MAX + 1];
	struct list link;
};

struct ws {
	struct conn *conn;
	struct list subscriptions, left, reported;
	unsigned count, reported_count;
	struct buf in, out;
	unsigned pending; /* ops on their way to the store */
	bool blocked, deaf;
	bool over;    /* the peer said close: what it says behind that does not count */
	bool present; /* told of an agent */
	bool quiet;   /* it only watches */
	uint64_t spoke;         /* when it had more to say than a pong; 0: never */
	uint64_t heard, pinged; /* when something came from the peer, and when it was asked for a sign of life */
	int close_code;
	char *close_reason;
};

/* Writing. */

static void enqueue(struct ws *w)
{
	if (list_empty(&w->conn->turn))
		list_append(&w->conn->loop->sockets, &w->conn->turn);
}

static void add_frame(struct ws *w, struct slice json)
{
	frame_add_passing(&w->out, FRAME_WS, json);
	enqueue(w);
}

static void say(struct ws *w, struct buf *json)
{
	add_frame(w, buf_as_slice(json));
	buf_finish(json);
}

/* Reads on, or not: while it takes nothing, or too much of it waits for the store. */
static void mind_input(struct ws *w)
{
	uint64_t most = w->conn->loop->limits->pipelined;
	bool deaf = w->blocked || w->out.len > UNREAD_BYTES || w->pending >= most || (w->deaf && w->pending > most / 2);

	if (deaf != w->deaf && !w->quiet)
		lws_rx_flow_control(w->conn->wsi, !deaf);
	w->deaf = deaf;
}

/* Who only watches is waited for with the streams (hangups.h), and read from again when there is something. */
static void set_quiet(struct ws *w, bool quiet)
{
	struct conn *c = w->conn;
	int fd = lws_get_socket_fd(c->wsi);

	if (quiet == w->quiet)
		return;
	w->quiet = quiet;
	if (quiet)
		hangups_watch(&c->loop->hangups, fd, c->id);
	else
		hangups_forget(&c->loop->hangups, fd);
	if (!w->deaf)
		lws_rx_flow_control(c->wsi, !quiet);
}

/* It has said nothing for a heartbeat but that it lives. */
static bool only_watches(const struct ws *w)
{
	const struct loop *l = w->conn->loop;

	return w->count && !w->over && !w->close_code && w->conn->state == CONN_SOCKET &&
	       (!w->spoke || loop_now(l) - w->spoke > l->limits->heartbeat_ms);
}

void ws_hear(struct conn *c)
{
	if (c->ws)
		set_quiet(c->ws, false);
}

static void block_all(struct ws *w)
{
	w->blocked = true;
	for (struct list *at = w->subscriptions.next; at != &w->subscriptions; at = at->next)
		hub_block(w->conn->loop->hub, &container_of(at, struct subscription, link)->subscriber);
}

static enum sink write_now(struct ws *w, const char *bytes, size_t len)
{
	if (conn_write(w->conn, bytes, len) == SINK_OPEN)
		return SINK_OPEN;
	block_all(w);
	return SINK_BLOCKED;
}

static void write_out(struct ws *w)
{
	if (w->out.len && !w->blocked) {
		write_now(w, w->out.ptr, w->out.len);
		w->out.len = 0;
		if (w->out.cap > UNREAD_BYTES)
			buf_finish(&w->out);
	}
}

static void free_left(struct ws *w)
{
	while (!list_empty(&w->left)) {
		struct subscription *s = container_of(w->left.next, struct subscription, link);
		list_remove(&s->link);
		free(s);
	}
}

static void close_now(struct ws *w)
{
	struct conn *c = w->conn;

	size_t len = strlen(w->close_reason);
	lws_close_reason(c->wsi, (enum lws_close_status)w->close_code, (unsigned char *)w->close_reason,
			 len < REASON_MAX ? len : REASON_MAX);
	ws_detach(c);
	c->state = CONN_CLOSING;
	lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
	c->loop->kick = true;
}

void ws_flush(struct conn *c)
{
	struct ws *w = c->ws;

	list_remove(&c->turn);
	if (c->state != CONN_SOCKET)
		return;
	free_left(w);
	write_out(w);
	mind_input(w);
	set_quiet(w, only_watches(w));
	if (w->close_code && !w->blocked && c->state == CONN_SOCKET)
		close_now(w);
}

void ws_close(struct conn *c, int code, const char *reason)
{
	struct ws *w = c->ws;

	if (w->close_code)
		return;
	w->close_code = code;
	w->close_reason = xstrdup(reason);
	enqueue(w);
}

/* Several frames of one job: straight from the ring when there is nothing else to say. */
static enum sink subscription_write(struct subscriber *subscriber, const char *bytes, size_t len)
{
	struct ws *w = ((struct subscription *)subscriber)->ws;

	if (w->close_code)
		return SINK_BLOCKED;
	if (!w->out.len && w->count == 1)
		return write_now(w, bytes, len);
	buf_add(&w->out, bytes, len);
	enqueue(w);
	if (w->out.len < w->conn->loop->limits->write_bytes)
		return SINK_OPEN;
	write_out(w);
	return w->blocked ? SINK_BLOCKED : SINK_OPEN;
}

void ws_writable(struct conn *c)
{
	struct ws *w = c->ws;

	if (!w->blocked || lws_partial_buffered(c->wsi))
		return;
	w->blocked = false;
	write_out(w);
	for (struct list *at = w->subscriptions.next, *next; at != &w->subscriptions && !w->blocked; at = next) {
		next = at->next;
		hub_writable(c->loop->hub, &container_of(at, struct subscription, link)->subscriber);
	}
	enqueue(w);
}

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

static void say_error(struct ws *w, const char *id, const char *job_id, const struct problem *p)
{
	struct buf json = { 0 };

	buf_text(&json, "{\"type\":\"error\"");
	add_text(&json, "id", id);
	add_text(&json, "jobId", job_id);
	add_text(&json, "code", outcome_code(p->outcome));
	buf_format(&json, ",\"status\":%d", outcome_status(p->outcome));
	add_text(&json, "detail", p->detail[0] ? p->detail : outcome_title(p->outcome));
	buf_format(&json, ",\"retryable\":%s}", retryable(p->outcome) ? "true" : "false");
	say(w, &json);
}

static void say_ack(struct ws *w, const struct op *op)
{
	struct buf json = { 0 };

	buf_text(&json, "{\"type\":\"ack\",\"id\":");
	json_string(&json, slice_of(op->key));
	buf_text(&json, ",\"seq\":");
	buf_u64(&json, op->seq_last);
	buf_text(&json, ",\"cursor\":\"");
	cursor_add(&json, op->epoch, op->seq_last);
	buf_text(&json, "\",\"watchers\":");
	buf_u64(&json, hub_watchers(w->conn->loop->hub, op->job_id));
	buf_text(&json, op->replayed ? ",\"duplicate\":true}" : "}");
	say(w, &json);
}

void ws_answer(struct conn *c, struct op *op)
{
	struct ws *w = c->ws;

	w->pending--;
	if (outcome_is_error(op->problem.outcome))
		say_error(w, op->key, op->job_id, &op->problem);
	else
		say_ack(w, op);
	op_free(op);
	enqueue(w);
}

/* Subscriptions. */

static struct subscription *find_subscription(struct ws *w, const char *job_id)
{
	for (struct list *at = w->subscriptions.next; at != &w->subscriptions; at = at->next) {
		struct subscription *s = container_of(at, struct subscription, link);
		if (strcmp(s->job_id, job_id) == 0)
			return s;
	}
	return NULL;
}

/* It may be inside one of its own call backs: the memory goes at the end of the turn. */
static void leave(struct subscription *s)
{
	struct ws *w = s->ws;

	hub_detach(w->conn->loop->hub, &s->subscriber);
	list_move(&w->left, &s->link);
	w->count--;
	enqueue(w);
}

static void say_end(struct ws *w, const char *job_id, uint64_t seq, const char *status)
{
	struct buf json = { 0 };

	opening_encode_end(&json, job_id, seq, status);
	say(w, &json);
}

static void subscription_failed(struct subscription *s, const struct opening *o)
{
	struct ws *w = s->ws;
	struct problem p = { .outcome = o->outcome };

	snprintf(p.detail, sizeof(p.detail), "%s", o->detail);
	say_error(w, NULL, s->job_id, &p);
	if (s->only && o->outcome == OUTCOME_NOT_FOUND)
		ws_close(w->conn, CLOSE_NO_JOB, "no such job");
	leave(s);
}

static void subscription_opened(struct subscriber *subscriber, const struct opening *o)
{
	struct subscription *s = (struct subscription *)subscriber;
	struct ws *w = s->ws;
	struct buf json = { 0 }, frame = { 0 };
	char header[FRAME_PREFIX_MAX];

	if (outcome_is_error(o->outcome)) {
		subscription_failed(s, o);
		return;
	}
	opening_encode(&json, w->conn->loop, o);
	buf_add(&frame, header, frame_ws_header(header, json.len + o->snapshot.len + (o->snapshot.len ? 1 : 0)));
	buf_slice(&frame, buf_as_slice(&json));
	buf_finish(&json);
	conn_widen(w->conn, o->snapshot.len);
	hub_send(w->conn->loop->hub, subscriber, &frame, o->result, o->snapshot,
		 o->snapshot.len ? SLICE("}") : SLICE(""));
}

static void subscription_ended(struct subscriber *subscriber, const char *job_id, uint64_t seq, const char *status)
{
	struct subscription *s = (struct subscription *)subscriber;
	struct ws *w = s->ws;

	say_end(w, job_id, seq, status);
	if (s->only && w->count == 1)
		ws_close(w->conn, CLOSE_OVER, "the job is over");
	leave(s);
}

static void subscription_heartbeat(struct subscriber *subscriber, uint64_t head)
{
	struct subscription *s = (struct subscription *)subscriber;
	struct buf json = { 0 };

	opening_encode_heartbeat(&json, s->job_id, head);
	conn_widen(s->ws->conn, 0);
	say(s->ws, &json);
}

static void subscription_stalled(struct subscriber *subscriber)
{
	/* A close frame would wait behind what the client does not take. */
	conn_kill(((struct subscription *)subscriber)->ws->conn);
}

static const struct subscriber_ops subscription_ops = {
	.opened = subscription_opened,
	.write = subscription_write,
	.ended = subscription_ended,
	.heartbeat = subscription_heartbeat,
	.stalled = subscription_stalled,
};

static void subscribe(struct ws *w, const char *job_id, const struct position *since, unsigned types, bool only)
{
	const struct limits *limits = w->conn->loop->limits;
	struct subscription *s = find_subscription(w, job_id);
	struct attach a = { .job_id = job_id, .position = *since, .framing = FRAME_WS, .types = types };
	struct problem full = { .outcome = OUTCOME_TOO_MANY_SUBSCRIPTIONS };

	if (s) /* a second time: it begins anew, at the new position */
		leave(s);
	if (w->count >= limits->subscriptions) {
		snprintf(full.detail, sizeof(full.detail), "a connection may have %llu subscriptions",
			 (unsigned long long)limits->subscriptions);
		say_error(w, NULL, job_id, &full);
		return;
	}
	s = xcalloc(1, sizeof(*s) + strlen(job_id) + 1);
	s->ws = w;
	s->only = only;
	memcpy(s->job_id, job_id, strlen(job_id) + 1);
	list_append(&w->subscriptions, &s->link);
	w->count++;
	a.job_id = s->job_id;
	hub_attach(w->conn->loop->hub, &s->subscriber, &subscription_ops, &a);
	if (w->blocked)
		hub_block(w->conn->loop->hub, &s->subscriber);
}

static void unsubscribe(struct ws *w, const char *job_id)
{
	struct subscription *s = find_subscription(w, job_id);

	say_end(w, job_id, s ? s->subscriber.cursor : 0, "unsubscribed");
	if (s)
		leave(s);
}

/* Messages. */

static void tell_watchers(struct crowd_want *want, const char *job_id, unsigned watchers)
{
	struct reported *r = (struct reported *)want;
	struct buf json = { 0 };

	buf_format(&json, "{\"type\":\"watchers\",\"jobId\":\"%s\",\"watchers\":%u}", job_id, watchers);
	say(r->ws, &json);
}

static void forget_reported(struct reported *r)
{
	crowd_unwant(r->ws->conn->loop->crowd, &r->want, r->job_id);
	list_remove(&r->link);
	r->ws->reported_count--;
	free(r);
}

/* The jobs it reported on lately: it is told when somebody begins or ceases to look at one of them. */
static void remember_reported(struct ws *w, const char *job_id)
{
	for (struct list *at = w->reported.next; at != &w->reported; at = at->next)
		if (strcmp(container_of(at, struct reported, link)->job_id, job_id) == 0)
			return;
	if (w->reported_count >= w->conn->loop->limits->subscriptions)
		forget_reported(container_of(w->reported.next, struct reported, link));
	struct reported *r = xcalloc(1, sizeof(*r));
	r->ws = w;
	r->want.tell = tell_watchers;
	memcpy(r->job_id, job_id, strlen(job_id) + 1);
	list_append(&w->reported, &r->link);
	w->reported_count++;
	crowd_want(w->conn->loop->crowd, &r->want, job_id);
}

/* Refused or not, it goes the way to the store, so that answers come in the order of the messages. */
static void submit(struct ws *w, struct op *op)
{
	struct loop *l = w->conn->loop;
	struct problem busy = { .outcome = OUTCOME_OVERLOADED, .detail = "too many writes are waiting" };

	op->loop = l;
	op->reply_to = w->conn->id;
	w->pending++;
	if (l->service->submit(l->service->context, op))
		return;
	w->pending--;
	l->counters.busy++;
	say_error(w, op->key, op->job_id, &busy);
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
	struct presence_word word;
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
			say_error(c->ws, NULL, r->word.job_id, &p);
		c->ws->present = true;
		enqueue(c->ws);
	}
	read_result_release(request->result);
	free(r);
}

static void hear_presence(struct ws *w, const struct message *m)
{
	struct presence_read *r = xcalloc(1, sizeof(*r));
	struct loop *l = w->conn->loop;
	struct problem busy = { .outcome = OUTCOME_OVERLOADED, .detail = "too many readers are waiting" };

	r->request.query = (struct read_query){ .kind = READ_ACTIVITY, .limit = 1 };
	memcpy(r->request.query.job_id, m->job_id, sizeof(r->request.query.job_id));
	r->request.loop = r->loop = l;
	r->request.done = presence_done;
	r->conn = w->conn->id;
	r->word = m->word;
	r->word.owner = w->conn->id;
	r->word.loop = l->index;
	if (!r->word.agent[0])
		snprintf(r->word.agent, sizeof(r->word.agent), "agent-%llx", (unsigned long long)w->conn->id);
	w->pending++;
	if (l->service->read(l->service->context, &r->request))
		return;
	w->pending--;
	l->counters.busy++;
	say_error(w, NULL, m->job_id, &busy);
	free(r);
}

static void run_message(struct ws *w, struct message *m)
{
	switch (m->kind) {
	case MESSAGE_SUBSCRIBE:
		subscribe(w, m->job_id, &m->since, m->types, false);
		return;
	case MESSAGE_UNSUBSCRIBE:
		unsubscribe(w, m->job_id);
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
		add_frame(w, SLICE("{\"type\":\"pong\"}"));
	}
}

static void hear_message(struct ws *w, struct slice text)
{
	struct message m;
	struct problem p = { 0 };

	if (message_decode(w->conn->loop->limits, text, &m, &p))
		run_message(w, &m);
	else if (m.unreadable)
		ws_close(w->conn, CLOSE_BAD_MESSAGE, p.detail);
	else if (m.kind == MESSAGE_UPDATE || m.kind == MESSAGE_COMMAND)
		refuse_op(w, &m, &p);
	else
		say_error(w, m.id, m.job_id, &p);
	problem_finish(&p);
}

/* lws gives pieces of a message; its size is known before it is whole. */
int ws_receive(struct conn *c, const char *bytes, size_t len)
{
	struct ws *w = c->ws;

	if (c->state != CONN_SOCKET || w->close_code || w->over)
		return 0;
	w->heard = w->spoke = loop_now(c->loop);
	if (lws_is_first_fragment(c->wsi))
		w->in.len = 0;
	if (lws_frame_is_binary(c->wsi)) {
		ws_close(c, CLOSE_BINARY, "text messages only");
		return 0;
	}
	if (w->in.len + len + lws_remaining_packet_payload(c->wsi) > c->loop->limits->message_bytes) {
		ws_close(c, CLOSE_TOO_BIG, "the message is too large");
		return 0;
	}
	buf_add(&w->in, bytes, len);
	if (!lws_is_final_fragment(c->wsi) || lws_remaining_packet_payload(c->wsi))
		return 0;
	hear_message(w, buf_as_slice(&w->in));
	if (w->in.cap > 4096)
		buf_finish(&w->in);
	w->in.len = 0;
	mind_input(w);
	return 0;
}

int ws_peer_closes(struct conn *c, const void *payload, size_t len)
{
	if (c->ws)
		c->ws->over = true;
	return ws_close_allowed(payload, len) ? 0 : -1;
}

void ws_pong(struct conn *c)
{
	if (!c->ws)
		return;
	c->ws->heard = loop_now(c->loop);
	enqueue(c->ws); /* it may be quiet again */
}

/* A ping with every beat; who has said nothing since the last one is gone, within two beats of its last word. */
void ws_tick(struct conn *c, uint64_t now_ms)
{
	static const char ping[] = { (char)0x89, 1, 'j' }; /* lws does not tell of an empty pong */
	struct ws *w = c->ws;

	if (w->pinged && w->heard < w->pinged) {
		c->loop->counters.silent++;
		conn_kill(c);
		return;
	}
	if (!w->blocked) {
		w->pinged = now_ms;
		buf_add(&w->out, ping, sizeof(ping));
		enqueue(w);
	}
	loop_deadline(&c->loop->beats_due, c, now_ms + c->loop->limits->heartbeat_ms);
}

/* Life. */

static void subscribe_from_url(struct ws *w, const struct request *r)
{
	struct slice job, since = { 0 }, types;
	char job_id[ID_MAX + 1] = "";
	unsigned wanted = TYPE_BITS_ALL;

	if (!r || !request_arg(r, "job", &job))
		return;
	request_arg(r, "since", &since);
	if (!id_valid(job) || (request_arg(r, "types", &types) && !hub_types_parse(types, &wanted))) {
		ws_close(w->conn, CLOSE_BAD_MESSAGE, "job or types in the URL cannot be read");
		return;
	}
	memcpy(job_id, job.ptr, job.len);
	struct position p = position_parse(since);
	subscribe(w, job_id, &p, wanted, true);
}

void ws_established(struct conn *c)
{
	struct ws *w = xcalloc(1, sizeof(*w));

	w->conn = c;
	w->heard = loop_now(c->loop);
	list_init(&w->subscriptions);
	list_init(&w->left);
	list_init(&w->reported);
	c->ws = w;
	c->state = CONN_SOCKET;
	lws_set_timeout(c->wsi, NO_PENDING_TIMEOUT, 0);
	loop_deadline(&c->loop->beats_due, c, loop_now(c->loop) + c->loop->limits->heartbeat_ms);
	subscribe_from_url(w, c->request);
	request_free(c->request);
	c->request = NULL;
}

void ws_detach(struct conn *c)
{
	struct ws *w = c->ws;

	if (!w)
		return;
	while (!list_empty(&w->subscriptions))
		leave(container_of(w->subscriptions.next, struct subscription, link));
	while (!list_empty(&w->reported))
		forget_reported(container_of(w->reported.next, struct reported, link));
	if (w->present)
		crowd_owner_gone(c->loop->crowd, c->id);
	w->present = false;
	list_remove(&c->turn);
}

void ws_free(struct conn *c)
{
	struct ws *w = c->ws;

	if (!w)
		return;
	ws_detach(c);
	free_left(w);
	buf_finish(&w->in);
	buf_finish(&w->out);
	free(w->close_reason);
	free(w);
	c->ws = NULL;
}
