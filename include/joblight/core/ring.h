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
 * Contiguous, so that all that a reader has not seen goes out in one write.  The oldest are
 * overwritten: a reader that was lapped is refilled from the store, the ring never waits for it.
 * Logs start small, grow to the limits, and are counted against a cap over all rings (`struct
 * ring_budget`).
 *
 * One thread.
 */
#ifndef JOBLIGHT_CORE_RING_H
#define JOBLIGHT_CORE_RING_H

#include "joblight/core/frame.h"
#include "joblight/core/limits.h"

struct ring_budget {
	uint64_t used, max; /* bytes */
	uint64_t refused;   /* times a ring asked for more than there was */
};

struct ring;

struct ring *ring_create(const struct limits *limits, struct ring_budget *budget,
                         const char *epoch);
void ring_free(struct ring *r); /* NULL is fine */

/* The ring goes on behind `head`; nothing happens when it has begun already. */
void ring_start(struct ring *r, uint64_t head);
bool ring_started(const struct ring *r);

/* From now on frames of this kind are kept too; the ones that are here are framed at once. */
void ring_use(struct ring *r, enum framing f);

/*
 * Events come in order; one that is there already is ignored; one behind a hole makes the ring
 * forget what it had, so that readers are refilled from the store over the hole.
 */
void ring_append(struct ring *r, uint64_t seq, enum event_type type, struct slice json);

uint64_t
ring_first(const struct ring *r); /* the oldest event that is here; == ring_next() when empty */
uint64_t ring_next(const struct ring *r); /* head + 1 */

/* True when a reader that processed everything up to `seq` can go on from here; it may be ahead of
 * the ring. */
bool ring_reaches(const struct ring *r, uint64_t seq);

/*
 * The frames after `seq`: as many whole ones as fit in `max` bytes, at least one.  *last is the
 * seq of the last one taken.  Empty when there are none.  Valid until the ring changes.
 * ring_reaches(seq).
 */
struct slice ring_frames(const struct ring *r, enum framing f, uint64_t seq, size_t max,
                         uint64_t *last);

/* The bytes of the frames after `seq` up to and with `last`; the ring holds them. */
size_t ring_span(const struct ring *r, enum framing f, uint64_t seq, uint64_t last);

struct slice ring_json(const struct ring *r, uint64_t seq); /* first <= seq < next */
enum event_type ring_type(const struct ring *r, uint64_t seq);

#endif
