/*
 * A subscription whose messages are the body of one HTTP response.  Server-sent events use it, and
 * other formats can.
 *
 * A format is one constant of struct http_stream_format.  This file writes the head and the chunks
 * of the response; the format encodes the messages.  Runs in the thread of the loop.
 */
#ifndef JOBLIGHT_TRANSPORT_HTTP_STREAM_H
#define JOBLIGHT_TRANSPORT_HTTP_STREAM_H

#include "net/connection.h"
#include "joblight/core/hub.h"

/* The first member of a format's session. */
struct http_stream {
	struct subscriber subscriber; /* first member */
	struct conn *conn;
	const struct http_stream_format *format;
	bool head; /* the request is HEAD */
};

struct http_stream_format {
	const char *headers; /* headers of the response: complete lines with CRLF */
	/* Answers a request that does not become a stream. */
	void (*refuse)(struct conn *c, const struct problem *p);
	/* Encodes the first message, or a reset, by first_message_encode(). */
	void (*add_first)(const struct http_stream *s, const struct subscription_start *o,
	                  struct first_message *m);
	void (*add_heartbeat)(const struct http_stream *s, uint64_t head, struct buf *out);
	void (*add_end)(const struct http_stream *s, const struct subscription_end *e,
	                struct buf *out);
	/*
	 * Tells the client when to reconnect, because the server stops.  Not called within a
	 * message.
	 */
	void (*add_stop)(const struct http_stream *s, struct buf *out);
};

/*
 * Opens a stream of the job in the path, with the options of the query.  `a` has its position and
 * framing.  Takes `s`, which is zeroed memory from malloc().
 */
void http_stream_open(struct conn *c, const struct request *r, struct http_stream *s,
                      const struct http_stream_format *format, struct attach *a);

#endif
