/*
 * The lease of work that only one node of a database is to do: it is renewed while the node lives,
 * and another node gets it some seconds after it was last renewed.  The only node of a database
 * always has it, at no cost.
 *
 * The clock of the database says how long it lasts, and the monotonic clock how long this node may
 * rely on it, so the wall clocks of the nodes do not matter.  A node that was stopped meanwhile can
 * still be at work when another one begins; the work itself must bear that.
 *
 * The store thread.  Times are monotonic milliseconds.
 */
#ifndef JOBLIGHT_WORK_LEASE_H
#define JOBLIGHT_WORK_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "joblight/core/store.h"

#define LEASE_MS 3000       /* without being renewed */
#define LEASE_RENEW_MS 1000 /* how often it is renewed, or asked for */

struct lease {
	struct store *store;
	const char *name;
	bool always;       /* this is the only node */
	bool had;          /* when it was last asked for */
	bool is_elsewhere; /* likewise: another node had it */
	uint64_t until, due;
};

void lease_init(struct lease *l, struct store *store, const char *name);

/* Asks for it when it is due, outside of transactions.  True: this node has it since now. */
bool lease_tick(struct lease *l);
bool lease_is_held(const struct lease *l);
/* When to call lease_tick() again; UINT64_MAX: never. */
uint64_t lease_due(const struct lease *l);

#endif
