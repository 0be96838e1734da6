/*
 * The questions one can ask of the store, whichever transport asks, and their answers.
 *
 * read_run() is run by a reader thread on a reading session, in one consistent snapshot of the
 * database. Results are immutable and shared by reference count: equal questions in flight are
 * asked once.
 */
#ifndef JOBLIGHT_CORE_QUERY_H
#define JOBLIGHT_CORE_QUERY_H

#include <stdatomic.h>

#include "joblight/base/mailbox.h"
#include "joblight/core/cursor.h"
#include "joblight/core/limits.h"
#include "joblight/core/outcome.h"
#include "joblight/core/store.h"

enum read_kind {
	READ_RESUME,       /* go on from `position`: events behind it, or a snapshot */
	READ_HEAD,         /* the job's row alone: its title, status, epoch and head */
	READ_JOB,          /* the snapshot */
	READ_JOBS,         /* {"jobs":[…],"nextPageToken"?} */
	READ_TASKS,        /* "tasks":[…], a part of the snapshot */
	READ_DELIVERABLES, /* "deliverables":[…], likewise */
	READ_ACTIVITY,     /* {"activity":[…],"nextAfter"?} */
};

struct read_query {
	enum read_kind kind;
	char job_id[ID_MAX + 1];
	struct position position; /* RESUME */
	uint64_t from;            /* ACTIVITY: seq, exclusive; UINT64_MAX from the end */
	bool descending;          /* ACTIVITY */
	int status;               /* JOBS: -1 any */
	int64_t below;            /* JOBS: 0 from the newest */
	size_t limit;             /* rows or events */
	size_t bytes; /* of events or rows; at least one of them comes.  0: no limit (JOBS,
	                 ACTIVITY) */
};

/* A part of a text. */
struct part {
	size_t at, len;
};

/*
 * A job with its tasks and deliverables as JSON, at one of its events.  Immutable, shared by
 * reference count: every answer that carries it holds the same piece of memory, whatever was asked.
 * Any thread.
 */
struct snapshot {
	atomic_uint references;
	char job_id[ID_MAX + 1], epoch[EPOCH_LEN + 1];
	uint64_t seq;
	struct buf text;
	size_t rows_at;                  /* in it: the tasks and deliverables stand behind this */
	struct part tasks, deliverables; /* in it: each with its name and brackets */
	void (*unused)(
	    struct snapshot *s); /* frees it after the last release; NULL: snapshot_free() does */
	void *cache;             /* of unused() */
};

struct snapshot *snapshot_create(const struct job_row *job);
bool snapshot_hold(
    struct snapshot *s); /* false: the last reference is gone, and soon the snapshot */
void snapshot_release(struct snapshot *s); /* NULL is fine */
void snapshot_free(struct snapshot *s);

/* Where snapshots and figures of jobs are found again.  Its functions are called by the thread that
 * reads. */
struct snapshot_source {
	/* The snapshot of the job at exactly this event, held for the caller; NULL: none is known.
	 */
	struct snapshot *(*find)(struct snapshot_source *s, const struct job_row *job);
	/* False: too much memory is in snapshots, so that no other one may be made now. */
	bool (*has_room)(struct snapshot_source *s);
	void (*add)(struct snapshot_source *s,
	            struct snapshot *made); /* the reference stays the caller's */
	/* The figures of the job's tasks at exactly this event.  False: they are not known. */
	bool (*find_counts)(struct snapshot_source *s, const struct job_row *job,
	                    struct task_counts *counts);
	void (*add_counts)(struct snapshot_source *s, const struct job_row *job,
	                   const struct task_counts *counts);
};

struct read_event {
	uint64_t seq;
	enum event_type type;
	size_t at, len; /* in the result's text */
};

/* One job of a list. */
struct read_row {
	size_t id_at, id_len; /* in the result's text */
	size_t end;           /* of its closing brace: more members may be written before it */
};

struct read_result {
	atomic_uint references;
	struct problem problem; /* OK, NOT_FOUND, STORAGE_UNAVAILABLE, … */
	/* of the job, unless the kind is JOBS */
	char epoch[EPOCH_LEN + 1];
	char *title;
	enum job_status status;
	uint64_t head;
	/* RESUME */
	enum resume resume;
	enum reset_reason reason;
	bool
	    deleted; /* NOT_FOUND: the job in which the position is was deleted, and not long ago */
	uint64_t start; /* EXACT: the position that `events` follow (a time was turned into one) */
	struct read_event *events;
	size_t event_count;
	struct buf text;       /* the JSON of the answer, or of the events */
	struct read_row *rows; /* JOBS */
	size_t row_count;
	/* instead of text: of JOB, TASKS, DELIVERABLES, and of RESUME unless EXACT.  A reference */
	struct snapshot *snapshot;
	struct part part; /* of the snapshot, which the answer is; of length 0: all of it */
};

/* A question on its way to a reader thread and back.  Owned by whoever holds it. */
struct read_request {
	struct mail mail;
	struct read_query query;
	void *loop;     /* who asked; net's */
	uint64_t asker; /* and on which connection; net's.  0: none in particular */
	atomic_bool
	    gone; /* nobody waits for the answer: it is not read unless it is being read already */
	void (*done)(struct read_request *r); /* called in the asker's thread; takes the request */
	struct read_result *result;           /* one reference, of the request */
};

bool read_query_equal(const struct read_query *a, const struct read_query *b);
uint64_t read_query_hash(const struct read_query *q);

struct read_result *read_result_create(void);
void read_result_hold(struct read_result *r);
void read_result_release(struct read_result *r); /* NULL is fine */

/* The JSON of the answer, in one piece. */
static inline struct slice read_result_json(const struct read_result *r)
{
	struct slice all = buf_as_slice(r->snapshot ? &r->snapshot->text : &r->text);

	return r->part.len ? (struct slice){ all.ptr + r->part.at, r->part.len } : all;
}

static inline struct slice read_event_json(const struct read_result *r, const struct read_event *e)
{
	return (struct slice){ r->text.ptr + e->at, e->len };
}

/*
 * Answers the question into a fresh result.  A store that fails makes a 503.  `source` NULL: every
 * snapshot is made anew.
 */
void read_run(struct store *store, struct snapshot_source *source, const struct read_query *q,
              struct read_result *result);

#endif
