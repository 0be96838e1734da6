/* The request of a publisher. It is prepared once; then only the counters, times, key and job are
 * changed in place. */
#ifndef BENCH_REQUEST_H
#define BENCH_REQUEST_H

#include <stdint.h>

struct load;
struct stamp;

struct request {
	char *text;
	uint32_t len;
	uint32_t batch;
	uint32_t key_at;       /* offset of the counter in the Idempotency-Key or the
	                          message's id; 0 = none */
	uint32_t job_at;       /* offset of the job's number, for publishers that walk; 0 =
	                          they stay */
	uint32_t stamp_at;     /* offset of the first update's stamp */
	uint32_t stamp_stride; /* from one update of a batch to the next */
};

void request_init(struct request *request, const struct load *load, uint32_t publisher);
void request_finish(struct request *request);

/* Gives the updates of the batch the counters from stamp->counter on. */
void request_stamp(struct request *request, const struct stamp *stamp);

/* Creates the jobs of the run, with a task for each publisher, because some servers only update.
 * Exits when the server refuses. */
void request_create_jobs(const struct load *load);

#endif
