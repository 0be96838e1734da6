/*
 * Rights, and the credentials that carry them.  A credential has some rights over some jobs, which
 * are named by patterns of their ids.
 *
 * A credential is immutable and shared by reference count, in any thread.
 */
#ifndef JOBLIGHT_CORE_RIGHT_H
#define JOBLIGHT_CORE_RIGHT_H

#include <stdatomic.h>

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

struct credential {
	atomic_uint references;
	struct access_key_row key;
};

/* Takes the row. */
struct credential *credential_create(struct access_key_row *key);
struct credential *credential_hold(struct credential *c); /* NULL is ignored */
void credential_release(struct credential *c);            /* NULL is ignored */

static inline enum right credential_rights(const struct credential *c)
{
	return (enum right)c->key.rights;
}

/* What people call it: its name, or its id when it has none. */
static inline const char *credential_name(const struct credential *c)
{
	return c->key.name[0] ? c->key.name : c->key.id;
}

/* Whether one of its patterns matches the id; "*" stands for all jobs. */
bool access_key_covers(const struct access_key_row *row, const char *job_id);

static inline bool credential_covers(const struct credential *c, const char *job_id)
{
	return access_key_covers(&c->key, job_id);
}

/* Whether it has expired or was revoked.  `wall_ms`: Unix milliseconds. */
bool credential_is_over(const struct credential *c, int64_t wall_ms);

#endif
