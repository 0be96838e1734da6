/*
 * A subscription whose messages are the body of one HTTP response: what server-sent events share
 * with any other format of such a body.
 *
 * A format is one constant of struct http_stream_format.  The response has its head and is chunked
 * over HTTP/1.1; the format adds what a message consists of.  All in the thread of the loop.
 */
#ifndef JOBLIGHT_TRANSPORT_HTTP_STREAM_H
#define JOBLIGHT_TRANSPORT_HTTP_STREAM_H

#include "net/connection.h"
#include "joblight/core/hub.h"

/* The beginning of a session; the format may have more members after it. */
struct http_stream {
	struct subscriber subscriber; /* first */
	struct conn *conn;
	const struct http_stream_format *format;
	bool head; /* the request is HEAD */
};

struct http_stream_format {
	const char *headers; /* of the response: complete lines with CRLF */
	/* Answers the request, which gets no stream. */
	void (*refuse)(struct conn *c, const struct problem *p);
	/* What stands before and after the snapshot of the first message, or of a reset. */
	void (*add_first)(const struct http_stream *s, const struct subscription_start *o,
	                  struct first_message *m);
	void (*add_heartbeat)(const struct http_stream *s, uint64_t head, struct buf *out);
	void (*add_end)(const struct http_stream *s, const struct subscription_end *e,
	                struct buf *out);
	/* The server stops: when to come back.  Not in the middle of a message. */
	void (*add_stop)(const struct http_stream *s, struct buf *out);
};

/*
 * Opens the stream of the job in the path, with the wishes of the query; `a` has its position and
 * framing.  `s` is taken: zeroed memory of malloc().
 */
void http_stream_open(struct conn *c, const struct request *r, struct http_stream *s,
                      const struct http_stream_format *format, struct attach *a);

#endif
