/* The load generator: one thread, one epoll, one run, one line of JSON.
 *
 *   create jobs, connect subscribers, watch the server at rest, connect
 * publishers, warm up, measure, wait for the last delivery, judge
 *
 * It takes one of the machine's cores from the server, so it does as little as it can: requests are
 * prepared once and stamped in place, events are looked at where the kernel put them, nothing is
 * allocated per event. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "load.h"
#include "net.h"
#include "peer.h"
#include "publisher.h"
#include "report.h"
#include "request.h"
#include "selftest.h"
#include "storm.h"
#include "subscriber.h"
#include "trouble.h"

#define MS 1000000ull
#define SETUP_LIMIT (60000 * MS)
#define DRAIN_LIMIT (5000 * MS) /* without a single delivery */
#define SETTLE (5000 * MS)      /* after the last connection, before memory is read */
#define ERRORS_TOLD 5

void load_error(struct load *load, const char *what, uint64_t which)
{
	if (load->errors++ < ERRORS_TOLD)
		fprintf(stderr, "loadgen: %s %llu\n", what, (unsigned long long)which);
}

static void control(struct load *load, int how, int fd, uint32_t events, struct source *source)
{
	struct epoll_event event = { .events = events, .data.ptr = source };
	if (epoll_ctl(load->epoll, how, fd, &event)) {
		perror("loadgen: epoll_ctl");
		exit(1);
	}
}

void load_watch(struct load *load, int fd, uint32_t events, struct source *source)
{
	control(load, EPOLL_CTL_ADD, fd, events, source);
}

void load_rewatch(struct load *load, int fd, uint32_t events, struct source *source)
{
	control(load, EPOLL_CTL_MOD, fd, events, source);
}

void load_job_id(const struct load *load, uint32_t job, char out[LOAD_ID_SIZE])
{
	snprintf(out, LOAD_ID_SIZE, "%s-%0*u", load->run, LOAD_JOB_DIGITS, job);
}

void load_path(const struct load *load, const char *path, uint32_t job, char out[LOAD_PATH_SIZE])
{
	char id[LOAD_ID_SIZE];
	const char *mark = strstr(path, "{job}");
	load_job_id(load, job, id);
	if (mark)
		snprintf(out, LOAD_PATH_SIZE, "%.*s%s%s", (int)(mark - path), path, id, mark + 5);
	else
		snprintf(out, LOAD_PATH_SIZE, "%s", path);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return b && b < a ? b : a;
}

void load_turn(struct load *load, uint64_t until_ns)
{
	struct epoll_event events[256];
	until_ns = sooner(until_ns, publishers_turn(load));
	until_ns = sooner(until_ns, trouble_turn(load));
	uint64_t now = clock_ns(), wait = until_ns > now ? until_ns - now : 0;
	struct timespec limit = { .tv_sec = (time_t)(wait / 1000000000u),
		                  .tv_nsec = (long)(wait % 1000000000u) };
	int n = epoll_pwait2(load->epoll, events, 256, &limit, NULL);
	for (int i = 0; i < n; i++) {
		struct source *source = events[i].data.ptr;
		source->ready(source, events[i].events);
	}
}

void load_run_for(struct load *load, uint64_t ns)
{
	for (uint64_t end = clock_ns() + ns; clock_ns() < end;)
		load_turn(load, end);
}

static _Noreturn void is_gone(uint64_t pid)
{
	fprintf(stderr, "loadgen: the server (process %llu) is gone\n", (unsigned long long)pid);
	exit(1);
}

void load_usage(const struct load *load, struct usage *usage)
{
	const struct number_list *pids = &load->options.pids, *engines = &load->options.engines;
	*usage = (struct usage){ 0 };
	for (size_t i = 0; i < pids->count; i++)
		if (!usage_add((pid_t)pids->all[i], usage))
			is_gone(pids->all[i]);
	for (size_t i = 0; i < engines->count; i++)
		if (!usage_read_tree((pid_t)engines->all[i], &usage->engine_cpu_s[i]))
			is_gone(engines->all[i]);
}

void load_connect(struct load *load)
{
	uint64_t begin = clock_ns();
	load_usage(load, &load->fresh);
	while (load->ready + load->errors < load->subscriber_count &&
	       clock_ns() < begin + SETUP_LIMIT) {
		subscribers_open(load);
		load_turn(load, clock_ns() + 100 * MS);
	}
	if (load->ready < load->subscriber_count) {
		fprintf(stderr, "loadgen: %llu of %llu subscribers connected\n",
		        (unsigned long long)load->ready,
		        (unsigned long long)load->subscriber_count);
		exit(1);
	}
	load->setup_s = (double)(clock_ns() - begin) / 1e9;
	struct usage after = { 0 };
	load_usage(load, &after);
	load->setup_cpu_s = after.cpu_s - load->fresh.cpu_s;
}

