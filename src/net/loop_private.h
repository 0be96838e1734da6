/* A loop as its own thread sees it. */
#ifndef JOBLIGHT_NET_LOOP_PRIVATE_H
#define JOBLIGHT_NET_LOOP_PRIVATE_H

#include <stdatomic.h>

#include <libwebsockets.h>
#include <uv.h>

#include "connection.h"
#include "attendance.h"
#include "admission.h"
#include "idle_poll.h"
#include "joblight/base/memory.h"
#include "joblight/core/pace.h"
#include "joblight/net/loop.h"
#include "joblight/api/pages.h"
#include "listener.h"
#include "refusal.h"

#define WAIT_SECONDS_MAX 600

struct slot {
	struct conn *conn; /* NULL: free */
	uint32_t generation;
	uint32_t next_free;
};

/* The loop's part of counters.def. */
struct counters {
	uint64_t broken, silent, full, streams_full, short_of_memory, replies_full, busy, refused;
};

struct loops {
	struct loops_config config;
	unsigned port, count;
	atomic_size_t connections; /* of all loops */
	atomic_size_t wide;        /* bytes of the larger buffers of sockets, of all loops */
	atomic_size_t streams;     /* of them, what loop_count_stream() counted */
	atomic_size_t replies; /* bytes of answers on their way, but for snapshots, of all loops */
	struct memory_gauge memory;
	struct loop *all;
};

struct loop {
	const struct limits *limits;
	const struct service *service;
	const struct pages *pages;
	struct loops *family;
	unsigned index; /* among the loops */

	uv_loop_t uv;
	uv_async_t async;
	uv_prepare_t prepare;
	uv_idle_t idle;
	uv_timer_t tick, drain, pace;
	struct lws_context *lws;
	struct lws_vhost *vhost;
	struct conn *adopting; /* while lws adopts a WebSocket for it */
	struct listener listener;
	struct doorstep doorstep;
	struct hangups hangups;
	pthread_t thread;

	struct counters counters;
	struct refusals refusals;
	struct mailbox commits, reads, notes;
	struct mail *answers; /* from the store, taken out of `reads` and not handed out yet */
	struct hub *hub;
	struct pace pacing; /* of the hub */
	struct crowd *crowd;
	struct slot *slots;
	uint32_t slot_count, free_slot;
	size_t conn_count;

	struct list requests, replies; /* connections with a request to run, an answer to write */
	struct list sockets;           /* WebSockets with something to write */
	struct list left;              /* their subscriptions that ended, until they can be freed */
	struct list beats_due;         /* WebSockets by their next ping */
	struct list messages;          /* WebSockets with half a message, by its deadline */
	struct list heads, bodies, idles,
	    closings; /* deadlines: heads, bodies, keep-alive, last bytes of an answer */
	struct list
	    waits[WAIT_SECONDS_MAX + 1]; /* long polls by their seconds: each list is in order */
	size_t moves, seen_count; /* connections that came or left since memory was given back; all
	                             at the last look */
	uint64_t trim_due;
	uint64_t now;
	uint64_t drain_due; /* while it stops: what is open then is cut */
	uint64_t turned;    /* when the last turn ended */
	bool round;         /* the hub has something to deliver */
	bool beats;         /* more heartbeats are due than one turn sends */
	bool kick;          /* lws has a timer to arm */
	bool stopping;
};

static inline uint64_t loop_now(const struct loop *l)
{
	return uv_now(&l->uv);
}

/* Something waits for the end of the turn; when that is far away, it is made to come. */
void loop_hurry(struct loop *l);

/* Whether this connection may become a stream now, which counts it as one; *problem says why not.
 */
bool loop_takes_stream(struct conn *c, struct problem *problem);
/*
 * Counts a connection that will stay for long (a stream, a WebSocket, a waiting poll), once; false
 * when there are as many as may be.  So that they leave connections for requests.
 */
bool loop_count_stream(struct conn *c);
void loop_uncount_stream(struct conn *c); /* it is over; harmless twice */

/* Of the last frame whose head lws refused in this thread: its length was 2^63 or more; otherwise
 * it was a control frame. */
bool loop_lws_refused_length(void);

/* Puts a deadline on a connection, replacing the one it had. */
void loop_deadline(struct list *deadlines, struct conn *c, uint64_t due);
void loop_no_deadline(struct conn *c);

/* A client has so long for the rest of a body, or to hang up after its refusal. */
uint64_t loop_body_ms(const struct loop *l);

/* A read of this connection (0: of none in particular) has come back. */
void loop_read_is_back(struct loop *l, uint64_t asker);

/* Tells the other loops of an agent; a word without an agent says that its owner has gone. */
void loop_tell_presence(struct loop *l, const struct presence_report *w);

uint64_t loop_add_conn(struct loop *l, struct conn *c);
void loop_remove_conn(struct loop *l, struct conn *c);

/* Makes all->all[index], which listens on `fd`; false with a message when it cannot. */
bool loop_init(struct loops *all, unsigned index, int fd, char *error, size_t error_len);
void *loop_run(void *loop); /* its thread; returns when it has stopped */
void loop_finish(struct loop *l);

/* The two steps of stopping, on its own thread: see loops_close(). */
void loop_close(struct loop *l);
void loop_stop(struct loop *l);

#endif
