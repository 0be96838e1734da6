/* A position in a job's log: `<epoch>.<seq>`, opaque to clients. */
#ifndef JOBLIGHT_CORE_CURSOR_H
#define JOBLIGHT_CORE_CURSOR_H

#include "joblight/base/buf.h"
#include "joblight/core/model.h"

#define CURSOR_MAX (EPOCH_LEN + 1 + 20)

enum position_kind {
	POSITION_NONE,    /* the client has nothing yet */
	POSITION_CURSOR,  /* the client has processed everything up to seq of epoch */
	POSITION_TIME,    /* the client wants the events from this time on */
	POSITION_INVALID, /* the text could not be parsed */
};

struct position {
	enum position_kind kind;
	char epoch[EPOCH_LEN + 1];
	uint64_t seq;
	int64_t time;
};

/* Never fails: a text that cannot be parsed is POSITION_INVALID, and an empty one is
 * POSITION_NONE. */
struct position position_parse(struct slice text);
/* The same, but RFC 3339 times and Unix milliseconds are accepted too.  Polling uses it. */
struct position position_parse_time(struct slice text);

void cursor_add(struct buf *out, const char *epoch, uint64_t seq);

/* How a client's position continues in a log that holds first..head of epoch. */
enum resume { RESUME_FRESH, RESUME_EXACT, RESUME_RESET };
enum reset_reason { RESET_NONE, RESET_PRUNED, RESET_EPOCH, RESET_FUTURE, RESET_INVALID };

const char *resume_text(enum resume r);
const char *reset_reason_text(enum reset_reason r); /* NULL for RESET_NONE */

/* `p` is of any kind except POSITION_TIME. */
enum resume position_resume(const struct position *p, const char *epoch, uint64_t first,
                            uint64_t head, enum reset_reason *reason);

#endif
