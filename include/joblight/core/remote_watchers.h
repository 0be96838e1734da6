/* How many watchers a job has on the other loops (and nodes), as far as they told.  One thread. */
#ifndef JOBLIGHT_CORE_REMOTE_WATCHERS_H
#define JOBLIGHT_CORE_REMOTE_WATCHERS_H

#include <stddef.h>

struct audience;

struct audience *audience_create(void);
void audience_free(struct audience *a);

/* `who` has `count` watchers of the job from now on. */
void audience_set(struct audience *a, const char *job_id, unsigned who, unsigned count);
unsigned audience_total(const struct audience *a, const char *job_id);

#endif
