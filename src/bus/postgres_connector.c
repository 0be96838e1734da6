#include "postgres_connector.h"

#include <stdlib.h>

#include "base/postgres_dial.h"
#include "joblight/base/xalloc.h"

/* By its name, or to the address of the last connection. */
enum way { WAY_NAME, WAY_ADDRESS, WAYS };

struct postgres_connector {
	uv_async_t async;
	struct pg_place *place; /* borrowed */
	postgres_connected *connected;
	void *context;
	struct pg_dial *dials[WAYS]; /* NULL: none has started, or it has ended and was taken */
	enum way wanted;             /* whose result is wanted; WAYS: none is */
	bool has_no_thread;          /* which is the result that is wanted */
	struct pg_address known;     /* of the last connection; NULLs: there was none */
};

/* In the thread that connects. */
static void wake(void *context)
{
	uv_async_send(context);
}

/* ---- results ---- */

static void forget_address(struct postgres_connector *c)
{
	free(c->known.host);
	free(c->known.hostaddr);
	free(c->known.port);
	c->known = (struct pg_address){ 0 };
}

static void keep_address(struct postgres_connector *c, const PGconn *conn)
{
	const char *address = PQhostaddr(conn);

	if (!address || !address[0])
		return; /* a Unix socket, which has a path */
	forget_address(c);
	c->known = (struct pg_address){ xstrdup(PQhost(conn)), xstrdup(address),
		                        xstrdup(PQport(conn)) };
}

/* The connection of an attempt that has ended, or NULL. */
static PGconn *take(struct postgres_connector *c, enum way way)
{
	PGconn *conn = NULL;

	if (c->dials[way] && pg_dial_wait(c->dials[way], 0, &conn))
		c->dials[way] = NULL;
	return conn;
}

static void deliver(struct postgres_connector *c, PGconn *conn)
{
	char cause[256];

	c->wanted = WAYS;
	if (PQstatus(conn) == CONNECTION_OK) {
		keep_address(c, conn);
		c->connected(c->context, conn, "");
		return;
	}
	pg_place_words(c->place, PQerrorMessage(conn), cause, sizeof(cause));
	PQfinish(conn);
	c->connected(c->context, NULL, cause);
}

static void on_async(uv_async_t *async)
{
	struct postgres_connector *c = async->data;
	enum way wanted = c->wanted;
	PGconn *conns[WAYS];

	for (enum way way = 0; way < WAYS; way++)
		conns[way] = take(c, way);
	for (enum way way = 0; way < WAYS; way++)
		if (way != wanted)
			PQfinish(conns[way]);
	if (wanted != WAYS && conns[wanted]) {
		deliver(c, conns[wanted]);
	} else if (c->has_no_thread) {
		c->has_no_thread = false;
		c->connected(c->context, NULL, "no thread can be started");
	}
}

/* ---- starting ---- */

struct postgres_connector *postgres_connector_create(uv_loop_t *loop, struct pg_place *place,
                                                     postgres_connected *connected, void *context)
{
	struct postgres_connector *c = xcalloc(1, sizeof(*c));

	c->place = place;
	c->connected = connected;
	c->context = context;
	c->wanted = WAYS;
	uv_async_init(loop, &c->async, on_async);
	c->async.data = c;
	return c;
}

void postgres_connector_drop(struct postgres_connector *c)
{
	c->wanted = WAYS;
	c->has_no_thread = false;
}

static bool start(struct postgres_connector *c, enum way way)
{
	const struct pg_address *address = way == WAY_ADDRESS ? &c->known : NULL;

	PQfinish(take(c, way)); /* of an earlier start */
	if (c->dials[way])
		return false;
	postgres_connector_drop(c);
	c->dials[way] = pg_dial_start(c->place, address, wake, &c->async);
	if (c->dials[way]) {
		c->wanted = way;
	} else {
		c->has_no_thread = true;
		uv_async_send(&c->async);
	}
	return true;
}

bool postgres_connector_start(struct postgres_connector *c)
{
	return start(c, WAY_NAME);
}

bool postgres_connector_start_known(struct postgres_connector *c)
{
	return c->known.hostaddr && start(c, WAY_ADDRESS);
}

/* ---- the end ---- */

static void on_closed(uv_handle_t *handle)
{
	struct postgres_connector *c = handle->data;

	forget_address(c);
	free(c);
}

/* A thread that is abandoned does not use the handle any more. */
void postgres_connector_end(struct postgres_connector *c)
{
	for (enum way way = 0; way < WAYS; way++)
		pg_dial_abandon(c->dials[way]);
	uv_close((uv_handle_t *)&c->async, on_closed);
}
