#include "websocket.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/json.h"
#include "first_message.h"
#include "net/connection_flow.h"
#include "net/dispatch.h"
#include "net/lws_context.h"
#include "net/request_record.h"
#include "net/socket.h"
#include "subscribe_options.h"
#include "websocket_frames.h"
#include "websocket_private.h"

#define REASON_MAX 100 /* bytes of a close frame's reason */

static const struct frames_owner frames_owner;

/* Input. */

/*
 * Whether `count` outstanding reads or writes are too many.  While input is paused, the limit is
 * half.
 */
static bool is_full(const struct ws *w, uint64_t count, uint64_t max)
{
	return count >= max || (w->paused && count > max / 2);
}

/* Gives a message more time; time in which the connection was not read does not count. */
static void extend_deadline(struct ws *w)
{
	struct loop *l = w->conn->loop;

	deadline_set(&l->deadlines.messages, w->conn, loop_now(l) + l->limits->body_timeout_ms);
}

/*
 * Stops and resumes reading.  A connection that takes nothing is still read, because its pings need
 * answers.
 */
static void update_input(struct ws *w)
{
	const struct limits *limits = w->conn->loop->limits;
	bool paused = w->out.len > UNREAD_BYTES || is_full(w, w->pending, limits->pipelined) ||
	              is_full(w, w->conn->reads, limits->connection_reads);

	if (paused == w->paused)
		return;
	if (!w->parked)
		lws_rx_flow_control(w->conn->wsi, !paused);
	w->paused = paused;
	if (w->in_message && !paused)
		extend_deadline(w);
}

/*
 * A connection that only watches is parked: idle_poll.h waits for its input, and the loop reads it
 * again when input arrives.
 */
static void set_parked(struct ws *w, bool parked)
{
	struct conn *c = w->conn;
	int fd = lws_get_socket_fd(c->wsi);

	if (parked == w->parked)
		return;
	w->parked = parked;
	if (parked)
		idle_poll_watch(&c->loop->idle_poll, fd, c->id);
	else
		idle_poll_forget(&c->loop->idle_poll, fd);
	if (!w->paused)
		lws_rx_flow_control(c->wsi, !parked);
}

/* Whether it has sent nothing but pongs for a heartbeat. */
static bool only_watches(const struct ws *w)
{
	const struct loop *l = w->conn->loop;

	return w->count && !w->close_code && w->conn->state == CONN_SOCKET &&
	       (!w->has_spoken || (uint32_t)loop_now(l) - w->last_heard > l->limits->heartbeat_ms);
}

static void resume_input(struct conn *c)
{
	if (c->session)
		set_parked(c->session, false);
}

static void detach(struct conn *c)
{
	struct ws *w = c->session;

	if (!w)
		return;
	while (!list_empty(&w->subscriptions))
		ws_leave(container_of(w->subscriptions.next, struct subscription, link));
	while (!list_empty(&w->reported))
		ws_forget_reported(container_of(w->reported.next, struct reported, link));
	if (w->present)
		attendance_owner_gone(c->loop->attendance, c->id);
	w->present = false;
	list_remove(&c->turn);
}

static void close_now(struct ws *w)
{
	struct conn *c = w->conn;

	if (w->framing) {
		ws_frames_close(w, w->close_code, slice_of(w->close_reason));
		return;
	}
	size_t len = strlen(w->close_reason);
	lws_close_reason(c->wsi, (enum lws_close_status)w->close_code,
	                 (unsigned char *)w->close_reason, len < REASON_MAX ? len : REASON_MAX);
	detach(c);
	c->state = CONN_CLOSING;
	lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
	c->loop->kick = true;
}

/*
 * Sends the last message before the close of a stop.  It is left out if a first message is
 * incomplete.
 */
static void send_restart(struct ws *w)
{
	struct buf json = { 0 };

	if (w->close_code != CLOSE_RESTART || w->open || w->restart_sent)
		return;
	w->restart_sent = true;
	restart_encode(&json);
	ws_send(w, &json);
	ws_write_out(w);
}

static bool may_close(const struct ws *w)
{
	return w->close_code && w->conn->state == CONN_SOCKET && !w->blocked && !w->pending &&
	       (!w->open || ws_close_is_due(w));
}

static void flush(struct conn *c)
{
	struct ws *w = c->session;

	ws_write_out(w);
	update_input(w);
	if (w->framing && !ws_frames_resume(w, &frames_owner))
		conn_kill(c);
	set_parked(w, only_watches(w));
	if (may_close(w))
		send_restart(w);
	if (may_close(w)) /* the socket took the message */
		close_now(w);
}

static void close_for_stop(struct conn *c)
{
	ws_close(c->session, CLOSE_RESTART, "the server restarts");
}

static bool is_blocked(const struct conn *c)
{
	const struct ws *w = c->session;

	return w && w->blocked;
}

