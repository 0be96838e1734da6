/*
 * A loop thread: its libuv loop, its libwebsockets context, its listener, its hub and its
 * connections. Loops share nothing; they hear of each other through mailboxes.
 */
#ifndef JOBLIGHT_NET_LOOP_H
#define JOBLIGHT_NET_LOOP_H

#include "joblight/core/bus.h"
#include "joblight/core/limits.h"
#include "joblight/core/service.h"

struct loop;
struct dispatch;

struct loops_config {
	const struct limits *limits;
	const struct service *service;
	struct bus *bus;                 /* every loop joins it */
	const char *host;                /* address or name to listen on */
	unsigned port;                   /* 0: any free one */
	unsigned count;                  /* loops */
	const struct dispatch *dispatch; /* answers requests */
	const void *context;             /* what its functions use */
};

struct loops;

/* Listens; the strings are borrowed for as long as it lives.  NULL with a message when it cannot.
 */
struct loops *loops_create(const struct loops_config *config, char *error, size_t error_len);
void loops_start(struct loops *l); /* starts the threads */
unsigned loops_port(const struct loops *l);

/* A reader thread hands back an answered request.  Any thread. */
void loop_deliver_read(struct read_request *r);

/* Any thread.  Each loop takes over the LIVE limits between two turns. */
void loops_set_limits(struct loops *l, const struct limits *limits);

/*
 * Stopping: loops_close() stops accepting and tells every stream to come back later; requests under
 * way are still answered.  When the store has stopped, loops_stop() flushes, ends the threads and
 * waits.
 */
void loops_close(struct loops *l);
void loops_stop(struct loops *l);
void loops_free(struct loops *l);

#endif
