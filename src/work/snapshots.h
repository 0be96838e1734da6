/*
 * The cache of snapshots.  It finds the newest snapshot of each job while any reference to it
 * exists, and for some seconds after that, within a budget of bytes.
 *
 * One lock covers all of it: reader threads search and add, and any thread may release the last
 * reference.
 */
#ifndef JOBLIGHT_WORK_SNAPSHOTS_H
#define JOBLIGHT_WORK_SNAPSHOTS_H

#include "joblight/core/query.h"

struct snapshots;

/*
 * `keep_bytes`: of the snapshots that only the cache holds.  `max_bytes`: of all; above it
 * has_room() is false.
 */
struct snapshots *snapshots_create(uint64_t keep_bytes, uint64_t max_bytes);
void snapshots_free(struct snapshots *s); /* after the last snapshot was released; NULL is fine */

struct snapshot_source *snapshots_source(struct snapshots *s);

/*
 * Releases what was not used in the last seconds, and gives the system the memory of what was
 * released, at most once in a second.  A thread calls it that has no read to answer.  Returns when
 * to call this again; UINT64_MAX: there is nothing to do.
 */
uint64_t snapshots_tick(struct snapshots *s, uint64_t now_ms);

uint64_t snapshots_bytes(struct snapshots *s); /* of all snapshots */

#endif
