/* The numbers of watchers that jobs have on the other loops (and nodes), as these announced
 * them.  One thread. */
#ifndef JOBLIGHT_CORE_REMOTE_WATCHERS_H
#define JOBLIGHT_CORE_REMOTE_WATCHERS_H

#include <stddef.h>

struct remote_watchers;

struct remote_watchers *remote_watchers_create(void);
void remote_watchers_free(struct remote_watchers *a);

/* The loop `loop` has `count` watchers of the job now. */
void remote_watchers_set(struct remote_watchers *a, const char *job_id, unsigned loop,
                         unsigned count);
unsigned remote_watchers_total(const struct remote_watchers *a, const char *job_id);

#endif
