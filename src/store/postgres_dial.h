/*
 * Connects in a thread of its own.  libpq resolves names with getaddrinfo(), which waits for a name
 * server for as long as the system is set to, often half a minute, and tries several hosts one
 * after another.  Who wants the connection waits as long as it can, and looks again later.
 */
#ifndef JOBLIGHT_STORE_POSTGRES_DIAL_H
#define JOBLIGHT_STORE_POSTGRES_DIAL_H

#include <stdint.h>

#include "base/postgres_place.h"

struct pg_dial;

/* NULL: no thread can be started. */
struct pg_dial *pg_dial_start(struct pg_place *place);

/*
 * Waits until this time of the monotonic clock, in ms.  True: it has ended, which frees it, and
 * *conn is the caller's, whether it is connected or not.
 */
bool pg_dial_wait(struct pg_dial *d, uint64_t until_ms, PGconn **conn);

/* Nobody wants the connection any more: it is closed as soon as it is there.  NULL is fine. */
void pg_dial_abandon(struct pg_dial *d);

#endif
