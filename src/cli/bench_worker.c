/* The workers of the bench: each one sends an update when its last one was answered, and is due. */
#include <stdio.h>

#include "answer.h"
#include "bench.h"
#include "joblight/base/clock.h"

#define SECOND_US 1000000
#define REFUSED_PAUSE_US 100000 /* after a refusal */
#define IDLE_MS 50

static void take_answer(struct bench_worker *w, const struct exchange *x)
{
	struct bench *b = w->bench;
	cJSON *root = answer_parse(buf_as_slice(&x->body));
	double seq = answer_number(root, "seq", 0);

	if (seq > (double)w->job->seq)
		w->job->seq = (uint64_t)seq;
	cJSON_Delete(root);
	if (!b->counts)
		return;
	b->updates++;
	histogram_add(&b->answered, x->done_us - x->began_us);
}

static void answered(struct exchange *x)
{
	struct bench_worker *w = x->context;

	w->busy = false;
	if (x->status == 200) {
		take_answer(w, x);
		return;
	}
	w->bench->refused++;
	bench_fault_of(w->bench, "an update", x);
	w->next_us = clock_monotonic_us() + REFUSED_PAUSE_US;
}

static void send_update(struct bench_worker *w, uint64_t now)
{
	struct request_of_probe r = { .method = "POST", .path = w->path };

	snprintf(w->body, sizeof(w->body),
	         "{\"taskId\":\"t%u\",\"status\":\"in_progress\",\"note\":\"%llu\"}", w->number,
	         (unsigned long long)now);
	r.body = slice_of(w->body);
	w->busy = true;
	if (w->update) {
		exchange_repeat(w->update, r.body);
		return;
	}
	w->update = exchange_begin(w->bench->probe, &r);
	w->update->context = w;
	w->update->finished = answered;
}

void bench_open_workers(struct bench *b)
{
	uint64_t now = clock_monotonic_us();

	for (unsigned i = 0; i < b->options.workers; i++) {
		struct bench_worker *w = &b->workers[i];
		w->bench = b;
		w->number = i;
		w->job = &b->jobs[i % b->options.jobs];
		snprintf(w->path, sizeof(w->path), "/api/agent-hooks/task-update/%s",
		         w->job->made.id);
		/* spread over the first period */
		w->next_us = b->options.rate ? now + (uint64_t)i * SECOND_US / b->options.rate
		                             : now;
	}
}

/* A worker that is late because the server is slow does not catch up: that would be another load.
 */
static void set_next(const struct bench *b, struct bench_worker *w, uint64_t now)
{
	uint64_t period = b->options.rate
	                      ? (uint64_t)b->options.workers * SECOND_US / b->options.rate
	                      : 0;

	w->next_us = w->next_us + period > now ? w->next_us + period : now;
}

unsigned bench_work(struct bench *b)
{
	uint64_t now = clock_monotonic_us(), first = now + IDLE_MS * 1000;

	for (unsigned i = 0; i < b->options.workers; i++) {
		struct bench_worker *w = &b->workers[i];
		if (!w->busy && w->next_us <= now) {
			set_next(b, w, now);
			send_update(w, now);
		}
		if (!w->busy && w->next_us < first)
			first = w->next_us;
	}
	return first > now ? (unsigned)((first - now + 999) / 1000) : 0;
}

bool bench_is_busy(const struct bench *b)
{
	for (unsigned i = 0; i < b->options.workers; i++)
		if (b->workers[i].busy)
			return true;
	return false;
}

void bench_close_workers(struct bench *b)
{
	for (unsigned i = 0; i < b->options.workers; i++)
		exchange_free(b->workers[i].update);
}
