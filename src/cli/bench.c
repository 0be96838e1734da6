/*
 * `joblight bench`: watchers and workers on jobs of its own, for some seconds, from one process.
 * What it costs here is told with the figures, because a client that is busy measures itself.
 */
#include "bench.h"

#include <stdlib.h>

#include "bench_limits.h"
#include "joblight/base/clock.h"
#include "joblight/base/xalloc.h"
#include "verbs.h"

#define SECOND_MS 1000
#define DRAIN_MS 10000 /* for the last events to arrive */
#define STEP_MS 20

static const struct {
	const char *flag;
	unsigned min, max;
	size_t offset;
} numbers[] = {
	{ "watchers", 1, 100000, offsetof(struct bench_options, watchers) },
	{ "workers", 1, 10000, offsetof(struct bench_options, workers) },
	{ "jobs", 1, 1000, offsetof(struct bench_options, jobs) },
	{ "seconds", 1, 3600, offsetof(struct bench_options, seconds) },
	{ "rate", 1, 1000000, offsetof(struct bench_options, rate) },
};

static int take_flags(struct bench_options *o, const struct arguments *a)
{
	int status = EXIT_OK;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && status == EXIT_OK; i++)
		status = arguments_number(a, numbers[i].flag, numbers[i].min, numbers[i].max,
		                          (unsigned *)(void *)((char *)o + numbers[i].offset));
	return status;
}

/* ---- the measurement ---- */

static void run_second(struct bench *b, uint64_t until_ms)
{
	uint64_t now;

	while (!b->probe->stopped && (now = clock_monotonic_ms()) < until_ms) {
		unsigned due_ms = bench_work(b), left_ms = (unsigned)(until_ms - now);
		probe_run(b->probe, due_ms < left_ms ? due_ms : left_ms, -1);
	}
}

static void drain(struct bench *b)
{
	uint64_t until = clock_monotonic_ms() + DRAIN_MS;

	while ((bench_is_busy(b) || bench_watchers_behind(b)) && !b->probe->stopped &&
	       clock_monotonic_ms() < until)
		probe_run(b->probe, STEP_MS, -1);
	if (!b->probe->stopped)
		bench_count_missing(b);
}

static void measure(struct bench *b)
{
	uint64_t began = clock_monotonic_ms(), cpu_us = clock_thread_cpu_us();

	bench_open_workers(b);
	b->counts = true;
	for (unsigned s = 1; s <= b->options.seconds && !b->probe->stopped; s++) {
		uint64_t updates = b->updates, deliveries = b->deliveries;
		run_second(b, began + (uint64_t)s * SECOND_MS);
		bench_print_second(b, s, b->updates - updates, b->deliveries - deliveries);
	}
	b->took_s = (double)(clock_monotonic_ms() - began) / SECOND_MS;
	b->client_s = (double)(clock_thread_cpu_us() - cpu_us) / 1e6;
	b->counts = false;
	drain(b);
}

static void close_streams(struct bench *b)
{
	for (unsigned i = 0; i < b->options.watchers; i++)
		if (b->watchers[i].stream)
			b->watchers[i].stream->finished = NULL;
	bench_close_workers(b);
	bench_close_watchers(b);
}

/* Its jobs end in any case. */
static int run_on_jobs(struct bench *b)
{
	bool measured = bench_create_jobs(b) && bench_open_watchers(b);

	if (measured) {
		measure(b);
		bench_print(b);
	} else if (!b->probe->stopped) {
		bench_say_fault(b);
	}
	int status = b->fault[0] ? measured ? EXIT_FAILED : b->status : EXIT_OK;
	close_streams(b);
	bool stopped = b->probe->stopped;
	probe_resume(b->probe);
	bench_end_jobs(b);
	output_check();
	return stopped ? EXIT_INTERRUPTED : status;
}

static int run(struct bench *b)
{
	const struct bench_options *o = &b->options;

	b->jobs = xcalloc(o->jobs, sizeof(*b->jobs));
	b->watchers = xcalloc(o->watchers, sizeof(*b->watchers));
	b->workers = xcalloc(o->workers, sizeof(*b->workers));
	delay_init(&b->delay);
	int status = bench_ask_server(b);
	if (status == EXIT_OK)
		status = run_on_jobs(b);
	delay_finish(&b->delay);
	free(b->jobs);
	free(b->watchers);
	free(b->workers);
	return status;
}

int verb_bench(const struct arguments *a)
{
	struct bench *b = xcalloc(1, sizeof(*b));
	struct probe probe;

	b->probe = &probe;
	b->options = (struct bench_options){
		.watchers = 100, .workers = 4, .jobs = 1, .seconds = 10
	};
	output_init(&b->output, a);
	int status = take_flags(&b->options, a);
	if (status == EXIT_OK && (status = probe_open(&probe, a)) == EXIT_OK) {
		status = bench_take_descriptors(&b->options) ? run(b) : EXIT_FAILED;
		probe_close(&probe);
	}
	free(b);
	return status;
}
