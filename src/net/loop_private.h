/* The state of a loop, for the files that run in its thread. */
#ifndef JOBLIGHT_NET_LOOP_PRIVATE_H
#define JOBLIGHT_NET_LOOP_PRIVATE_H

#include <stdatomic.h>

#include <libwebsockets.h>
#include <uv.h>

#include "connection.h"
#include "connection_table.h"
#include "deadlines.h"
#include "attendance.h"
#include "admission.h"
#include "bind.h"
#include "certificates.h"
#include "clients.h"
#include "idle_poll.h"
#include "joblight/base/memory.h"
#include "joblight/net/loop.h"
#include "listener.h"
#include "credential_cache.h"
#include "refusal.h"
#include "refused.h"
#include "ticker.h"
#include "tickets.h"
#include "turn.h"

/* The counters of counters.def that the loop owns. */
struct counters {
#define COUNTER_hub(name)
#define COUNTER_own(name) uint64_t name;
#define COUNTER(name, owner, description) COUNTER_##owner(name)
#include "joblight/core/counters.def"
#undef COUNTER
#undef COUNTER_hub
#undef COUNTER_own
};

struct loops {
	struct loops_config config;
	unsigned count;
	struct bound *bound; /* where they listen */
	unsigned bound_count;
	/* Sums over all loops. */
	atomic_size_t connections;
	atomic_size_t streams; /* the connections that capacity_count_stream() counted */
	atomic_size_t wide;    /* bytes of enlarged socket buffers */
	atomic_size_t replies; /* bytes of the answers that are being written, except snapshots */
	struct tickets *tickets;
	struct memory_gauge memory;
	struct trusted_proxies proxies;
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
	struct conn *adopting;      /* the connection for which lws is adopting a WebSocket now */
	struct listener *listeners; /* one for each of loops->bound */
	struct admission admission;
	struct idle_poll idle_poll;
	pthread_mutex_t wake_lock; /* for wake_closed */
	bool wake_closed;          /* `async` is closed */
	pthread_t thread;

	struct counters counters;
	struct refusals refusals;
	struct refused refused;
	struct mailbox commits, reads, peers;
	struct mail *answers; /* finished reads taken out of `reads`, not yet delivered */
	struct hub *hub;
	struct attendance *attendance;
	struct connection_table conns;
	struct deadlines deadlines;
	struct keyring *keyring; /* NULL: there are no keys */
	struct issuer *issuer;   /* NULL: no tokens of others are accepted */
	struct credential_cache credentials;
	int64_t next_end; /* wall time at which the credential of a connection may expire */
	struct certificates *certificates; /* for new connections; NULL: no listener speaks TLS */
	struct buf sealed; /* room for the output of one call of tls.h; empty between calls */
	struct turn turn;
	struct ticker ticker;
	uint64_t now;       /* time of the last tick */
	uint64_t drain_due; /* when the loop stops: connections open at this time are closed */
	bool kick;          /* lws has to be woken to set a timer */
	bool stopping;
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

/* Initializes all->items[index].  False: `error` says why. */
bool loop_init(struct loops *all, unsigned index, char *error, size_t error_len);
/* Starts the listener `index`.  Takes the listening descriptor. */
void loop_listen(struct loop *l, unsigned index, int fd);
void *loop_run(void *loop); /* the thread function; returns when the loop has stopped */
void loop_finish(struct loop *l);

#endif
