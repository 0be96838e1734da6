#include "postgres_stream.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"

/* What lives until libuv has closed the handle.  `stream` is NULL when it is closed. */
struct postgres_socket {
	uv_poll_t poll;
	struct postgres_stream *stream;
	int events; /* that are waited for */
};

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

/* libuv must have forgotten the descriptor before libpq closes it. */
void postgres_stream_close(struct postgres_stream *s)
{
	struct postgres_socket *socket = s->socket;

	s->socket = NULL;
	s->is_busy = false;
	if (socket) {
		socket->stream = NULL;
		uv_close((uv_handle_t *)&socket->poll, on_closed);
	}
	PQfinish(s->conn);
	s->conn = NULL;
}

static void fail(struct postgres_stream *s, const char *message)
{
	char text[256];

	snprintf(text, sizeof(text), "%s", message); /* which ends with the connection */
	postgres_stream_close(s);
	s->events->failed(s, text);
}

/* ---- receiving ---- */

/* Returns whether there was one. */
static bool take_result(struct postgres_stream *s)
{
	PGresult *result;

	if (!s->conn || !s->is_busy || PQisBusy(s->conn))
		return false;
	result = PQgetResult(s->conn);
	if (result) {
		s->events->result(s, result);
		PQclear(result);
		return true;
	}
	s->is_busy = false;
	s->events->answered(s);
	return true;
}

static bool take_notification(struct postgres_stream *s)
{
	PGnotify *notification = s->conn ? PQnotifies(s->conn) : NULL;

	if (!notification)
		return false;
	s->events->notified(s, notification);
	PQfreemem(notification);
	return true;
}

static void take_all(struct postgres_stream *s)
{
	while (take_result(s) || take_notification(s))
		;
	if (s->conn && PQstatus(s->conn) == CONNECTION_BAD)
		fail(s, PQerrorMessage(s->conn));
	if (s->conn)
		s->events->drained(s);
}

/* ---- the socket ---- */

static void on_poll(uv_poll_t *poll, int status, int events);

static void wait_for(struct postgres_stream *s, int events)
{
	struct postgres_socket *socket = s->socket;

	if (socket->events == events)
		return;
	socket->events = events;
	int failed = uv_poll_start(&socket->poll, events, on_poll);
	if (failed)
		fail(s, uv_strerror(failed));
}

/* Sends what the socket takes. */
static void flush(struct postgres_stream *s)
{
	int left = PQflush(s->conn);

	if (left < 0)
		fail(s, PQerrorMessage(s->conn));
	else
		wait_for(s, left ? UV_READABLE | UV_WRITABLE : UV_READABLE);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct postgres_stream *s = ((struct postgres_socket *)poll->data)->stream;

	if (!s)
		return;
	if (status == 0 && (events & UV_READABLE))
		s->heard_ms = uv_now(s->loop);
	if (!PQconsumeInput(s->conn)) {
		fail(s, PQerrorMessage(s->conn));
		return;
	}
	take_all(s);
	if (s->conn)
		flush(s);
}

void postgres_stream_init(struct postgres_stream *s, uv_loop_t *loop,
                          const struct postgres_stream_events *events, void *context)
{
	*s = (struct postgres_stream){ .loop = loop, .events = events, .context = context };
}

void postgres_stream_open(struct postgres_stream *s, PGconn *conn)
{
	struct postgres_socket *socket = xcalloc(1, sizeof(*socket));

	PQsetnonblocking(conn, 1);
	s->conn = conn;
	s->heard_ms = uv_now(s->loop);
	int failed = uv_poll_init(s->loop, &socket->poll, PQsocket(conn));
	if (failed) {
		free(socket);
		fail(s, uv_strerror(failed));
		return;
	}
	s->socket = socket;
	socket->stream = s;
	socket->poll.data = socket;
	wait_for(s, UV_READABLE);
}

/* ---- queries ---- */

static void sent(struct postgres_stream *s, int ok)
{
	if (!ok) {
		fail(s, PQerrorMessage(s->conn));
		return;
	}
	s->is_busy = true;
	flush(s);
}

void postgres_stream_query(struct postgres_stream *s, const char *text)
{
	assert(s->conn && !s->is_busy);
	sent(s, PQsendQuery(s->conn, text));
}

void postgres_stream_prepare(struct postgres_stream *s, const char *name, const char *text)
{
	assert(s->conn && !s->is_busy);
	sent(s, PQsendPrepare(s->conn, name, text, 0, NULL));
}

void postgres_stream_run(struct postgres_stream *s, const char *name, int count,
                         const char *const *texts)
{
	assert(s->conn && !s->is_busy);
	sent(s, PQsendQueryPrepared(s->conn, name, count, texts, NULL, NULL, 0));
}
