/*
 * The nouns: jobs, tasks and deliverables, and their statuses.  Plain data and pure functions.
 *
 *      pending ⇄ in_progress ⇄ revisions ⇄ hardening        every move between these is allowed
 *                        │
 *      completed   failed   cancelled                       terminal: nothing is logged after it
 */
#ifndef JOBLIGHT_CORE_MODEL_H
#define JOBLIGHT_CORE_MODEL_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "joblight/base/slice.h"

#define ID_MAX 128     /* bytes of a job's or task's id */
#define CREATOR_MAX 40 /* bytes of an access key's id, or of the identity of a token */
#define EPOCH_LEN 10   /* 50 random bits in base 32 */
#define KEY_MAX 255    /* bytes of an idempotency key */

#define JOB_STATUSES(X)                                                                            \
	X(PENDING, "pending", false)                                                               \
	X(IN_PROGRESS, "in_progress", false)                                                       \
	X(REVISIONS, "revisions", false)                                                           \
	X(HARDENING, "hardening", false)                                                           \
	X(COMPLETED, "completed", true)                                                            \
	X(FAILED, "failed", true)                                                                  \
	X(CANCELLED, "cancelled", true)

#define TASK_STATUSES(X)                                                                           \
	X(PENDING, "pending", false)                                                               \
	X(IN_PROGRESS, "in_progress", false)                                                       \
	X(BLOCKED, "blocked", false)                                                               \
	X(COMPLETED, "completed", true)                                                            \
	X(FAILED, "failed", true)                                                                  \
	X(CANCELLED, "cancelled", true)

#define STATUS_ENUM(name, text, terminal) JOB_##name,
enum job_status { JOB_STATUSES(STATUS_ENUM) JOB_STATUS_COUNT };
#undef STATUS_ENUM
#define STATUS_ENUM(name, text, terminal) TASK_##name,
enum task_status { TASK_STATUSES(STATUS_ENUM) TASK_STATUS_COUNT };
#undef STATUS_ENUM

const char *job_status_text(enum job_status s);
bool job_status_parse(struct slice text, enum job_status *s);
bool job_status_terminal(enum job_status s);
const char *job_status_all(void); /* "pending, in_progress, …" for messages */

const char *task_status_text(enum task_status s);
bool task_status_parse(struct slice text, enum task_status *s);
bool task_status_terminal(enum task_status s);
const char *task_status_all(void);

/* 1 to 128 characters of [A-Za-z0-9._~-], the first one alphanumeric. */
bool id_valid(struct slice id);
/*
 * The id of a job that a client may not know of is concealed: no job has such an id, so everything
 * that follows is what happens to the id of a job that does not exist.  id_reveal() copies the id
 * as the client wrote it, for messages; it also takes ids that are not concealed.
 */
static inline void id_conceal(char *id)
{
	id[0] = (char)(id[0] | 0x80);
}
void id_reveal(char out[ID_MAX + 1], const char *id);
/* 1 to 64 characters of [a-z0-9_.-]: the name of a command. */
bool command_name_valid(struct slice name);
/* 1 to KEY_MAX visible ASCII characters: an idempotency key. */
bool key_valid(struct slice key);
/* A valid id, with a NUL after it. */
static inline void id_copy(char out[ID_MAX + 1], struct slice id)
{
	memcpy(out, id.ptr, id.len);
	out[id.len] = '\0';
}

/* The rows of events.def: first the logged types, then the ephemeral ones. */
enum event_type {
#define LOGGED(name, text) EVENT_##name,
#define EPHEMERAL(name, text)
#include "joblight/core/events.def"
#undef LOGGED
#undef EPHEMERAL
	EVENT_LOGGED_COUNT,
	EVENT_LAST_LOGGED = EVENT_LOGGED_COUNT - 1,
#define LOGGED(name, text)
#define EPHEMERAL(name, text) EVENT_##name,
#include "joblight/core/events.def"
#undef LOGGED
#undef EPHEMERAL
	EVENT_TYPE_COUNT
};

const char *event_type_text(enum event_type t);
bool event_type_parse(struct slice text, enum event_type *t);
const char *event_type_all(void); /* "task_update, job_update, …" for messages */

/* Times are wall-clock milliseconds; 0 means "not yet".  A row owns its strings unless stated
 * otherwise. */
struct job_row {
	int64_t key; /* the store's number of the job, in order of creation; 0: not stored yet */
	char id[ID_MAX + 1];
	char epoch[EPOCH_LEN + 1];
	char *title;
	char *metadata; /* JSON object, minified */
	enum job_status status;
	uint64_t seq;   /* of the last event */
	uint64_t first; /* of the first event still in the log; 1 unless pruned */
	uint32_t tasks; /* number of tasks */
	uint32_t deliverables;
	int64_t silence_ms; /* silence limit of its tasks that have none of their own; 0: none */
	int64_t created, updated, ended;
	int64_t imported;              /* when it was imported; 0: it was made here */
	uint64_t bytes;                /* of all its events */
	uint64_t pruned;               /* of those that are no longer in the log */
	char creator[CREATOR_MAX + 1]; /* the access key that created it; "": none */
};

/* How far a job is. */
struct job_head {
	char job_id[ID_MAX + 1];
	char epoch[EPOCH_LEN + 1];
	uint64_t seq;
	enum job_status status;
};

struct task_row {
	char id[ID_MAX + 1];
	char *title;
	char *note; /* NULL: none */
	enum task_status status;
	double progress;    /* NAN: none */
	int64_t attempt;    /* -1: none */
	int64_t silence_ms; /* silence limit while it is in progress; 0: none, -1: the job's */
	bool stalled;       /* it was silent for longer than its limit */
	int64_t stall_at;   /* when it becomes stalled, in steady time; 0: never */
	uint32_t position;  /* 0, 1, … in order of creation */
	int64_t created, updated, started, ended;
};

/* 50 bits of entropy make an epoch; `entropy` has EPOCH_LEN bytes. */
void epoch_format(const uint8_t *entropy, char epoch[EPOCH_LEN + 1]);

struct deliverable_row {
	char id[ID_MAX + 1];
	char *title;
	char *url;        /* NULL: none */
	char *media_type; /* NULL: none */
	int64_t created;
};

/* Since when the time that an ended job or its log is kept counts. */
static inline int64_t job_kept_since(const struct job_row *row)
{
	return row->ended > row->imported ? row->ended : row->imported;
}

#define DAY_MS (INT64_C(24) * 3600 * 1000)

/* A job on a day on which it changed; the row outlives the job.  Counts are as of the day's end. */
struct job_day_row {
	int64_t day; /* days since 1970-01-01, UTC */
	int64_t job; /* its key */
	char id[ID_MAX + 1];
	enum job_status status;
	int64_t created, ended;
	uint64_t events, bytes;
	uint32_t tasks, completed, failed, cancelled, deliverables;
};

/* The tasks of a job by status, and their progress. */
struct task_counts {
	uint32_t total, completed, failed, in_progress;
	uint32_t cancelled;
	double done; /* sum over all tasks: 100 for a completed or failed one, 0 for a cancelled
	                one, otherwise its progress */
};

/* 0 to 100 in hundredths.  It is 100 only when nothing is left to do; cancelled tasks do not
 * count. */
double task_counts_progress(const struct task_counts *c);

/* The status, and the times that depend on it. */
void task_row_set_status(struct task_row *row, enum task_status status, int64_t time);

void job_row_finish(struct job_row *row);
void task_row_finish(struct task_row *row);
void deliverable_row_finish(struct deliverable_row *row);

#endif
