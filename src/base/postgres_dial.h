/*
 * Connects to PostgreSQL in a thread of its own, for the module of PostgreSQL
 * (joblight/base/module.h).  libpq resolves names with getaddrinfo(), which waits for a name server
 * for as long as the system is set to, often half a minute, and tries several hosts one after
 * another.  Who wants the connection waits as long as it can, and looks again later, or is woken.
 */
#ifndef JOBLIGHT_BASE_POSTGRES_DIAL_H
#define JOBLIGHT_BASE_POSTGRES_DIAL_H

#include <stdint.h>

#include "postgres_place.h"

struct pg_dial;

/* Where a host of the place is, which needs no name server. */
struct pg_address {
	char *host, *hostaddr, *port; /* as PQhost(), PQhostaddr() and PQport() have them */
};

/*
 * The attempt has ended.  Called once, in its thread, with its lock held: wakes who waits, and
 * calls no function of this header.
 */
typedef void pg_dial_ended(void *context);

/*
 * `address` takes precedence over the hosts of the place; it is copied, and NULL is fine.  `ended`
 * may be NULL.  NULL: no thread can be started.
 */
struct pg_dial *pg_dial_start(struct pg_place *place, const struct pg_address *address,
                              pg_dial_ended *ended, void *context);

/*
 * Waits until this time of the monotonic clock, in ms; 0: not at all.  True: it has ended, which
 * frees it, and *conn is the caller's, whether it is connected or not.  Its notices and warnings
 * are logged, except those that come while it connects: libpq writes them to standard error,
 * because a receiver can be set only afterwards if libpq is to go from one host to the next by
 * itself.
 */
bool pg_dial_wait(struct pg_dial *d, uint64_t until_ms, PGconn **conn);

/*
 * Nobody wants the connection any more: it is closed as soon as it is there, and `ended` is not
 * called after this.  Waits for a moment, because most threads end soon and then do not run while
 * the process ends, but not for a name server.  NULL is fine.
 */
void pg_dial_abandon(struct pg_dial *d);

#endif
