/*
 * What is kept of a request for its line in the log and its span, from its head to the end of its
 * answer, of its stream or of its WebSocket.  There is no record when nobody asks for one, and
 * these functions do nothing then.  The thread of the connection's loop.
 *
 *      record_begin ─> record_note (once it is known how it is answered) ─> record_end
 */
#ifndef JOBLIGHT_NET_REQUEST_RECORD_H
#define JOBLIGHT_NET_REQUEST_RECORD_H

#include "connection.h"

struct arrival;

struct request_record {
	uint64_t began_us;  /* monotonic */
	const char *method; /* NULL: its head could not be read */
	const char *route;  /* a row of routes.def; NULL: none */
	char *path;         /* without its query; NULL: see record_note() */
	char request_id[REQUEST_ID_MAX + 1];
	char job_id[ID_MAX + 1], task_id[ID_MAX + 1]; /* "": none */
	char traceparent[TRACEPARENT_LEN + 1];        /* "": none */
	int status;                                   /* 0: it has no answer yet */
	bool is_stream;                               /* it has no end of its own */
	bool is_traced;                               /* it gets a span */
	bool replayed;                                /* the answer is that of an earlier write */
	uint64_t seq;                                 /* of the last event it made; 0: none */
	uint64_t committed_us;                        /* monotonic; 0: nothing was written */
	uint64_t bytes;                               /* that were written */
};

/* c->request has been made; NULL: its head could not be read. */
void record_begin(struct conn *c);
/*
 * c->request is answered with this status.  The last call counts.
 *
 * The path is kept for clients that may do anything here at all, and where it leads to something:
 * what a stranger mistypes may be a secret.  The page of a job is found at any path.
 */
void record_note(struct conn *c, int status);
/* c->request becomes a stream or a WebSocket, which may end at any time. */
void record_note_stream(struct conn *c, int status);
/* The write of c->request has returned from the store. */
void record_note_op(struct conn *c, const struct op *op);
/* Writes the line, passes the span on, and frees the record.  `complete`: all of the answer was
 * written. */
void record_end(struct conn *c, bool complete);

static inline void record_bytes(struct conn *c, size_t len)
{
	if (c->record)
		c->record->bytes += len;
}

/* A connection that was answered before it was one; `r` is what is known of its request. */
void record_arrival(const struct loop *l, const struct arrival *a, const struct request *r,
                    enum outcome o);

#endif
