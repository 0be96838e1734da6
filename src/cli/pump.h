/*
 * Carries the output of a command to where it belongs, in a thread of its own: what is read is
 * written before anything more is read, so the order stays, and a reader that is slow slows the
 * command down as it would without the pump.  It tells a visitor what passes.
 */
#ifndef JOBLIGHT_CLI_PUMP_H
#define JOBLIGHT_CLI_PUMP_H

#include <stdbool.h>

#include "drain.h"
#include "joblight/base/slice.h"

struct pump;

struct pump_visitor {
	/* In the thread of the pump. */
	void (*passed)(void *context, int course, struct slice bytes);
	void (*paused)(void *context);             /* there is nothing more at the moment */
	void (*broken)(void *context, int course); /* nobody takes this output any more */
	void *context;
};

/* The courses are copied; the pump closes `from`.  NULL: there can be no thread. */
struct pump *pump_start(const struct course courses[COURSES_MAX],
                        const struct pump_visitor *visitor);
/* The command has ended: the pump carries what it has written, and ends. */
void pump_command_ended(struct pump *p);
/* Readable when the pump has ended.  Owned by the pump. */
int pump_done_fd(const struct pump *p);
/* The process is about to end without waiting for it. */
void pump_abandon(struct pump *p);
/* After it has ended.  Returns whether all outputs have been closed by those who write into them.
 */
bool pump_free(struct pump *p);

#endif
