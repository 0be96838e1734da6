#include "probe_job.h"

#include <stdio.h>

#include "joblight/base/random.h"

struct exchange *probe_job_create(struct probe *p, struct probe_job *job, const char *verb)
{
	struct buf json = { 0 };

	snprintf(job->id, sizeof(job->id), "%s-%016llx", verb, (unsigned long long)random_u64());
	buf_format(&json, "{\"id\":\"%s\",\"title\":\"joblight %s\",\"status\":\"in_progress\"}",
	           job->id, verb);
	struct exchange *x = probe_ask(p, "POST", "/api/jobs", buf_string(&json));
	job->created = x->status == 201;
	job->doubtful = !x->status;
	buf_finish(&json);
	return x;
}

void probe_job_end(struct probe *p, const struct probe_job *job, enum right rights)
{
	bool removes = rights & RIGHT_ADMIN;
	char path[64];

	if (!job->created && !job->doubtful)
		return;
	snprintf(path, sizeof(path), "/api/jobs/%s", job->id);
	struct exchange *x = probe_ask(p, removes ? "DELETE" : "PATCH", path,
	                               removes ? NULL : "{\"status\":\"completed\"}");
	if (x->status != 204 && x->status != 200 && x->status != 404)
		fprintf(stderr, "joblight: the job %s could not be ended\n", job->id);
	exchange_free(x);
}
