#include "postgres_dial.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "joblight/base/clock.h"
#include "joblight/base/xalloc.h"

/* A thread that is not in the resolver ends soon, and then does not run while the process ends. */
#define ABANDON_MS 300

struct pg_dial {
	pthread_mutex_t lock; /* protects all fields below */
	pthread_cond_t changed;
	struct pg_place *place;
	PGconn *conn;
	bool ended;
	unsigned users; /* the thread, and who waits for it */
};

static void dial_free(struct pg_dial *d)
{
	PQfinish(d->conn);
	pg_place_free(d->place);
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

static void *dial(void *context)
{
	struct pg_dial *d = context;

	pthread_setname_np(pthread_self(), "connect");
	PGconn *conn = PQconnectdbParams(d->place->names, d->place->values, 0);

	pthread_mutex_lock(&d->lock);
	d->conn = conn;
	d->ended = true;
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

struct pg_dial *pg_dial_start(struct pg_place *place)
{
	struct pg_dial *d = xcalloc(1, sizeof(*d));
	pthread_condattr_t monotonic;

	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&d->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	d->place = pg_place_hold(place);
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

	while (!d->ended && error != ETIMEDOUT)
		error = pthread_cond_timedwait(&d->changed, &d->lock, &until);
}

bool pg_dial_wait(struct pg_dial *d, uint64_t until_ms, PGconn **conn)
{
	pthread_mutex_lock(&d->lock);
	wait_until(d, until_ms);
	if (!d->ended) {
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
	wait_until(d, clock_monotonic_ms() + ABANDON_MS);
	leave(d);
}
