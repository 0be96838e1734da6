/*
 * The snapshots that there are: the newest one of each job is found again as long as somebody holds
 * it, and for some seconds after that, within a budget of bytes.
 *
 * All of it is behind one lock: reader threads look and add, any thread may release the last
 * reference.
 */
#ifndef JOBLIGHT_WORK_SNAPSHOTS_H
#define JOBLIGHT_WORK_SNAPSHOTS_H

#include "joblight/core/query.h"

struct snapshots;

/* `keep_bytes`: of those that nobody else holds.  `max_bytes`: of all; beyond it has_room() is
 * false. */
struct snapshots *snapshots_create(uint64_t keep_bytes, uint64_t max_bytes);
void snapshots_free(struct snapshots *s); /* nobody holds a snapshot any more; NULL is fine */

struct snapshot_source *snapshots_source(struct snapshots *s);

/* Lets go of what nobody asked for in the last seconds.  When it is to be called again; UINT64_MAX:
 * nothing is kept. */
uint64_t snapshots_tick(struct snapshots *s, uint64_t now_ms);

uint64_t snapshots_bytes(struct snapshots *s); /* of all that there are */

#endif
