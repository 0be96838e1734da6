#include "websocket_frames.h"

#include "joblight/core/json.h"
#include "net/input.h"

#define CLOSE_FRAME 0x88
#define PONG_FRAME 0x8a

static void write_control(struct ws *w, unsigned first_byte, struct slice payload)
{
	char frame[2 + CONTROL_BYTES];

	frame[0] = (char)first_byte;
	frame[1] = (char)payload.len;
	if (payload.len)
		memcpy(frame + 2, payload.ptr, payload.len);
	ws_write_now(w, frame, 2 + payload.len);
}

/* Closing. */

static void write_close(struct ws *w, unsigned code, struct slice reason)
{
	char payload[CONTROL_BYTES];
	size_t len = reason.len < CONTROL_BYTES - 2 ? reason.len : CONTROL_BYTES - 2;

	payload[0] = (char)(code >> 8);
	payload[1] = (char)code;
	if (len)
		memcpy(payload + 2, reason.ptr, len);
	write_control(w, CLOSE_FRAME, (struct slice){ payload, len + 2 });
}

void ws_frames_close(struct ws *w, unsigned code, struct slice reason)
{
	struct conn *c = w->conn;

	write_close(w, code, reason);
	conn_detach(c);
	c->framed = false;
	lws_rx_flow_control(c->wsi, 1); /* it may have been paused */
	input_linger(c);
}

/* The client has sent a close frame, as the first one or as the answer. */
static bool receive_close(struct ws *w, struct slice payload)
{
	struct conn *c = w->conn;

	if (w->blocked)
		metric_count(METRIC_SLOW_CLOSES + LABEL_CAUSE_BROKEN);
	if (!ws_close_allowed(payload.ptr, payload.len) ||
	    (payload.len > 2 && !utf8_valid((struct slice){ payload.ptr + 2, payload.len - 2 })))
		write_close(w, CLOSE_PROTOCOL, SLICE(""));
	else
		write_control(w, CLOSE_FRAME, payload);
	conn_close(c);
	return true;
}

/* Control frames. */

/* Only the last of several pings needs an answer: RFC 6455 section 5.5.3. */
static void receive_ping(struct ws *w, struct slice payload)
{
	w->framing->pong_due = true;
	w->framing->pong_len = (uint8_t)payload.len;
	if (payload.len)
		memcpy(w->framing->pong, payload.ptr, payload.len);
	ws_frames_write_pong(w);
}

void ws_frames_write_pong(struct ws *w)
{
	if (!w->framing->pong_due || w->blocked || w->conn->state != CONN_SOCKET)
		return;
	w->framing->pong_due = false;
	write_control(w, PONG_FRAME, (struct slice){ w->framing->pong, w->framing->pong_len });
}

static bool receive_control(struct ws *w, const struct frame_piece *piece,
                            const struct frames_owner *owner)
{
	if (w->conn->state != CONN_SOCKET)
		return true;
	if (piece->opcode == OPCODE_CLOSE)
		return receive_close(w, piece->bytes);
	if (piece->opcode == OPCODE_PING)
		receive_ping(w, piece->bytes);
	else
		owner->pong(w->conn);
	return true;
}

/* Input. */

static bool read_next(struct ws *w, struct slice *bytes, const struct frames_owner *owner)
{
	char room[PIECE_ROOM];
	struct frame_piece piece;

	switch (frame_read(&w->framing->reader, bytes, room, &piece)) {
	case FRAME_PIECE:
		owner->piece(w, &piece);
		return true;
	case FRAME_CONTROL:
		return receive_control(w, &piece, owner);
	case FRAME_BAD:
		ws_frames_close(w, CLOSE_PROTOCOL, SLICE(""));
		return true;
	case FRAME_TOO_LONG:
		ws_frames_close(w, CLOSE_TOO_BIG, SLICE(""));
		return true;
	default:
		return true;
	}
}

/* While input is paused, the rest of what has arrived is kept; no more is read then. */
bool ws_frames_take(struct ws *w, struct slice bytes, const struct frames_owner *owner)
{
	bool ok = true;

	if (w->framing->rest.len) {
		buf_slice(&w->framing->rest, bytes);
		return true;
	}
	while (bytes.len && ok && !w->paused && w->conn->state == CONN_SOCKET)
		ok = read_next(w, &bytes, owner);
	if (ok && bytes.len && w->conn->state == CONN_SOCKET)
		buf_slice(&w->framing->rest, bytes);
	return ok;
}

bool ws_frames_resume(struct ws *w, const struct frames_owner *owner)
{
	struct buf rest = w->framing->rest;

	if (!rest.len || w->paused || w->conn->state != CONN_SOCKET)
		return true;
	w->framing->rest = (struct buf){ 0 };
	bool ok = ws_frames_take(w, buf_as_slice(&rest), owner);
	buf_finish(&rest);
	return ok;
}
