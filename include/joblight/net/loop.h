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
#include "joblight/net/passed_client.h"

struct loop;
struct metric_values;
struct certificates;
struct dispatch;
struct keyring;
struct issuer;
struct loop_settings;
struct span_sink;

struct loops_config {
	const struct limits *limits;
	const struct service *service;
	struct bus *bus;              /* every loop joins it */
	const struct listen *listens; /* where to listen */
	unsigned listen_count;
	const struct inherited *inherited; /* of each of them; NULL: none of any */
	struct certificates *certificates; /* of the listeners that speak TLS, held by each loop */
	unsigned count;                    /* loops */
	struct keyring *keyring;           /* at the start; held by each loop.  NULL: no keys */
	struct issuer *issuer;             /* likewise; NULL: no tokens of others are accepted */
	bool has_nodes;                    /* other nodes use the same database */
	bool log_requests;
	const char *base_path;           /* before all paths, if it is there; "" or "/a/b" */
	struct loop_settings *settings;  /* at the start; held by each loop */
	const struct span_sink *spans;   /* NULL: nobody wants them */
	const struct dispatch *dispatch; /* answers requests */
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

/* Any thread.  When the loop that has waited for longest last turned, in monotonic ms. */
uint64_t loops_turned_ms(const struct loops *l);

/* A source of metrics: what the loops have and may have.  Any thread, while the loops run. */
void loops_measure(void *loops, struct metric_values *v);

/* Delivers a finished read to its loop.  Takes the request.  Any thread. */
void loop_deliver_read(struct read_request *r);

/* Any thread.  Each loop takes over the LIVE limits between two turns. */
void loops_set_limits(struct loops *l, const struct limits *limits);

/*
 * Any thread.  Each loop holds the settings, and uses them for new connections and new requests
 * after its next turn; no connection is closed.
 */
void loops_set_settings(struct loops *l, struct loop_settings *settings);

/* Any thread.  Each loop holds the keyring, unless it has one that is as new, and ends what is not
 * in force any more. */
void loops_set_keyring(struct loops *l, struct keyring *ring);

/* Any thread.  Each loop holds the issuer, and ends what its keys do not verify any more. */
void loops_set_issuer(struct loops *l, struct issuer *issuer);

/* Any thread.  New TLS connections get these certificates; each loop holds them. */
void loops_set_certificates(struct loops *l, struct certificates *certificates);

/*
 * Another process takes the place of this one.
 *
 * loops_retire() tells clients with TLS to connect again with their next answer, because their
 * connections cannot be passed.  loops_pause() accepts nothing, and reads no next request; those
 * that have begun are answered, and loops_are_quiet() says when; call it again and again.
 * loops_resume() undoes both.  loops_leave() takes the place of loops_close(): it passes every
 * connection as soon as it is idle, and tells streams to reconnect; others listen on the sockets.
 */
void loops_retire(struct loops *l);
void loops_pause(struct loops *l);
bool loops_are_quiet(struct loops *l);
void loops_resume(struct loops *l);
void loops_leave(struct loops *l, pass_client *pass, void *context);

/* The listening sockets of an address, at most `max`.  They stay the loops'.  Returns how many. */
unsigned loops_sockets(const struct loops *l, unsigned index, int *fds, unsigned max);

/* Any thread.  One of the loops goes on with the connection.  Takes it. */
void loops_adopt(struct loops *l, struct passed_client *client);

/*
 * Stopping: loops_close() refuses new connections and tells every stream to reconnect later;
 * requests that have begun are still answered.  When the store has stopped, loops_stop() flushes,
 * ends the threads and waits.
 */
void loops_close(struct loops *l);
void loops_stop(struct loops *l);
void loops_free(struct loops *l);

#endif
