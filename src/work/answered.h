/*
 * The last writes that were answered with success.  When the file of the database is gone, they may
 * have gone with it, and the log names them.
 *
 * One thread.
 */
#ifndef JOBLIGHT_WORK_ANSWERED_H
#define JOBLIGHT_WORK_ANSWERED_H

#include "joblight/core/op.h"

#define ANSWERED_COUNT 64

/* `{0}` is valid. */
struct answered {
	struct answered_write {
		char job_id[ID_MAX + 1];
		uint64_t seq, at;
	} writes[ANSWERED_COUNT]; /* a ring */
	size_t next;
	bool logged; /* since the store broke */
};

/* The ops, linked by op->mail, are about to be answered. */
void answered_add(struct answered *a, const struct op *ops);

/* Logs the last ones, unless they are logged already. */
void answered_log(struct answered *a);

#endif
