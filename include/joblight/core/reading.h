/*
 * The questions one can ask of the store, whichever transport asks, and their answers.
 *
 * read_run() is run by a reader thread on a reading session, in one consistent snapshot of the database.
 * Results are immutable and shared by reference count: equal questions in flight are asked once.
 */
#ifndef JOBLIGHT_CORE_READING_H
#define JOBLIGHT_CORE_READING_H

#include <stdatomic.h>

#include "joblight/base/mailbox.h"
#include "joblight/core/cursor.h"
#include "joblight/core/limits.h"
#include "joblight/core/outcome.h"
#include "joblight/core/store.h"

enum read_kind {
	READ_RESUME,       /* go on from `position`: events behind it, or a snapshot */
	READ_JOB,          /* the snapshot */
	READ_JOBS,         /* {"jobs":[…],"nextPageToken"?} */
	READ_TASKS,        /* {"tasks":[…]} */
	READ_DELIVERABLES, /* {"deliverables":[…]} */
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
	size_t bytes;             /* of events; at least one event comes */
};

struct read_event {
	uint64_t seq;
	enum event_type type;
	size_t at, len; /* in the result's text */
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
	uint64_t start; /* EXACT: the position that `events` follow (a time was turned into one) */
	struct read_event *events;
	size_t event_count;
	struct buf text; /* the JSON of the answer; for RESUME the snapshot unless EXACT, else the events */
};

/* A question on its way to a reader thread and back.  Owned by whoever holds it. */
struct read_request {
	struct mail mail;
	struct read_query query;
	void *loop; /* who asked; net's */
	void (*done)(struct read_request *r); /* called in the asker's thread; takes the request */
	struct read_result *result;           /* one reference, of the request */
};

bool read_query_equal(const struct read_query *a, const struct read_query *b);
uint64_t read_query_hash(const struct read_query *q);

struct read_result *read_result_create(void);
void read_result_hold(struct read_result *r);
void read_result_release(struct read_result *r); /* NULL is fine */

static inline struct slice read_event_json(const struct read_result *r, const struct read_event *e)
{
	return (struct slice){ r->text.ptr + e->at, e->len };
}

/* Answers the question into a fresh result.  A store that fails makes a 503. */
void read_run(struct store *store, const struct read_query *q, struct read_result *result);

#endif
