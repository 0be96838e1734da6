/*
 * What a database has of a job, in one digest, to compare it with that of another database: every
 * field of its row but the key, its tasks, deliverables and events, and its remembered answers.
 *
 * The times when tasks become stalled are not in the digest, because they are in the steady time of
 * their database (timeline.h), which differs from one to the other.
 */
#ifndef JOBLIGHT_CORE_JOB_DIGEST_H
#define JOBLIGHT_CORE_JOB_DIGEST_H

#include "joblight/core/store.h"

struct job_digest {
	uint8_t sha256[DIGEST_LEN];
	uint64_t events, rows; /* rows: of every kind, with the events and the job's own */
	uint64_t waited_for;   /* tasks that can become stalled */
	uint64_t stall_at;     /* the sum of their times, modulo 2^64 */
};

/* Within a transaction of the session.  `row`: the job in it. */
enum store_result job_digest(struct store *s, const struct job_row *row, struct job_digest *d);

/*
 * `shift`: what the steady time of the second database shows more than that of the first one.
 * `tolerance`: by how much each task may differ from that, in ms.
 */
bool job_digest_same(const struct job_digest *a, const struct job_digest *b, int64_t shift,
                     uint64_t tolerance);

#endif
