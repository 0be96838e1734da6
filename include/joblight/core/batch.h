/* The events that one transaction committed, in the order of their commit.  A batch is filled by
 * the store thread, or by the thread of the bus with those of other nodes.  After that it is
 * immutable, and all loops share it by reference count. */
#ifndef JOBLIGHT_CORE_BATCH_H
#define JOBLIGHT_CORE_BATCH_H

#include <stdatomic.h>

#include "joblight/base/buf.h"
#include "joblight/core/model.h"

struct event {
	char job_id[ID_MAX + 1];
	char epoch[EPOCH_LEN + 1];
	uint64_t seq;
	enum event_type type;
	enum job_status job_status; /* the job's status after it */
	bool deleted; /* not a logged event: the job was deleted, and its streams end */
	/* not an event either: the job is at `seq` by now, as the database or another node says;
	 * without an epoch: it is not in the database */
	bool is_head;
	size_t json_at, json_len;   /* in the batch's text */
	size_t title_at, title_len; /* the job's title, in job_update events only */
};

struct keyring;

struct batch {
	atomic_uint references;
	struct event *events;
	size_t count, cap;
	struct buf text;
	/* microseconds of the monotonic clock: the commit, and the arrival of its oldest op; of
	 * another node: both are its arrival here */
	uint64_t committed_us, submitted_us;
	bool keys_changed;       /* access keys were made, or keys or tokens revoked */
	struct keyring *keyring; /* with them; NULL: not changed */
};

struct batch *batch_create(void); /* with one reference */
void batch_hold(struct batch *b);
void batch_release(struct batch *b); /* the last release frees it; NULL is ignored */

/* Appends a zeroed event, which is valid until the next one is added.  Only while the batch is
 * filled. */
struct event *batch_add(struct batch *b);

static inline struct slice event_json(const struct batch *b, const struct event *e)
{
	return (struct slice){ b->text.ptr + e->json_at, e->json_len };
}

static inline struct slice event_title(const struct batch *b, const struct event *e)
{
	return (struct slice){ b->text.ptr + e->title_at, e->title_len };
}

#endif
