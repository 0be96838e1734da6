/* A job of a verb that measures, and nobody else's. */
#ifndef JOBLIGHT_CLI_PROBE_JOB_H
#define JOBLIGHT_CLI_PROBE_JOB_H

#include "joblight/core/right.h"
#include "probe.h"

#define PROBE_JOB_LEN 31

struct probe_job {
	char id[PROBE_JOB_LEN + 1]; /* "" before probe_job_create() */
	bool created;
	bool doubtful; /* it may have been created */
};

/* Makes a job named after the verb.  The caller frees the exchange, which says why it is not
 * created. */
struct exchange *probe_job_create(struct probe *p, struct probe_job *job, const char *verb);
/* Removes it if the key may, otherwise completes it; if it cannot, a message on stderr says so. */
void probe_job_end(struct probe *p, const struct probe_job *job, enum right rights);

#endif
