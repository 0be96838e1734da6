/*
 * `joblight bench`: what its parts share.  Workers send updates to jobs of the bench, each one the
 * next when the last was answered; watchers read the streams of these jobs.  All in one thread.
 *
 * An update has in its note the time at which it was sent, so that a watcher knows how long it
 * took.
 */
#ifndef JOBLIGHT_CLI_BENCH_H
#define JOBLIGHT_CLI_BENCH_H

#include "bench_delay.h"
#include "bench_histogram.h"
#include "joblight/core/right.h"
#include "output.h"
#include "probe.h"
#include "probe_job.h"

#define BENCH_FAULT_LEN 200

struct bench_options {
	unsigned watchers, workers, jobs, seconds;
	unsigned rate; /* updates per second of all workers; 0: as many as are answered */
};

struct bench_job {
	struct probe_job made;
	uint64_t seq; /* of the last update that was answered */
};

struct bench;

struct bench_watcher {
	struct bench *bench;
	struct bench_job *job;
	struct exchange *stream;
	bool connected, lost; /* lost: its stream has ended */
	uint64_t seq;         /* of the last event */
	struct buf rest;      /* a part of a line */
};

struct bench_worker {
	struct bench *bench;
	struct bench_job *job;
	struct exchange *update;
	char path[96], body[128];
	unsigned number;
	bool busy;
	uint64_t next_us; /* when it may send again */
};

struct bench {
	struct probe *probe;
	struct bench_options options;
	struct output output;
	enum right rights;
	struct bench_job *jobs;
	struct bench_watcher *watchers;
	struct bench_worker *workers;
	/* Since the workers began. */
	bool counts;
	uint64_t updates, deliveries, refused, broken, missing, repeated;
	struct histogram answered, received; /* from sending to the answer, and to the event */
	struct delay delay;                  /* from the commit to the event */
	double took_s, client_s;             /* of the measurement: time, and processor time here */
	char fault[BENCH_FAULT_LEN];         /* the first one; "": none */
	int status; /* of the exit, for this fault before the measurement */
};

/* Keeps the first fault, for people. */
void bench_fault(struct bench *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same with the status of an answer, and the detail of its problem. */
void bench_fault_of(struct bench *b, const char *what, const struct exchange *x);

/* False after bench_fault(). */
bool bench_create_jobs(struct bench *b);
void bench_end_jobs(struct bench *b); /* removes them if the key may, otherwise completes them */

/* False after bench_fault(). */
bool bench_open_watchers(struct bench *b);
unsigned bench_watchers_behind(const struct bench *b); /* that have not all events yet */
void bench_count_missing(struct bench *b);
void bench_close_watchers(struct bench *b);

void bench_open_workers(struct bench *b);
/* Sends what is due.  Returns in how many milliseconds the next update is due. */
unsigned bench_work(struct bench *b);
bool bench_is_busy(const struct bench *b);
void bench_close_workers(struct bench *b);

/* These stop the probe when nobody reads what they print. */
void bench_print_second(struct bench *b, unsigned second, uint64_t updates, uint64_t deliveries);
void bench_print(struct bench *b);
void bench_say_fault(const struct bench *b); /* on stderr */

#endif
