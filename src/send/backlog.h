/*
 * The bodies that wait to be sent, in their order, and when the first one is to be tried.  The
 * caller tells the time, in monotonic milliseconds, so that tests can.  One thread.
 *
 * A body that failed is tried again after a pause that doubles, with a random part, or after the
 * one that the receiver asks for, until it is BACKLOG_KEEP_MS old.
 */
#ifndef JOBLIGHT_SEND_BACKLOG_H
#define JOBLIGHT_SEND_BACKLOG_H

#include <stdbool.h>

#include "joblight/base/buf.h"

#define BACKLOG_BODIES 16
#define BACKLOG_BYTES (4 * 1024 * 1024)
#define BACKLOG_KEEP_MS 120000
#define BACKLOG_PAUSE_MS 1000      /* after the first failure */
#define BACKLOG_PAUSE_MAX_MS 30000 /* also of what the receiver asks for */

struct backlog {
	struct backlog_body {
		struct buf bytes;
		uint32_t items;
		uint64_t came;
	} bodies[BACKLOG_BODIES]; /* a ring */
	unsigned first, count;
	size_t bytes;
	unsigned failures; /* in a row */
	uint64_t due;      /* when the first one may be tried */
};

bool backlog_has_room(const struct backlog *b);
/* Takes the buffer.  There is room. */
void backlog_add(struct backlog *b, struct buf *bytes, uint32_t items, uint64_t now);
/* The body to try now, or NULL. */
const struct backlog_body *backlog_next(const struct backlog *b, uint64_t now);
/* How long until there is one to try; UINT64_MAX: none waits. */
uint64_t backlog_wait_ms(const struct backlog *b, uint64_t now);
/* Removes the first one, which was sent, or never will be. */
void backlog_drop(struct backlog *b);
/* The attempt worked, or what failed lay in the body: the next one is tried at once. */
void backlog_done(struct backlog *b);
/*
 * The attempt failed.  `asked_ms`: how long the receiver asks to wait, 0 if it does not.  `random`
 * is any number.
 */
void backlog_failed(struct backlog *b, uint64_t now, uint64_t asked_ms, uint64_t random);
/* Whether the first one is too old to be tried once more. */
bool backlog_is_old(const struct backlog *b, uint64_t now);
void backlog_finish(struct backlog *b);

#endif
