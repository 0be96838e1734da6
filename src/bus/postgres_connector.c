#include "postgres_connector.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "joblight/base/xalloc.h"

/* By its name, or to the address of the last connection. */
enum way { WAY_NAME, WAY_ADDRESS, WAYS };

#define ADDRESS_OPTIONS 3 /* host, hostaddr, port */

/* What the threads share.  The last one frees it. */
struct postgres_connector {
	atomic_uint references;
	pthread_mutex_t lock; /* protects the fields up to `cause` */
	uv_async_t *async;    /* NULL: nobody wants a result */
	uint64_t wanted;      /* the number of the attempt whose result is wanted; 0: none */
	bool runs[WAYS];
	bool has_result;
	PGconn *conn; /* the result; NULL: it has failed */
	char cause[256];

	struct pg_place *place; /* unchanged */
	/* of the thread of the bus */
	uint64_t attempts;
	char *known[ADDRESS_OPTIONS]; /* of the last connection; NULL: there was none */
	postgres_connected *connected;
	void *context;
};

struct attempt {
	struct postgres_connector *connector;
	uint64_t number;
	enum way way;
	char *known[ADDRESS_OPTIONS]; /* owned */
};

static const char *const address_options[ADDRESS_OPTIONS] = { "host", "hostaddr", "port" };

static void release(struct postgres_connector *c)
{
	if (atomic_fetch_sub(&c->references, 1) != 1)
		return;
	pthread_mutex_destroy(&c->lock);
	for (size_t i = 0; i < ADDRESS_OPTIONS; i++)
		free(c->known[i]);
	PQfinish(c->conn);
	pg_place_free(c->place);
	free(c);
}

/* ---- the thread that waits ---- */

static void ignore(void *context, const PGresult *notice)
{
	(void)context;
	(void)notice;
}

/* A later option takes precedence over an earlier one with the same name. */
static PGconn *open_connection(const struct attempt *a)
{
	const struct pg_place *place = a->connector->place;
	const char *names[PG_PLACE_OPTIONS + ADDRESS_OPTIONS + 1];
	const char *values[PG_PLACE_OPTIONS + ADDRESS_OPTIONS + 1];
	size_t count = 0;

	for (; place->names[count]; count++) {
		names[count] = place->names[count];
		values[count] = place->values[count];
	}
	for (size_t i = 0; a->way == WAY_ADDRESS && i < ADDRESS_OPTIONS; i++) {
		names[count] = address_options[i];
		values[count++] = a->known[i];
	}
	names[count] = values[count] = NULL;
	PGconn *conn = PQconnectdbParams(names, values, 0);
	if (!conn)
		abort(); /* memory has run out */
	PQsetNoticeReceiver(conn, ignore, NULL);
	return conn;
}

static void keep_result(struct postgres_connector *c, PGconn **conn)
{
	c->has_result = true;
	PQfinish(c->conn);
	c->conn = NULL;
	pg_place_words(c->place, PQerrorMessage(*conn), c->cause, sizeof(c->cause));
	if (PQstatus(*conn) == CONNECTION_OK) {
		c->conn = *conn;
		*conn = NULL;
	}
	uv_async_send(c->async);
}

static void free_attempt(struct attempt *a)
{
	for (size_t i = 0; i < ADDRESS_OPTIONS; i++)
		free(a->known[i]);
	free(a);
}

static void *run(void *context)
{
	struct attempt *a = context;
	struct postgres_connector *c = a->connector;
	PGconn *conn = open_connection(a);

	pthread_mutex_lock(&c->lock);
	c->runs[a->way] = false;
	if (c->async && c->wanted == a->number)
		keep_result(c, &conn);
	pthread_mutex_unlock(&c->lock);
	PQfinish(conn);
	free_attempt(a);
	release(c);
	return NULL;
}

/* ---- the thread of the bus ---- */

static void keep_address(struct postgres_connector *c, const PGconn *conn)
{
	const char *values[ADDRESS_OPTIONS] = { PQhost(conn), PQhostaddr(conn), PQport(conn) };

	if (!values[1] || !values[1][0])
		return; /* a Unix socket, which has a path */
	for (size_t i = 0; i < ADDRESS_OPTIONS; i++) {
		free(c->known[i]);
		c->known[i] = xstrdup(values[i]);
	}
}

static void on_result(uv_async_t *async)
{
	struct postgres_connector *c = async->data;
	char cause[sizeof(c->cause)];

	pthread_mutex_lock(&c->lock);
	bool has_result = c->has_result;
	PGconn *conn = c->conn;
	c->has_result = false;
	c->conn = NULL;
	memcpy(cause, c->cause, sizeof(cause));
	pthread_mutex_unlock(&c->lock);
	if (!has_result)
		return;
	if (conn)
		keep_address(c, conn);
	c->connected(c->context, conn, cause);
}

struct postgres_connector *postgres_connector_create(uv_loop_t *loop, struct pg_place *place,
                                                     postgres_connected *connected, void *context)
{
	struct postgres_connector *c = xcalloc(1, sizeof(*c));

	atomic_init(&c->references, 1);
	pthread_mutex_init(&c->lock, NULL);
	c->place = place;
	c->connected = connected;
	c->context = context;
	c->async = xcalloc(1, sizeof(*c->async));
	uv_async_init(loop, c->async, on_result);
	c->async->data = c;
	return c;
}

void postgres_connector_drop(struct postgres_connector *c)
{
	pthread_mutex_lock(&c->lock);
	PGconn *conn = c->conn;
	c->conn = NULL;
	c->has_result = false;
	c->wanted = 0;
	pthread_mutex_unlock(&c->lock);
	PQfinish(conn);
}

/* As if a thread had failed. */
static void fail(struct postgres_connector *c, enum way way)
{
	pthread_mutex_lock(&c->lock);
	c->runs[way] = false;
	c->has_result = true;
	snprintf(c->cause, sizeof(c->cause), "no thread can be started");
	uv_async_send(c->async);
	pthread_mutex_unlock(&c->lock);
}

static bool start(struct postgres_connector *c, enum way way)
{
	pthread_t thread;

	pthread_mutex_lock(&c->lock);
	bool runs = c->runs[way];
	c->runs[way] = true;
	if (!runs)
		c->wanted = ++c->attempts;
	pthread_mutex_unlock(&c->lock);
	if (runs)
		return false;
	struct attempt *a = xcalloc(1, sizeof(*a));
	*a = (struct attempt){ .connector = c, .number = c->attempts, .way = way };
	for (size_t i = 0; way == WAY_ADDRESS && i < ADDRESS_OPTIONS; i++)
		a->known[i] = xstrdup(c->known[i]);
	atomic_fetch_add(&c->references, 1);
	if (pthread_create(&thread, NULL, run, a) == 0) {
		pthread_detach(thread);
		return true;
	}
	free_attempt(a);
	fail(c, way);
	release(c);
	return true;
}

bool postgres_connector_start(struct postgres_connector *c)
{
	return start(c, WAY_NAME);
}

bool postgres_connector_start_known(struct postgres_connector *c)
{
	return c->known[0] && start(c, WAY_ADDRESS);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

void postgres_connector_end(struct postgres_connector *c)
{
	uv_async_t *async = c->async;

	postgres_connector_drop(c);
	pthread_mutex_lock(&c->lock);
	c->async = NULL;
	pthread_mutex_unlock(&c->lock);
	uv_close((uv_handle_t *)async, on_closed);
	release(c);
}
