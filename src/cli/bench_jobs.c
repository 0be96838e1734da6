/* The jobs of the bench, which it ends. */
#include "bench.h"

bool bench_create_jobs(struct bench *b)
{
	bool created = true;

	for (unsigned i = 0; i < b->options.jobs && created && !b->probe->stopped; i++) {
		struct exchange *x = probe_job_create(b->probe, &b->jobs[i].made, "bench");
		created = b->jobs[i].made.created;
		if (!created)
			bench_fault_of(b, "a new job", x);
		exchange_free(x);
	}
	return b->jobs[b->options.jobs - 1].made.created;
}

void bench_end_jobs(struct bench *b)
{
	for (unsigned i = 0; i < b->options.jobs; i++)
		probe_job_end(b->probe, &b->jobs[i].made, b->rights);
}