static void writable(struct conn *c)
{
	struct ws *w = c->session;

	if (!w->blocked || conn_is_partial(c))
		return;
	w->blocked = false;
	if (w->framing)
		ws_frames_write_pong(w);
	ws_write_ping(w);
	if (w->open)
		hub_writable(c->loop->hub, &w->open->subscriber);
	ws_write_out(w);
	for (struct list *at = w->subscriptions.next, *next; at != &w->subscriptions && !w->blocked;
	     at = next) {
		next = at->next;
		hub_writable(c->loop->hub,
		             &container_of(at, struct subscription, link)->subscriber);
	}
	ws_enqueue(w);
}

/* Reading. */

/* While a client sends a message, it gets no pings. */
static void begin_message(struct ws *w)
{
	if (!w->in_message)
		extend_deadline(w);
	w->in_message = true;
}

static void end_message(struct ws *w)
{
	struct loop *l = w->conn->loop;

	if (w->in_message)
		deadline_set(&l->deadlines.beats, w->conn, loop_now(l) + l->limits->heartbeat_ms);
	w->in_message = false;
}

/*
 * The hub closes a socket with subscriptions.  A socket without any has to take its answers, too.
 */
static bool takes_nothing(const struct ws *w)
{
	return w->blocked && !w->count && !conn_takes(w->conn);
}

static void give_up(struct conn *c)
{
	metric_count(METRIC_SLOW_CLOSES + LABEL_CAUSE_SILENT);
	conn_kill(c);
}

static void message_overdue(struct ws *w)
{
	if (takes_nothing(w)) {
		give_up(w->conn);
		return;
	}
	if (w->paused) {
		extend_deadline(w);
		return;
	}
	end_message(w);
	ws_close(w, CLOSE_BAD_MESSAGE, "the message was not complete in time");
}

/* A message arrives in pieces; its size is known before it is complete. */
static void receive_piece(struct ws *w, const struct frame_piece *piece)
{
	struct conn *c = w->conn;

	metric_add(METRIC_RECEIVED, piece->bytes.len);
	if (c->state != CONN_SOCKET || w->close_code)
		return;
	w->ping_pending = false;
	w->has_spoken = true;
	w->last_heard = (uint32_t)loop_now(c->loop);
	if (piece->first)
		w->in.len = 0;
	if (piece->opcode == OPCODE_BINARY) {
		ws_close(w, CLOSE_BINARY, "text messages only");
		return;
	}
	if (piece->left > c->loop->limits->message_bytes ||
	    w->in.len + piece->bytes.len + piece->left > c->loop->limits->message_bytes) {
		ws_close(w, CLOSE_TOO_BIG, "the message is too large");
		return;
	}
	buf_slice(&w->in, piece->bytes);
	if (!piece->final || piece->left) {
		begin_message(w);
		return;
	}
	end_message(w);
	if (w->framing && !utf8_valid(buf_as_slice(&w->in))) { /* lws checks this itself */
		ws_close(w, CLOSE_NOT_UTF8, "the message is not UTF-8");
		return;
	}
	ws_receive_message(w, buf_as_slice(&w->in));
	if (w->in.cap > 4096)
		buf_finish(&w->in);
	w->in.len = 0;
	update_input(w);
}

static int receive(struct conn *c, const char *bytes, size_t len)
{
	struct frame_piece piece = {
		.opcode = lws_frame_is_binary(c->wsi) ? OPCODE_BINARY : OPCODE_TEXT,
		.first = lws_is_first_fragment(c->wsi),
		.final = lws_is_final_fragment(c->wsi),
		.left = lws_remaining_packet_payload(c->wsi),
		.bytes = { bytes, len },
	};

	receive_piece(c->session, &piece);
	return 0;
}

static bool take(struct conn *c, struct slice bytes)
{
	return ws_frames_take(c->session, bytes, &frames_owner);
}

