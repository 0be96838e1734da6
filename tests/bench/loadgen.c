/* The load generator: one thread, one epoll, one run, one line of JSON.
 *
 *   create jobs, connect subscribers, watch the server at rest, connect publishers,
 *   warm up, measure, wait for the last delivery, judge
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
#include "subscriber.h"

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

void load_job_id(const struct load *load, uint32_t job, char *out, unsigned size)
{
	snprintf(out, size, "%s-%u", load->run, job);
}

void load_path(const struct load *load, const char *path, uint32_t job, char *out, unsigned size)
{
	char id[40];
	const char *mark = strstr(path, "{job}");
	load_job_id(load, job, id, sizeof(id));
	snprintf(out, size, "%.*s%s%s", (int)(mark - path), path, id, mark + 5);
}

/* One turn of the loop; waits until `until_ns` at most. */
static void turn(struct load *load, uint64_t until_ns)
{
	struct epoll_event events[256];
	uint64_t due = publishers_turn(load), now = clock_ns();
	if (due && due < until_ns)
		until_ns = due;
	uint64_t wait = until_ns > now ? until_ns - now : 0;
	struct timespec limit = { .tv_sec = (time_t)(wait / 1000000000u), .tv_nsec = (long)(wait % 1000000000u) };
	int n = epoll_pwait2(load->epoll, events, 256, &limit, NULL);
	for (int i = 0; i < n; i++) {
		struct source *source = events[i].data.ptr;
		source->ready(source, events[i].events);
	}
}

static void run_for(struct load *load, uint64_t ns)
{
	for (uint64_t end = clock_ns() + ns; clock_ns() < end;)
		turn(load, end);
}

static void server_usage(const struct load *load, struct usage *usage)
{
	if (load->options.pid && !usage_read((pid_t)load->options.pid, usage)) {
		fprintf(stderr, "loadgen: the server (process %llu) is gone\n", (unsigned long long)load->options.pid);
		exit(1);
	}
}

static void connect_subscribers(struct load *load)
{
	uint64_t begin = clock_ns();
	server_usage(load, &load->fresh);
	while (load->ready + load->errors < load->subscriber_count && clock_ns() < begin + SETUP_LIMIT) {
		subscribers_open(load);
		turn(load, clock_ns() + 100 * MS);
	}
	if (load->ready < load->subscriber_count) {
		fprintf(stderr, "loadgen: %llu of %llu subscribers connected\n", (unsigned long long)load->ready,
		        (unsigned long long)load->subscriber_count);
		exit(1);
	}
	load->setup_s = (double)(clock_ns() - begin) / 1e9;
	struct usage after = { 0 };
	server_usage(load, &after);
	load->setup_cpu_s = after.cpu_s - load->fresh.cpu_s;
}

static void watch_rest(struct load *load)
{
	if (load->options.idle || load->options.rest_ms)
		run_for(load, SETTLE);
	server_usage(load, &load->connected);
	uint64_t begin = clock_ns();
	run_for(load, load->options.rest_ms * MS);
	load->rest_s = (double)(clock_ns() - begin) / 1e9;
	struct usage after = { 0 };
	server_usage(load, &after);
	load->rest_cpu_s = after.run_s - load->connected.run_s;
}

static void connect_publishers(struct load *load)
{
	publishers_open(load);
	for (uint64_t end = clock_ns() + SETUP_LIMIT;
	     load->idle_publishers < load->options.publishers && !load->errors;) {
		turn(load, clock_ns() + 100 * MS);
		if (clock_ns() > end)
			load_error(load, "publishers did not connect:", load->options.publishers);
	}
}

/* Everything published has to arrive: waits as long as something still does. */
static void drain(struct load *load)
{
	publishers_stop(load);
	uint64_t seen = load->seen.deliveries, since = clock_ns();
	while (!publishers_quiet(load) || load->seen.deliveries < subscribers_due(load)) {
		turn(load, clock_ns() + 10 * MS);
		if (load->seen.deliveries != seen) {
			seen = load->seen.deliveries;
			since = clock_ns();
		}
		if (clock_ns() > since + DRAIN_LIMIT)
			break;
	}
	if (!publishers_quiet(load))
		load_error(load, "posts without an answer after seconds:", DRAIN_LIMIT / (1000 * MS));
}

static void warm_up(struct load *load)
{
	if (!load->options.warm_ms)
		return;
	publishers_start(load, 0);
	run_for(load, load->options.warm_ms * MS);
	drain(load);
	histogram_clear(&load->answer);
	histogram_clear(&load->delivery);
}

static void measure(struct load *load)
{
	struct counters before = load->seen;
	double own = usage_own_cpu();
	server_usage(load, &load->start);
	uint64_t begin = clock_ns(), end = begin + load->options.run_ms * MS;
	publishers_start(load, load->options.count);
	while (clock_ns() < end && load->posts_left && !load->errors)
		turn(load, end);
	drain(load);
	load->measured_s = (double)(clock_ns() - begin) / 1e9;
	server_usage(load, &load->end);
	load->own_cpu_s = usage_own_cpu() - own;
	load->measured.answers = load->seen.answers - before.answers;
	load->measured.updates = load->seen.updates - before.updates;
	load->measured.deliveries = load->seen.deliveries - before.deliveries;
}

static bool run(struct load *load)
{
	const struct options *o = &load->options;
	uint64_t connections = o->subscribers + o->idle + o->stalled;
	net_allow(connections + o->publishers);
	snprintf(load->run, sizeof(load->run), "b%d", (int)getpid());
	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	load->check = check_create((uint32_t)connections, (uint32_t)o->publishers, (uint32_t)o->jobs);
	request_create_jobs(load);
	publishers_create(load);
	subscribers_create(load);
	connect_subscribers(load);
	watch_rest(load);
	if (o->publishers) {
		connect_publishers(load);
		warm_up(load);
		measure(load);
	} else {
		server_usage(load, &load->end);
		load->start = load->end;
	}
	subscribers_end(load);
	bool clean = report_print(load);
	subscribers_destroy(load);
	publishers_destroy(load);
	check_destroy(load->check);
	close(load->epoll);
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
