/*
 * The queries of the store, the same for all transports, and their results.
 *
 * read_run() is called by a reader thread with a reading session, and reads one consistent
 * snapshot of the database.  Results are immutable and shared by reference count, and equal queries
 * in flight are run once.
 */
#ifndef JOBLIGHT_CORE_QUERY_H
#define JOBLIGHT_CORE_QUERY_H

#include <stdatomic.h>

#include "joblight/base/mailbox.h"
#include "joblight/core/cursor.h"
#include "joblight/core/job_export.h"
#include "joblight/core/limits.h"
#include "joblight/core/outcome.h"
#include "joblight/core/store.h"

enum read_kind {
	READ_RESUME,       /* continue after `position`: the events after it, or a snapshot */
	READ_HEAD,         /* only the job's title, status, epoch and head */
	READ_JOB,          /* the snapshot */
	READ_JOBS,         /* {"jobs":[…],"nextPageToken"?} */
	READ_TASKS,        /* "tasks":[…], a part of the snapshot */
	READ_DELIVERABLES, /* "deliverables":[…], likewise */
	READ_ACTIVITY,     /* {"activity":[…],"nextAfter"?} */
	READ_EXPORT,       /* a page of the export, from `export` on */
	READ_HEADS,        /* where the jobs of `ids` are */
	READ_KEYS,         /* the keyring, unless it has the version `from` */
	READ_TICKET,       /* whether the ticket with the id `job_id` was used: OK or NOT_FOUND */
	READ_KIND_COUNT
};

struct credential;
struct keyring;

struct read_query {
	enum read_kind kind;
	char job_id[ID_MAX + 1];
	struct position position; /* RESUME */
	/* ACTIVITY: seq, exclusive; UINT64_MAX from the end.  KEYS: the known version, or 0 */
	uint64_t from;
	bool descending;         /* ACTIVITY */
	int status;              /* JOBS: -1 any */
	int64_t below;           /* JOBS: 0 from the newest */
	struct export_at export; /* EXPORT */
	size_t limit;            /* rows or events */
	size_t bytes; /* of events or rows, but always at least one of them; 0: no limit (JOBS,
	                 ACTIVITY) */
	struct credential *viewer; /* JOBS: lists what it covers, after job_id if that is set; NULL:
	                              all.  Borrowed */
	const char (*ids)[ID_MAX + 1]; /* HEADS.  Borrowed */
	size_t id_count;
	struct credential *first_key; /* KEYS: of keyring_load().  Borrowed */
};

/* A range of a text. */
struct part {
	size_t at, len;
};

/* A job with its tasks and deliverables as JSON, at one of its events.  It is immutable and
 * shared by reference count: all answers that carry it use the same memory.  Any thread. */
struct snapshot {
	atomic_uint references;
	char job_id[ID_MAX + 1], epoch[EPOCH_LEN + 1];
	uint64_t seq;
	struct buf text;
	size_t rows_at;                  /* offset in `text` of the tasks and deliverables */
	struct part tasks, deliverables; /* in `text`: each with its name and brackets */
	/* called after the last release; NULL: snapshot_free() */
	void (*unused)(struct snapshot *s);
	void *cache; /* of unused() */
};

struct snapshot *snapshot_create(const struct job_row *job);
bool snapshot_hold(struct snapshot *s); /* false: the last reference was released, and the snapshot
                                           will be freed */
void snapshot_release(struct snapshot *s); /* NULL is ignored */
void snapshot_free(struct snapshot *s);

/* A cache of snapshots and task counts.  Its functions are called by the reading thread. */
struct snapshot_source {
	/* The snapshot of the job at exactly this event, with a reference for the caller; NULL: not
	 * cached. */
	struct snapshot *(*find)(struct snapshot_source *s, const struct job_row *job);
	/* False: snapshots use too much memory, so no other one may be made now. */
	bool (*has_room)(struct snapshot_source *s);
	/* the caller keeps its reference */
	void (*add)(struct snapshot_source *s, struct snapshot *made);
	/* The task counts of the job at exactly this event.  False: not cached. */
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
	size_t end; /* offset of its closing brace, before which members can be inserted */
};

struct read_result {
	atomic_uint references;
	struct problem problem; /* OK, NOT_FOUND, STORAGE_UNAVAILABLE, … */
	/* of the job, except for JOBS, EXPORT, HEADS, KEYS and TICKET */
	char epoch[EPOCH_LEN + 1];
	char *title;
	enum job_status status;
	uint64_t head;
	/* RESUME */
	enum resume resume;
	enum reset_reason reason;
	bool deleted;   /* NOT_FOUND: the position belongs to a job that was deleted recently */
	uint64_t start; /* EXACT: the seq before `events`, also when the position was a time */
	struct read_event *events;
	size_t event_count;
	struct buf text;         /* the JSON of the answer, or of the events */
	struct export_at export; /* EXPORT: where it goes on */
	struct read_row *rows;   /* JOBS */
	size_t row_count;
	struct job_head *heads; /* HEADS: of those that there are */
	size_t head_count;
	struct keyring *keyring; /* KEYS; a reference.  NULL: it is known */
	/* instead of `text` for JOB, TASKS, DELIVERABLES, and for RESUME unless EXACT; a reference
	 */
	struct snapshot *snapshot;
	struct part part; /* the part of the snapshot that is the answer; of length 0: all of it */
};

/* A query on its way to a reader thread and back.  Its holder owns it. */
struct read_request {
	struct mail mail;
	struct read_query query;
	void *loop;            /* the loop that asked; set by net */
	uint64_t asker;        /* the connection that asked; set by net; 0: none */
	uint64_t submitted_us; /* monotonic; set by the reader */
	/* the answer is no longer needed: the query is not run if it has not begun */
	atomic_bool gone;
	/* called in the thread of the loop that asked; takes the request */
	void (*done)(struct read_request *r);
	struct read_result *result; /* a reference that the request owns */
};

bool read_query_equal(const struct read_query *a, const struct read_query *b);
uint64_t read_query_hash(const struct read_query *q);

struct read_result *read_result_create(void);
void read_result_hold(struct read_result *r);
void read_result_release(struct read_result *r); /* NULL is ignored */

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

/* Runs the query and fills a new result.  A failing store makes a 503.  `source` may be NULL: no
 * cache. */
void read_run(struct store *store, struct snapshot_source *source, const struct read_query *q,
              struct read_result *result);

#endif
