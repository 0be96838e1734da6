/*
 * A loop thread: its libuv loop, its libwebsockets context, its listener, its hub and its
 * connections.  Loops exchange messages through mailboxes.
 *
 * The main thread calls these functions, except loop_deliver_read().
 */
#ifndef JOBLIGHT_NET_LOOP_H
#define JOBLIGHT_NET_LOOP_H

#include "joblight/base/slice.h"
#include "joblight/core/bus.h"
#include "joblight/core/limits.h"
#include "joblight/core/service.h"
#include "joblight/net/listen.h"

struct loop;
struct certificates;
struct dispatch;
struct keyring;
struct issuer;

struct loops_config {
	const struct limits *limits;
	const struct service *service;
	struct bus *bus;              /* every loop joins it */
	const struct listen *listens; /* where to listen */
	unsigned listen_count;
	struct certificates *certificates; /* of the listeners that speak TLS, held by each loop */
	unsigned count;                    /* loops */
	struct keyring *keyring;           /* at the start; held by each loop.  NULL: no keys */
	struct issuer *issuer;             /* likewise; NULL: no tokens of others are accepted */
	const struct slices *trusted_proxies; /* valid: see client_address.h */
	bool proxy_protocol;                  /* they begin with a PROXY header */
	const struct dispatch *dispatch;      /* answers requests */
	const void *context;                  /* what its functions use */
};

struct loops;

/*
 * Creates the loops and listens.  All that `config` points to is borrowed for as long as they live.
 * NULL: `error` says why.
 */
struct loops *loops_create(const struct loops_config *config, char *error, size_t error_len);
void loops_start(struct loops *l); /* starts the threads */
/* The listener `index` of the configuration, with the port that was bound. */
const struct listen *loops_listen(const struct loops *l, unsigned index);

/* Delivers a finished read to its loop.  Takes the request.  Any thread. */
void loop_deliver_read(struct read_request *r);

/* Any thread.  Each loop takes over the LIVE limits between two turns. */
void loops_set_limits(struct loops *l, const struct limits *limits);

/* Any thread.  Each loop holds the issuer, and ends what its keys do not verify any more. */
void loops_set_issuer(struct loops *l, struct issuer *issuer);

/* Any thread.  New TLS connections get these certificates; each loop holds them. */
void loops_set_certificates(struct loops *l, struct certificates *certificates);

/*
 * Stopping: loops_close() stops accepting and tells every stream to reconnect later; requests that
 * have begun are still answered.  When the store has stopped, loops_stop() flushes, ends the
 * threads and waits.
 */
void loops_close(struct loops *l);
void loops_stop(struct loops *l);
void loops_free(struct loops *l);

#endif