static bool hung_up(int fd)
{
	char byte;

	ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/*
 * Sets the close code for a frame that lws rejected: its length is 2^63 or more, or it is a control
 * frame that is too long.
 */
static void set_close_code(struct conn *c)
{
	bool of_message = lws_context_refused_length();

	if (lws_get_close_length(c->wsi) || hung_up(lws_get_socket_fd(c->wsi)))
		return;
	lws_close_reason(
	    c->wsi, (enum lws_close_status)(of_message ? CLOSE_TOO_BIG : CLOSE_PROTOCOL), NULL, 0);
}

static void receive_pong(struct conn *c)
{
	struct ws *w = c->session;

	if (!w)
		return;
	w->ping_pending = false;
	ws_enqueue(w); /* it may be parked again */
}

/*
 * A ping may wait behind a large message.  A client that still takes the message is alive, and has
 * a whole beat for the pong once its system has the ping.  Bytes written after the ping do not
 * count, because the system of a process that hangs still acknowledges.
 */
static bool may_still_answer(struct ws *w)
{
	uint64_t before = w->acknowledged;
	bool was_on_its_way = w->ping_on_its_way;

	w->acknowledged = socket_acknowledged(lws_get_socket_fd(w->conn->wsi));
	w->ping_on_its_way = w->acknowledged < w->ping_end;
	return w->ping_on_its_way ? w->acknowledged > before : was_on_its_way;
}

/*
 * Sends a ping on every beat.  A client that sends nothing between two pings is gone, so a loss is
 * noticed within two beats of its last message.
 */
static void beat(struct conn *c)
{
	struct ws *w = c->session;

	if ((w->ping_pending && !may_still_answer(w)) || takes_nothing(w)) {
		give_up(c);
		return;
	}
	if (!w->blocked && !w->ping_pending) {
		w->ping_due = true;
		ws_enqueue(w);
	}
	deadline_set(&c->loop->deadlines.beats, c,
	             loop_now(c->loop) + c->loop->limits->heartbeat_ms);
}

/* One timer serves as the deadline of an incomplete message, otherwise for the next ping. */
static void expired(struct conn *c)
{
	struct ws *w = c->session;

	if (w->in_message)
		message_overdue(w);
	else
		beat(c);
}

/* Life. */

static void subscribe_from_url(struct ws *w, const struct request *r)
{
	struct slice job, since = { 0 };
	char job_id[ID_MAX + 1] = "";
	struct attach wanted = { .job_id = job_id };
	struct problem p = { .detail = "the job in the URL is not a job's id" };

	if (!r || !request_arg(r, "job", &job))
		return;
	if (!id_valid(job) || !subscribe_options_read(r, &wanted, &p)) {
		ws_close(w, CLOSE_BAD_MESSAGE, p.detail);
		problem_finish(&p);
		return;
	}
	request_arg(r, "since", &since);
	memcpy(job_id, job.ptr, job.len);
	wanted.position = position_parse(since);
	if (!w->conn->loop->dispatch->admits(w->conn, RIGHT_WATCH, job_id, &p)) {
		ws_close(w, CLOSE_UNAUTHORIZED, "the key may not watch");
		problem_finish(&p);
		return;
	}
	ws_subscribe(w, &wanted, "", true);
}

static void establish(struct conn *c)
{
	struct ws *w = xcalloc(1, sizeof(*w));

	w->conn = c;
	list_init(&w->subscriptions);
	list_init(&w->reported);
	c->session = w;
	record_note_stream(c, 101);
	c->state = CONN_SOCKET;
	conn_count_as(c, LABEL_TRANSPORT_WEBSOCKET);
	if (c->framed)
		w->framing = xcalloc(1, sizeof(*w->framing));
	else
		lws_set_wsi_user(c->wsi,
		                 c); /* without user data lws does not report that it closes */
	lws_set_timeout(c->wsi, NO_PENDING_TIMEOUT, 0);
	deadline_set(&c->loop->deadlines.beats, c,
	             loop_now(c->loop) + c->loop->limits->heartbeat_ms);
	if (c->loop->stopping)
		close_for_stop(c);
	else
		subscribe_from_url(w, c->request);
	request_free(c->request);
	c->request = NULL;
}

static void free_session(struct conn *c)
{
	struct ws *w = c->session;

	if (!w)
		return;
	detach(c);
	buf_finish(&w->in);
	buf_finish(&w->out);
	if (w->framing)
		buf_finish(&w->framing->rest);
	free(w->framing);
	free(w->close_reason);
	free(w);
	c->session = NULL;
}

static void read_back(struct conn *c)
{
	ws_enqueue(c->session); /* it may be read again */
}

static void expelled(struct conn *c)
{
	struct ws *w = c->session;

	if (!w) {
		conn_close(c);
		return;
	}
	ws_leave_all(w);
	while (!list_empty(&w->reported))
		ws_forget_reported(container_of(w->reported.next, struct reported, link));
	w->out.len = 0;
	ws_close(w, CLOSE_UNAUTHORIZED, "the key is not in force any more");
	w->close_due = (uint32_t)loop_now(c->loop); /* within a message, too */
}

static const struct frames_owner frames_owner = { receive_piece, receive_pong };

const struct transport websocket = {
	.detach = detach,
	.free = free_session,
	.expelled = expelled,
	.stop = close_for_stop,
	.expired = expired,
	.writable = writable,
	.blocked = is_blocked,
	.write_handshake = ws_write_handshake,
	.write_acceptance = ws_write_acceptance,
	.take = take,
	.established = establish,
	.received = receive,
	.pong = receive_pong,
	.flush = flush,
	.read_back = read_back,
	.answered = ws_answered,
	.resume_input = resume_input,
	.close_allowed = ws_close_allowed,
	.closing = set_close_code,
};
