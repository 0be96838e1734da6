/*
 * Finds the addresses of a host in a thread of its own, because a name server may take half a
 * minute to answer.  At most one such thread is there; nothing waits for it, also not the end of
 * the process.  Thread of the bus.
 */
#ifndef JOBLIGHT_BUS_REDIS_RESOLVER_H
#define JOBLIGHT_BUS_REDIS_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <uv.h>

#define REDIS_ADDRESSES_MAX 8

struct redis_addresses {
	struct sockaddr_storage items[REDIS_ADDRESSES_MAX];
	size_t count;
};

struct redis_resolver;

/* Called when an answer has come.  `addresses` is empty when the host has none, and `cause` says
 * why.  Both are borrowed. */
typedef void redis_resolved(void *context, const struct redis_addresses *addresses,
                            const char *cause);

struct redis_resolver *redis_resolver_create(uv_loop_t *loop, const char *host, const char *port,
                                             redis_resolved *resolved, void *context);
/* Starts, unless it is at it already. */
void redis_resolver_start(struct redis_resolver *r);
/* Calls nothing any more, and closes its handle; the loop must run until it is closed. */
void redis_resolver_end(struct redis_resolver *r);

#endif
