/*
 * The key or token that the last request of a connection has shown, and the credential it stands
 * for, so that a kept connection costs one look-up.  `{0}` is valid and empty.  One loop's thread.
 */
#ifndef JOBLIGHT_NET_SHOWN_H
#define JOBLIGHT_NET_SHOWN_H

#include "joblight/base/buf.h"
#include "joblight/core/credential.h"

struct shown {
	struct buf text;               /* erased before it is freed */
	struct credential *credential; /* held; NULL: nothing is kept */
	uint64_t generation;           /* of the keys that it was found with */
};

/*
 * The credential, if `text` is what was shown last and `generation` is that of the keys then.  The
 * time it takes does not tell how much of the text is right, because a proxy may send the requests
 * of several clients on one connection.  The caller gets a reference.
 */
struct credential *shown_find(const struct shown *s, struct slice text, uint64_t generation,
                              int64_t wall_ms);
/* Keeps a copy of the text, and holds the credential. */
void shown_keep(struct shown *s, struct slice text, uint64_t generation,
                struct credential *credential);
void shown_forget(struct shown *s);

#endif
