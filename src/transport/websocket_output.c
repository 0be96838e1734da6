/*
 * The output of a WebSocket.  It is written at the end of the turn, except for that of hub
 * subscribers.
 */
#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/json.h"
#include "net/quota.h"
#include "net/socket.h"
#include "websocket_private.h"

#define CLOSE_WAIT_MS 2000 /* how long a close waits until a first message is complete */

void ws_enqueue(struct ws *w)
{
	if (list_empty(&w->conn->turn))
		list_append(&w->conn->loop->turn.sockets, &w->conn->turn);
}

void ws_add_frame(struct ws *w, struct slice json)
{
	frame_add_ws(&w->out, json);
	ws_enqueue(w);
}

void ws_send(struct ws *w, struct buf *json)
{
	ws_add_frame(w, buf_as_slice(json));
	buf_finish(json);
}

static const char *text_or_none(const char *text)
{
	return text && text[0] ? text : NULL;
}

static bool retryable(enum outcome o)
{
	return outcome_status(o) >= 500 || outcome_status(o) == 429;
}

void ws_accepted(struct ws *w)
{
	w->refusals = 0;
}

static void count_refusals(struct ws *w, enum outcome o)
{
	struct loop *l = w->conn->loop;

	w->refusals = quota_is_refusal(outcome_status(o)) ? w->refusals + 1 : 0;
	if (!l->limits->refusals || w->refusals < l->limits->refusals || w->close_code)
		return;
	metric_count(METRIC_REFUSED_IN_A_ROW);
	ws_close(w, CLOSE_RATE_LIMITED, "too many refused messages in a row");
}

void ws_send_error(struct ws *w, const char *id, const char *job_id, const struct problem *p)
{
	struct buf json = { 0 };
	char shown[ID_MAX + 1];

	metric_count(METRIC_ERRORS + p->outcome);

	id_reveal(shown, job_id ? job_id : "");
	buf_text(&json, "{\"type\":\"error\"");
	json_text(&json, "id", text_or_none(id));
	json_text(&json, "jobId", text_or_none(shown));
	json_text(&json, "code", outcome_code(p->outcome));
	buf_format(&json, ",\"status\":%d", outcome_status(p->outcome));
	json_text(&json, "detail", p->detail[0] ? p->detail : outcome_title(p->outcome));
	buf_format(&json, ",\"retryable\":%s", retryable(p->outcome) ? "true" : "false");
	if (p->wait_ms)
		buf_format(&json, ",\"retryAfterMs\":%u", p->wait_ms);
	buf_char(&json, '}');
	ws_send(w, &json);
	count_refusals(w, p->outcome);
}

/* Writing. */

static void block_all(struct ws *w)
{
	w->blocked = true;
	for (struct list *at = w->subscriptions.next; at != &w->subscriptions; at = at->next)
		hub_block(w->conn->loop->hub,
		          &container_of(at, struct subscription, link)->subscriber);
}

enum sink ws_write_now(struct ws *w, const char *bytes, size_t len)
{
	if (conn_write(w->conn, bytes, len) == SINK_OPEN)
		return SINK_OPEN;
	block_all(w);
	return SINK_BLOCKED;
}

/* Control frames may be sent between the fragments of a message (RFC 6455 section 5.4). */
void ws_write_ping(struct ws *w)
{
	static const char ping[] = { (char)0x89, 1, 'j' }; /* lws does not report an empty pong */

	int fd = lws_get_socket_fd(w->conn->wsi);

	if (!w->ping_due || w->blocked)
		return;
	w->ping_due = false;
	w->ping_pending = true;
	w->ping_on_its_way = false;
	ws_write_now(w, ping, sizeof(ping));
	w->ping_end = socket_written(fd);
	w->acknowledged = socket_acknowledged(fd);
}

void ws_write_out(struct ws *w)
{
	ws_write_ping(w);
	if (!w->out.len || w->blocked || w->open)
		return;
	ws_write_now(w, w->out.ptr, w->out.len);
	w->out.len = 0;
	if (w->out.cap > UNREAD_BYTES)
		buf_finish(&w->out);
}

/* Closing. */

bool ws_close_is_due(const struct ws *w)
{
	return w->close_code && (int32_t)((uint32_t)loop_now(w->conn->loop) - w->close_due) >= 0;
}

void ws_close(struct ws *w, int code, const char *reason)
{
	if (w->close_code)
		return;
	w->close_code = (uint16_t)code;
	w->close_due = (uint32_t)loop_now(w->conn->loop) + CLOSE_WAIT_MS;
	w->close_reason = xstrdup(reason);
	ws_enqueue(w);
}
