/*
 * A connection to PostgreSQL on the uv loop of the bus: one query at a time, its answer, and the
 * notifications.  It has no timers: its owner looks at it and closes it.  Nothing waits, and no
 * query is cancelled, because PQcancel() would wait.
 *
 * Thread of the bus.
 */
#ifndef JOBLIGHT_BUS_POSTGRES_STREAM_H
#define JOBLIGHT_BUS_POSTGRES_STREAM_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct postgres_stream;
struct postgres_socket;

/* All arguments are borrowed.  Each of them may close the stream. */
struct postgres_stream_events {
	/* A part of the answer, with or without an error. */
	void (*result)(struct postgres_stream *s, const PGresult *result);
	void (*answered)(struct postgres_stream *s); /* all of it has come */
	void (*notified)(struct postgres_stream *s, const PGnotify *notification);
	void (*drained)(struct postgres_stream *s); /* after what one read has brought */
	/* It is closed, and can be opened again.  `message` is one of libpq. */
	void (*failed)(struct postgres_stream *s, const char *message);
};

/* Private, except that others may read the last three. */
struct postgres_stream {
	uv_loop_t *loop;
	const struct postgres_stream_events *events;
	void *context;
	struct postgres_socket *socket;
	PGconn *conn;      /* NULL: closed */
	bool is_busy;      /* a query has not been answered */
	uint64_t heard_ms; /* when the last byte came */
};

void postgres_stream_init(struct postgres_stream *s, uv_loop_t *loop,
                          const struct postgres_stream_events *events, void *context);
/* A connection that has been made; it becomes the stream's. */
void postgres_stream_open(struct postgres_stream *s, PGconn *conn);
/* Calls nothing any more, until it is opened again. */
void postgres_stream_close(struct postgres_stream *s);

/* Send a query, when it is not busy. */
void postgres_stream_query(struct postgres_stream *s, const char *text);
void postgres_stream_prepare(struct postgres_stream *s, const char *name, const char *text);
void postgres_stream_run(struct postgres_stream *s, const char *name, int count,
                         const char *const *texts);

#endif
