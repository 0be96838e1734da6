/* Compares every event that reaches a subscriber with the one that must come next.
 *
 * Each connection has two checks. The lane: the counter of one publisher, which every server sends
 * (it is in the note) and which must run 1, 2, 3 … The seq: the total order of the job, if the
 * server numbers its events. Most faults show in both, so the verdict of a run is the worse of the
 * two and not their sum. */
#ifndef BENCH_CHECK_H
#define BENCH_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "stamp.h"

struct verdict {
	uint64_t lost;         /* never came */
	uint64_t twice;        /* came before */
	uint64_t out_of_order; /* came after a later one */
	uint64_t misrouted;    /* another job's, or from a publisher that does not write
	                          to this job */
};

/* Numbers start wherever the first `next` says and must come one by one. 32 bits: a run posts less
 * than 4 thousand million. */
struct track {
	uint32_t next;
};

struct check;

/* Subscriber i watches job i % jobs, unless check_event() gets another job; publisher p writes to
 * job p % jobs. */
struct check *check_create(uint32_t subscribers, uint32_t publishers, uint32_t jobs);
void check_destroy(struct check *check);

/* The stream of this subscriber says that its next event is `seq`. */
void check_start(struct check *check, uint32_t subscriber, uint64_t seq);

/* The last event of the total order that this subscriber has. */
uint64_t check_position(const struct check *check, uint32_t subscriber);

/* A snapshot holds this update: the publisher's next one is the next on its lane. */
void check_fold(struct check *check, uint32_t subscriber, uint32_t job, const struct stamp *stamp);

/* `seq` 0: the server does not number its events. */
void check_event(struct check *check, uint32_t subscriber, uint32_t job, uint64_t seq,
                 const struct stamp *stamp);

/* Checks a numbered event that no publisher made (a job_update): only the total order has it. */
void check_other(struct check *check, uint32_t subscriber, uint64_t seq);

/* After the last event: what each publisher had committed and this subscriber has not seen is lost.
 * `committed[p]` is the last counter answered 2xx. */
void check_end(struct check *check, uint32_t subscriber, uint32_t job, const uint32_t *committed);

struct verdict check_verdict(const struct check *check);
bool verdict_clean(const struct verdict *verdict);

#endif
