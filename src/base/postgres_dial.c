#include "postgres_dial.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "joblight/base/clock.h"
#include "joblight/base/log.h"
#include "joblight/base/xalloc.h"

#define ABANDON_MS 300

#define ADDRESS_OPTIONS 3

struct pg_dial {
	struct pg_place *place; /* unchanged, and so is the address */
	struct pg_address address;
	pthread_mutex_t lock; /* protects all fields below */
	pthread_cond_t changed;
	pg_dial_ended *ended; /* NULL: nobody is told */
	void *context;
	PGconn *conn;
	bool has_ended;
	unsigned users; /* the thread, and who waits for it */
};

static void dial_free(struct pg_dial *d)
{
	PQfinish(d->conn);
	pg_place_free(d->place);
	free(d->address.host);
	free(d->address.hostaddr);
	free(d->address.port);
	pthread_cond_destroy(&d->changed);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

/* The caller holds the lock, and does not use it afterwards. */
static void leave(struct pg_dial *d)
{
	bool last = --d->users == 0;

	pthread_mutex_unlock(&d->lock);
	if (last)
		dial_free(d);
}

/* ---- the thread ---- */

/* libpq would write it to standard error. */
static void log_notice(void *context, const PGresult *notice)
{
	const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED),
	           *state = PQresultErrorField(notice, PG_DIAG_SQLSTATE),
	           *text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);

	(void)context;
	if (severity && strcmp(severity, "WARNING") == 0)
		log_warn("PostgreSQL warns", "warning", text, "state", state);
	else
		log_debug("PostgreSQL has a notice", "notice", text, "state", state);
}

/* A later option takes precedence over an earlier one with the same name. */
static PGconn *open_connection(const struct pg_dial *d)
{
	const struct pg_address *a = &d->address;
	const char *const names_of_address[] = { "host", "hostaddr", "port" };
	const char *const values_of_address[] = { a->host, a->hostaddr, a->port };
	const char *names[PG_PLACE_OPTIONS + ADDRESS_OPTIONS + 1];
	const char *values[PG_PLACE_OPTIONS + ADDRESS_OPTIONS + 1];
	size_t count = 0;

	for (; d->place->names[count]; count++) {
		names[count] = d->place->names[count];
		values[count] = d->place->values[count];
	}
	for (size_t i = 0; a->hostaddr && i < ADDRESS_OPTIONS; i++) {
		names[count] = names_of_address[i];
		values[count++] = values_of_address[i];
	}
	names[count] = values[count] = NULL;
	PGconn *conn = PQconnectdbParams(names, values, 0);
	if (!conn)
		out_of_memory();
	PQsetNoticeReceiver(conn, log_notice, NULL);
	return conn;
}

static void *dial(void *context)
{
	struct pg_dial *d = context;

	pthread_setname_np(pthread_self(), "connect");
	PGconn *conn = open_connection(d);

	pthread_mutex_lock(&d->lock);
	d->conn = conn;
	d->has_ended = true;
	if (d->ended)
		d->ended(d->context);
	pthread_cond_signal(&d->changed);
	leave(d);
	return NULL;
}

static bool start_thread(struct pg_dial *d)
{
	sigset_t all, before;
	pthread_attr_t detached;
	pthread_t thread;

	sigfillset(&all);
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bool started = pthread_create(&thread, &detached, dial, d) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&detached);
	return started;
}

/* ---- who wants the connection ---- */

static char *copy(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

struct pg_dial *pg_dial_start(struct pg_place *place, const struct pg_address *address,
                              pg_dial_ended *ended, void *context)
{
	struct pg_dial *d = xcalloc(1, sizeof(*d));
	pthread_condattr_t monotonic;

	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&d->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	d->place = pg_place_hold(place);
	if (address)
		d->address = (struct pg_address){ copy(address->host), copy(address->hostaddr),
			                          copy(address->port) };
	d->ended = ended;
	d->context = context;
	d->users = 2;
	if (start_thread(d))
		return d;
	dial_free(d);
	return NULL;
}

/* The caller holds the lock. */
static void wait_until(struct pg_dial *d, uint64_t until_ms)
{
	struct timespec until = { (time_t)(until_ms / 1000), (long)(until_ms % 1000) * 1000000 };
	int error = 0;

	while (!d->has_ended && error != ETIMEDOUT)
		error = pthread_cond_timedwait(&d->changed, &d->lock, &until);
}

bool pg_dial_wait(struct pg_dial *d, uint64_t until_ms, PGconn **conn)
{
	pthread_mutex_lock(&d->lock);
	wait_until(d, until_ms);
	if (!d->has_ended) {
		pthread_mutex_unlock(&d->lock);
		return false;
	}
	*conn = d->conn;
	d->conn = NULL;
	leave(d);
	return true;
}

void pg_dial_abandon(struct pg_dial *d)
{
	if (!d)
		return;
	pthread_mutex_lock(&d->lock);
	d->ended = NULL;
	wait_until(d, clock_monotonic_ms() + ABANDON_MS);
	leave(d);
}
