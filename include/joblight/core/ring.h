/*
 * The last events of one job, framed once and read by any number of cursors.
 *
 *      first                                        next
 *        │                                            │
 *        ▼                                            ▼
 *      ┌────┬────┬────┬─ … ─┬────┐      index: seq -> offset, a power of two of slots
 *      └─┬──┴──┬─┴──┬─┴─ … ─┴──┬─┘
 *        ▼     ▼    ▼          ▼
 *      │frame │frame│  frame  │frame│   one contiguous log for each framing in use
 *
 * The logs are contiguous, so that a reader gets everything it has not seen in one write.  The
 * oldest events are overwritten: a lapped reader is refilled from the store, and the ring never
 * waits for it.  Logs start small and grow to their limits; `struct ring_budget` limits all rings
 * together.
 *
 * One thread.
 */
#ifndef JOBLIGHT_CORE_RING_H
#define JOBLIGHT_CORE_RING_H

#include "joblight/core/frame.h"
#include "joblight/core/limits.h"

struct ring_budget {
	uint64_t used, max; /* bytes */
};

struct ring;

struct ring *ring_create(const struct limits *limits, struct ring_budget *budget,
                         const char *epoch);
void ring_free(struct ring *r); /* NULL is ignored */

/* The ring begins after `head`.  Does nothing when it has begun already. */
void ring_start(struct ring *r, uint64_t head);
/* Drops all events; the ring goes on after `head`, unless it is there already. */
void ring_skip(struct ring *r, uint64_t head);
bool ring_started(const struct ring *r);

/* Keeps frames of this framing too.  The events in the ring are framed at once. */
void ring_use(struct ring *r, enum framing f);

/* Appends an event.  One that is present already is ignored.  After a gap the ring drops all its
 * events, so that readers are refilled from the store. */
void ring_append(struct ring *r, uint64_t seq, enum event_type type, struct slice json);

/* The oldest event in the ring; == ring_next() when it is empty. */
uint64_t ring_first(const struct ring *r);
uint64_t ring_next(const struct ring *r); /* head + 1 */

/* True when a reader that has processed everything up to `seq` can continue from the ring.  `seq`
 * may be ahead of it. */
bool ring_reaches(const struct ring *r, uint64_t seq);

/*
 * The frames after `seq`: as many whole ones as fit into `max` bytes, but at least one.  *last is
 * the seq of the last one returned.  Empty when there are none.  Valid until the ring changes.
 * Requires ring_reaches(seq).
 */
struct slice ring_frames(const struct ring *r, enum framing f, uint64_t seq, size_t max,
                         uint64_t *last);

/* The size of the frames after `seq` up to and including `last`, which are in the ring. */
size_t ring_span(const struct ring *r, enum framing f, uint64_t seq, uint64_t last);

struct slice ring_json(const struct ring *r, uint64_t seq); /* first <= seq < next */
enum event_type ring_type(const struct ring *r, uint64_t seq);

#endif
