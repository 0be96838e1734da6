/* How long a task may be silent, and what happens when it was silent for longer.  Private to the
 * engine. */
#ifndef JOBLIGHT_CORE_SILENCE_H
#define JOBLIGHT_CORE_SILENCE_H

#include "engine_internal.h"

/* The task was reported: it may be silent again for as long as it or its job allows. */
void silence_restart(const struct engine *e, const struct job_state *job, struct task_row *row);

/*
 * The job's limit was changed; `before` is the old one.  The new one applies at once to the tasks
 * that are in progress and have no limit of their own.  False: the store failed.
 */
bool silence_limit_changed(struct engine *e, struct job_state *job, int64_t before);

#endif
