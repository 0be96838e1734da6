/*
 * Rights over jobs.  Jobs are named by patterns of their ids.
 */
#ifndef JOBLIGHT_CORE_RIGHT_H
#define JOBLIGHT_CORE_RIGHT_H

#include "joblight/base/buf.h"
#include "joblight/core/access_key.h"

/* Bits.  What a row of routes.def or messages.def needs is any one of some rights. */
enum right {
	RIGHT_NONE = 0,
	RIGHT_WATCH = 1,   /* reads jobs */
	RIGHT_REPORT = 2,  /* writes tasks, deliverables and presence */
	RIGHT_CREATE = 4,  /* creates jobs, and ends them */
	RIGHT_CONTROL = 8, /* changes jobs, and sends commands */
	RIGHT_ADMIN = 16,  /* deletes jobs, and manages keys */
	RIGHT_ALL = 31,
};

/* One right by its name in lower case. */
bool right_parse(struct slice name, enum right *right);
const char *right_names(void); /* "watch, report, …" for messages */
/* The names of these rights, as elements of a JSON array. */
void right_encode(struct buf *out, enum right rights);
/* The names of these rights, separated by " or ". */
void right_describe(struct buf *out, enum right rights);

/* The members of a key as JSON, without the secret and without braces. */
void access_key_encode(struct buf *out, const struct access_key_row *row);

/* A pattern of job ids: the characters of an id, and stars that stand for any characters. */
bool job_pattern_valid(struct slice pattern);

/* Whether one of its patterns matches the id; "*" stands for all jobs. */
bool access_key_covers(const struct access_key_row *row, const char *job_id);

#endif
