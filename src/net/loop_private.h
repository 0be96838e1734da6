/* The state of a loop, for the files that run in its thread. */
#ifndef JOBLIGHT_NET_LOOP_PRIVATE_H
#define JOBLIGHT_NET_LOOP_PRIVATE_H

#include <stdatomic.h>

#include <libwebsockets.h>
#include <uv.h>

/*
 * Since 4.3 an lws_context has a log context, which counts its users without a lock.  The default
 * one is that of all contexts, so each loop, which is a thread, needs its own.
 */
#if LWS_LIBRARY_VERSION_NUMBER >= 4003000
#define LWS_HAS_LOG_CONTEXTS
#endif

#include "connection.h"
#include "connection_table.h"
#include "deadlines.h"
#include "attendance.h"
#include "admission.h"
#include "bind.h"
#include "canary.h"
#include "certificates.h"
#include "clients.h"
#include "idle_poll.h"
#include "joblight/base/memory.h"
#include "joblight/core/metric.h"
#include "joblight/net/loop.h"
#include "joblight/net/loop_settings.h"
#include "listener.h"
#include "credential_cache.h"
#include "refusal.h"
#include "refused.h"
#include "request_id.h"
#include "ticker.h"
#include "tickets.h"
#include "turn.h"

/* See moving.h. */
enum moving { MOVING_NOT, MOVING_PAUSED, MOVING_LEAVING };

struct loops {
	struct loops_config config;
	unsigned count;
	struct bound *bound; /* where they listen */
	unsigned bound_count;
	pass_client *pass; /* to the process that takes the place of this one */
	void *pass_context;
	atomic_uint adopted; /* clients that were taken from another process */
	/* Sums over all loops. */
	atomic_size_t connections;
	atomic_size_t streams; /* the connections that capacity_count_stream() counted */
	atomic_size_t wide;    /* bytes of enlarged socket buffers */
	atomic_size_t replies; /* bytes of the answers that are being written, except snapshots */
	struct tickets *tickets;
	struct canary canary;
	struct memory_gauge memory;
	struct clients *clients; /* each by itself */
	struct client everyone;  /* all clients together: only its buckets are used */
	struct loop *items;
};

struct loop {
	struct limits own_limits;
	const struct limits *limits; /* own_limits, which only thread mail changes */
	const struct service *service;
	const struct dispatch *dispatch;
	struct loops *loops;
	struct bus *bus;
	unsigned peer; /* its number on the bus */

	uv_loop_t uv;
	uv_async_t async;
	uv_prepare_t prepare;
	uv_timer_t drain;
	struct lws_context *lws;
	struct lws_vhost *vhost;
#ifdef LWS_HAS_LOG_CONTEXTS
	lws_log_cx_t lws_log;
#endif
	struct conn *adopting;      /* the connection for which lws is adopting a WebSocket now */
	struct listener *listeners; /* one for each of loops->bound, and then loops->extra */
	unsigned listener_count;
	struct admission admission;
	struct idle_poll idle_poll;
	pthread_mutex_t wake_lock; /* for wake_closed */
	bool wake_closed;          /* `async` is closed */
	pthread_t thread;

	struct refusals refusals;
	struct refused refused;
	struct request_ids request_ids;
	struct mailbox commits, reads, peers;
	struct mail *answers; /* finished reads taken out of `reads`, not yet delivered */
	struct hub *hub;
	struct attendance *attendance;
	struct canary_watch canary;
	struct connection_table conns;
	struct deadlines deadlines;
	struct loop_settings *settings;
	struct keyring *keyring;  /* NULL: there are no keys */
	struct issuer *issuer;    /* NULL: no tokens of others are accepted */
	uint64_t keys_generation; /* changes with the keys of this server or of the issuer */
	struct credential_cache credentials;
	int64_t next_end; /* wall time at which the credential of a connection may expire */
	struct certificates *certificates; /* for new connections; NULL: no listener speaks TLS */
	struct buf sealed; /* room for the output of one call of tls.h; empty between calls */
	struct turn turn;
	struct ticker ticker;
	_Atomic(uint64_t) turned_ms; /* the last tick, for other threads; monotonic */
	uint64_t sent;               /* bytes that are not yet in the metrics */
	uint64_t now;                /* time of the last tick */
	uint64_t drain_due; /* when the loop stops: connections open at this time are closed */
	bool kick;          /* lws has to be woken to set a timer */
	bool stopping;
	bool retiring; /* clients with TLS are told to connect again */
	enum moving moving;
	size_t under_way;     /* requests, when it was last counted */
	atomic_bool is_quiet; /* for the main thread: none was under way */
};

static inline uint64_t loop_now(const struct loop *l)
{
	return uv_now(&l->uv);
}

/* Returns the connection with this id, or NULL if it has gone. */
static inline struct conn *conn_find(const struct loop *l, uint64_t id)
{
	return connection_table_find(&l->conns, id);
}

/* Whether an idle connection is still to be passed. */
static inline bool conn_is_to_pass(const struct conn *c)
{
	return c->loop->moving == MOVING_LEAVING && !c->tls;
}

#define LONG_TURN_MS 5 /* a longer turn ends early if something waits for its end */

static inline bool loop_turn_is_long(const struct loop *l)
{
	return loop_now(l) - l->turn.ended > LONG_TURN_MS;
}

/* Something waits for the end of the turn.  Ends a turn that is long already. */
static inline void loop_hurry(struct loop *l)
{
	if (loop_turn_is_long(l))
		uv_async_send(&l->async);
}

/* Uses these settings from now on, and holds them. */
void loop_take_settings(struct loop *l, struct loop_settings *settings);

/* The address in all->bound. */
static inline uint32_t loops_index_of(const struct loops *all, const struct listen *listen)
{
	return (uint32_t)((const struct bound *)(const void *)listen - all->bound);
}

/* Initializes all->items[index].  False: `error` says why. */
bool loop_init(struct loops *all, unsigned index, char *error, size_t error_len);
/* Adds a listener on the address `index`.  Takes the listening descriptor. */
void loop_listen(struct loop *l, unsigned index, int fd);
void *loop_run(void *loop); /* the thread function; returns when the loop has stopped */
void loop_finish(struct loop *l);

#endif
