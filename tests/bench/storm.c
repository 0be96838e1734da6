#include "storm.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net.h"
#include "publisher.h"
#include "request.h"
#include "subscriber.h"

#define MS 1000000ull
#define CALM (1500 * MS)
#define STORM_LIMIT (90000 * MS)
/* Runs at low priority, so that it does not take the core from the publishers. */
#define WATCHERS_NICE 5

/* The two processes' words to each other, one byte each. */
struct wire {
	struct source source;
	struct load *load;
	int in, out;
	char said;
};

enum { READY = 'r', GO = 'g', COMING = 'c', BACK = 'b', END = 'e' };

static void wire_heard(struct source *source, uint32_t events)
{
	struct wire *wire = (struct wire *)(void *)source;
	(void)events;
	if (read(wire->in, &wire->said, 1) != 1) {
		fprintf(stderr, "loadgen: the other half of the storm is gone\n");
		exit(1);
	}
}

static void wire_open(struct wire *wire, struct load *load, int in, int out)
{
	*wire = (struct wire){ { wire_heard }, load, in, out, 0 };
	load_watch(load, in, EPOLLIN, &wire->source);
}

static void wire_say(struct wire *wire, char word)
{
	if (write(wire->out, &word, 1) != 1)
		exit(1);
}

static void wire_wait(struct wire *wire, char word)
{
	uint64_t end = clock_ns() + STORM_LIMIT;
	while (wire->said != word && clock_ns() < end)
		load_turn(wire->load, end);
	if (wire->said != word) {
		fprintf(stderr, "loadgen: the storm does not go on\n");
		exit(1);
	}
}

/* --- the watchers --- */

static void watchers_create(struct load *watchers, const struct options *options)
{
	struct options *o = &watchers->options;
	*o = *options;
	o->subscribers = o->storm;
	o->publishers = o->jobs = o->batch = o->depth = 1;
	o->idle = o->stalled = o->slow = o->half = o->vanished = o->quitters = o->rate = o->window =
	    0;
	o->pids.count = o->engines.count = 0;
	watchers->epoll = epoll_create1(EPOLL_CLOEXEC);
	snprintf(watchers->run, sizeof(watchers->run), "s%d", (int)getpid());
	watchers->check = check_create((uint32_t)o->storm, 1, 1);
	request_create_jobs(watchers);
	publishers_create(watchers);
	subscribers_create(watchers);
	load_connect(watchers);
	load_connect_publishers(watchers);
}

static void watchers_publish(struct load *watchers, uint64_t posts)
{
	if (!posts)
		return;
	publishers_start(watchers, posts);
	while (watchers->posts_left && !watchers->errors)
		load_turn(watchers, clock_ns() + 100 * MS);
	load_drain(watchers);
}

static void watchers_return(struct load *watchers)
{
	uint64_t end = clock_ns() + STORM_LIMIT;
	watchers->options.rate = watchers->options.storm_rate;
	publishers_start(watchers, 0);
	while (watchers->caught_up < watchers->subscriber_count && !watchers->errors &&
	       clock_ns() < end) {
		subscribers_open(watchers);
		load_turn(watchers, clock_ns() + 100 * MS);
	}
	if (watchers->caught_up < watchers->subscriber_count)
		load_error(watchers, "have not got what they missed:",
		           watchers->subscriber_count - watchers->caught_up);
}

static _Noreturn void watchers_run(const struct options *options, struct storm *storm, int in,
                                   int out)
{
	static struct load watchers;
	struct wire wire;
	if (nice(WATCHERS_NICE) == -1)
		perror("loadgen: nice");
	watchers_create(&watchers, options);
	wire_open(&wire, &watchers, in, out);
	watchers_publish(&watchers, options->storm_before);
	wire_say(&wire, READY);
	wire_wait(&wire, GO);
	subscribers_cut(&watchers, options->storm_fresh ? COMING_FRESH : COMING_RESUME);
	watchers_publish(&watchers, options->storm_missed);
	wire_say(&wire, COMING);
	uint64_t seen = watchers.seen.deliveries;
	watchers_return(&watchers);
	wire_say(&wire, BACK);
	storm->deliveries = watchers.seen.deliveries - seen;
	storm->back = watchers.caught_up;
	storm->resume = watchers.resume;
	wire_wait(&wire, END);
	load_drain(&watchers);
	subscribers_end(&watchers);
	storm->errors = watchers.errors;
	storm->verdict = check_verdict(watchers.check);
	wire_say(&wire, END);
	exit(0);
}

/* --- the run --- */

/* Returns the server's CPU seconds per second. */
static double watch_calm(struct load *load)
{
	struct usage before = { 0 }, after = { 0 };
	histogram_clear(&load->answer);
	load_usage(load, &before);
	uint64_t begin = clock_ns();
	load_run_for(load, CALM);
	load_usage(load, &after);
	load->storm->calm = load->answer;
	return (after.cpu_s - before.cpu_s) / ((double)(clock_ns() - begin) / 1e9);
}

/* The server's CPU seconds until the watchers send `word`. */
static double watch_until(struct load *load, struct wire *wire, char word, double *seconds)
{
	struct usage before = { 0 }, after = { 0 };
	load_usage(load, &before);
	uint64_t begin = clock_ns();
	wire_wait(wire, word);
	*seconds = (double)(clock_ns() - begin) / 1e9;
	load_usage(load, &after);
	return after.cpu_s - before.cpu_s;
}

static void watch_storm(struct load *load, struct wire *wire, double calm)
{
	struct storm *storm = load->storm;
	double cut_s;
	histogram_clear(&load->answer);
	wire_say(wire, GO);
	storm->cut_cpu_s = watch_until(load, wire, COMING, &cut_s) - calm * cut_s;
	storm->cpu_s = watch_until(load, wire, BACK, &storm->seconds);
	storm->calm_cpu_s = calm * storm->seconds;
	storm->answer = load->answer;
}

static pid_t fork_watchers(struct load *load, struct wire *wire)
{
	int there[2], back[2];
	fflush(stdout);
	if (pipe(there) || pipe(back))
		abort();
	pid_t watchers = fork();
	if (watchers < 0)
		abort();
	if (!watchers) {
		close(there[1]);
		close(back[0]);
		watchers_run(&load->options, load->storm, there[0], back[1]);
	}
	close(there[0]);
	close(back[1]);
	wire_open(wire, load, back[0], there[1]);
	return watchers;
}

void storm_run(struct load *load)
{
	struct wire wire;
	/* Shared with the process of the watchers. */
	load->storm = mmap(NULL, sizeof(struct storm), PROT_READ | PROT_WRITE,
	                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (load->storm == MAP_FAILED)
		abort();
	pid_t watchers = fork_watchers(load, &wire);
	wire_wait(&wire, READY);
	publishers_start(load, 0);
	load_run_for(load, load->options.warm_ms * MS);
	subscribers_hear(load, true);
	double calm = watch_calm(load);
	watch_storm(load, &wire, calm);
	load_run_for(load, load->options.after_ms * MS);
	subscribers_hear(load, false);
	load_drain(load);
	wire_say(&wire, END);
	wire_wait(&wire, END);
	waitpid(watchers, NULL, 0);
	close(wire.in);
	close(wire.out);
}

void storm_destroy(struct load *load)
{
	if (load->storm)
		munmap(load->storm, sizeof(*load->storm));
	load->storm = NULL;
}
