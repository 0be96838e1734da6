/*
 * A WebSocket whose frames are read here, not by libwebsockets: see upgrade.h.  The answer to the
 * handshake, pings and pongs, and the closing handshake of RFC 6455.
 */
#ifndef JOBLIGHT_TRANSPORT_WEBSOCKET_FRAMES_H
#define JOBLIGHT_TRANSPORT_WEBSOCKET_FRAMES_H

#include "websocket_private.h"

/* What the WebSocket does with its messages. */
struct frames_owner {
	void (*piece)(struct ws *w, const struct frame_piece *piece);
	void (*pong)(struct conn *c);
};

/* Takes the bytes that have arrived, or as many as may be taken now.  False: close. */
bool ws_frames_take(struct ws *w, struct slice bytes, const struct frames_owner *owner);
/* Input may be taken again.  False: close. */
bool ws_frames_resume(struct ws *w, const struct frames_owner *owner);

void ws_frames_write_pong(struct ws *w); /* if one is due */
/*
 * Sends the close frame, and ends our side of the connection.  What the client still sends, such as
 * its close frame, is read and ignored until it ends its side, too.
 */
void ws_frames_close(struct ws *w, unsigned code, struct slice reason);

#endif
