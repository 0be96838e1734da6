/*
 * What is true of a job: every event that was committed, and what they add up to.  A life goes from
 * a job's creation to its deletion and is named by its epoch; another job under the same id is
 * another life.
 *
 * It learns from committed batches alone, reads their JSON on its own, and writes the snapshot that
 * must be served after each event, so that nothing of the code under test judges itself.
 */
#ifndef JOBLIGHT_TESTS_LIFE_H
#define JOBLIGHT_TESTS_LIFE_H

#include "joblight/core/batch.h"

/* One event and what was true after it. */
struct fact {
	enum event_type type;
	enum job_status status;
	int64_t time;
	char *json, *title, *snapshot;
	size_t json_len, snapshot_len;
};

/* The raw JSON of each member; NULL where there is none. */
#define TASK_STATE(X)                                                                              \
	X(status, "status")                                                                        \
	X(title, "title")                                                                          \
	X(note, "note")                                                                            \
	X(progress, "progress")                                                                    \
	X(attempt, "attempt")                                                                      \
	X(heartbeat, "heartbeatTimeoutMs")                                                         \
	X(stalled, "stalled")
#define FIELD(field, name) char *field;

struct folded_task {
	char *id, *created, *updated, *started, *ended;
	TASK_STATE(FIELD)
};

struct folded_deliverable {
	char *id, *title, *url, *media_type, *created;
};

struct life {
	struct life *older;
	char job_id[ID_MAX + 1];
	char epoch[EPOCH_LEN + 1];
	struct fact *facts; /* facts[seq - 1] */
	uint64_t head;
	uint64_t first;      /* still in the store; raised by pruning */
	uint64_t born, died; /* steps; died 0: it lives */
	bool over;           /* has a terminal status */
	char *title, *status, *metadata, *heartbeat, *created, *ended;
	struct folded_task *tasks;
	struct folded_deliverable *deliverables;
	size_t task_count, deliverable_count;
};

/* Every event of a committed batch, in order.  *lives is the list, the newest life first. */
void lives_learn(struct life **lives, const struct batch *b, uint64_t step);
void lives_free(struct life *lives);

/* The life that has this name now, or NULL. */
struct life *life_now(struct life *lives, const char *job_id);
struct life *life_of_epoch(struct life *lives, const char *job_id, const char *epoch);
/* True when there was no such job at some moment since `step`. */
bool life_was_absent(struct life *lives, const char *job_id, uint64_t step);

static inline const struct fact *life_fact(const struct life *l, uint64_t seq)
{
	return &l->facts[seq - 1];
}

#endif