/* Sends nothing for so long; the CPU that the server uses meanwhile serves no client. */
static void watch_rest(struct load *load, uint64_t ms, double *seconds, double *cpu_s)
{
	struct usage before = { 0 }, after = { 0 };
	load_usage(load, &before);
	uint64_t begin = clock_ns();
	load_run_for(load, ms * MS);
	*seconds = (double)(clock_ns() - begin) / 1e9;
	load_usage(load, &after);
	*cpu_s = after.cpu_s - before.cpu_s;
}

static void settle(struct load *load)
{
	if (load->options.idle || load->options.rest_ms)
		load_run_for(load, SETTLE);
	load_usage(load, &load->connected);
	watch_rest(load, load->options.rest_ms, &load->rest_s, &load->rest_cpu_s);
}

void load_connect_publishers(struct load *load)
{
	publishers_open(load);
	for (uint64_t end = clock_ns() + SETUP_LIMIT;
	     load->idle_publishers < load->options.publishers && !load->errors;) {
		load_turn(load, clock_ns() + 100 * MS);
		if (clock_ns() > end)
			load_error(load, "publishers did not connect:", load->options.publishers);
	}
}

void load_drain(struct load *load)
{
	publishers_stop(load);
	uint64_t seen = load->seen.deliveries, since = clock_ns();
	while (!publishers_quiet(load) ||
	       (load->ready && load->seen.deliveries < subscribers_due(load))) {
		load_turn(load, clock_ns() + 10 * MS);
		if (load->seen.deliveries != seen) {
			seen = load->seen.deliveries;
			since = clock_ns();
		}
		if (clock_ns() > since + DRAIN_LIMIT)
			break;
	}
	if (!publishers_quiet(load))
		load_error(load,
		           "posts without an answer after seconds:", DRAIN_LIMIT / (1000 * MS));
}

static void warm_up(struct load *load)
{
	if (!load->options.warm_ms)
		return;
	publishers_start(load, 0);
	load_run_for(load, load->options.warm_ms * MS);
	load_drain(load);
	histogram_clear(&load->answer);
	histogram_clear(&load->delivery);
}

static void measure(struct load *load)
{
	struct counters before = load->seen;
	double own = usage_own_cpu();
	load_usage(load, &load->start);
	uint64_t begin = clock_ns(), end = begin + load->options.run_ms * MS;
	publishers_start(load, load->options.count);
	while (clock_ns() < end && load->posts_left && !load->errors)
		load_turn(load, end);
	load_drain(load);
	load->measured_s = (double)(clock_ns() - begin) / 1e9;
	load_usage(load, &load->end);
	load->own_cpu_s = usage_own_cpu() - own;
	load->measured.answers = load->seen.answers - before.answers;
	load->measured.updates = load->seen.updates - before.updates;
	load->measured.deliveries = load->seen.deliveries - before.deliveries;
}

/* Runs after the last update: the server only has to notice which clients are gone. */
static void watch_after(struct load *load)
{
	const struct trouble *trouble = load->trouble;
	trouble_calm(load);
	watch_rest(load, load->options.after_ms, &load->after_s, &load->after_cpu_s);
	uint64_t end = trouble->since_ns + load->options.gone_ms * MS;
	while (!trouble_over(trouble) && clock_ns() < end)
		load_turn(load, end);
	load_usage(load, &load->end);
}

static void run_publishers(struct load *load)
{
	load_connect_publishers(load);
	trouble_start(load);
	if (load->options.storm) {
		storm_run(load);
		load_usage(load, &load->end);
		return;
	}
	warm_up(load);
	measure(load);
	if (load->options.after_ms || load->options.gone_ms)
		watch_after(load);
}

static void load_create(struct load *load)
{
	const struct options *o = &load->options;
	snprintf(load->run, sizeof(load->run), "b%d", (int)getpid());
	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	request_create_jobs(load);
	publishers_create(load);
	subscribers_create(load);
	trouble_create(load);
	net_allow(load->subscriber_count + o->publishers + o->storm + o->quitters);
	/* Publishers that walk have no lane: nobody watches them. */
	uint32_t writers = o->walk ? 0 : (uint32_t)o->publishers;
	load->check = check_create((uint32_t)load->subscriber_count, writers, (uint32_t)o->jobs);
}

static void load_destroy(struct load *load)
{
	storm_destroy(load);
	subscribers_destroy(load);
	publishers_destroy(load);
	trouble_destroy(load);
	check_destroy(load->check);
	close(load->epoll);
}

static bool run(struct load *load)
{
	load_create(load);
	load_connect(load);
	settle(load);
	if (load->options.publishers)
		run_publishers(load);
	else
		load->start = load->end = load->connected;
	subscribers_end(load);
	bool clean = report_print(load);
	load_destroy(load);
	return clean;
}

int main(int argc, char **argv)
{
	static struct load load;
	options_read(&load.options, argc, argv);
	if (load.options.self_test)
		return selftest_run() ? 0 : 1;
	return run(&load) ? 0 : 1;
}
