/*
 * What carries messages between nodes: channels with names, to which any node publishes, and which
 * deliver to those that have subscribed.  src/bus/redis.c and src/bus/postgres_carrier.c are some.
 * A carrier runs in the thread of the bus, on its uv loop; its functions never wait.
 *
 *      begin ─> up ─> confirmed, message … ─> down ─> (it connects again by itself) up ─> …
 *
 * A message may be lost, and there is nothing about it that says so, except that everything that
 * is published between down and up is lost.
 */
#ifndef JOBLIGHT_BUS_CARRIER_H
#define JOBLIGHT_BUS_CARRIER_H

#include <stdbool.h>
#include <stddef.h>

#include "joblight/base/slice.h"

struct carrier;
struct uv_loop_s;

/* All arguments are borrowed. */
struct carrier_events {
	/* It is connected, and nothing is subscribed. */
	void (*up)(void *context);
	/* The connection is lost, or could not be made; `cause` has no password in it. */
	void (*down)(void *context, const char *cause);
	/* From now on everything that is published to the channel is delivered. */
	void (*confirmed)(void *context, struct slice channel);
	void (*message)(void *context, struct slice channel, struct slice bytes);
	/* No more messages are there at the moment. */
	void (*drained)(void *context);
};

struct carrier_config {
	const char *location;         /* a URL; copied */
	const char *password;         /* instead of the one in the URL; NULL: that one; copied */
	const char *probe;            /* the name of a channel that no other node uses; copied */
	const char *ca, *certificate; /* as those of struct bus_config */
};

struct carrier_ops {
	size_t message_max; /* bytes; larger ones are not published; at most NODE_MESSAGE_MAX */
	/* NULL with a message that says what to change.  Connects to nothing. */
	struct carrier *(*open)(const struct carrier_config *config, char *error, size_t error_len);
	void (*begin)(struct carrier *c, struct uv_loop_s *loop,
	              const struct carrier_events *events, void *context);
	/* False: it is not connected, or too much waits to be sent. */
	bool (*publish)(struct carrier *c, struct slice channel, struct slice bytes);
	/* Ignored while it is not connected. */
	void (*subscribe)(struct carrier *c, struct slice channel);
	void (*unsubscribe)(struct carrier *c, struct slice channel);
	/* After this nothing is called.  Sends what it can soon, and closes its handles. */
	void (*end)(struct carrier *c);
	/* The uv loop has run until all handles were closed; or it has never begun. */
	void (*free)(struct carrier *c);
};

/* The first member of every carrier's own struct. */
struct carrier {
	const struct carrier_ops *ops;
};

#endif
