/* One run: what is asked for, the connections, and what has been seen. Owned by main; everything
 * runs on one thread. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"
#include "options.h"
#include "usage.h"

#define LOAD_ID_SIZE 32
#define LOAD_PATH_SIZE 200
#define LOAD_JOB_DIGITS 5

struct check;
struct publisher;
struct storm;
struct subscriber;
struct trouble;

/* What epoll hands back: the first member of every connection. */
struct source {
	void (*ready)(struct source *source, uint32_t events);
};

struct counters {
	uint64_t answers;    /* posts answered 2xx */
	uint64_t updates;    /* updates in them */
	uint64_t deliveries; /* events that reached a subscriber */
};

/* How subscribers connect: for the first time, again with their position, or again without it. */
enum coming { COMING_FIRST, COMING_RESUME, COMING_FRESH };

struct load {
	struct options options;
	int epoll;
	char run[16]; /* names this run's jobs, so that a server can be measured twice
	               */

	struct subscriber *subscribers; /* watchers, then idle, then those that
	                                   misbehave (subscriber.h) */
	uint64_t subscriber_count;
	uint64_t opened, ready;
	uint64_t heartbeats;
	uint64_t silence_ns; /* the longest time in which an idle connection received nothing */
	uint64_t read_ns;    /* when the bytes being looked at were read */
	enum coming coming;
	uint64_t caught_up; /* subscribers that reconnected and have all they missed */
	char epoch[64];     /* of the job: the cursor's first half */

	struct publisher *publishers;
	uint32_t *committed; /* per publisher: its last counter answered 2xx */
	uint64_t idle_publishers;
	uint64_t posts_left;
	bool publishing;
	uint64_t publish_since; /* the time from which an open loop counts the
	                           times of its posts */

	struct trouble *trouble;
	struct storm *storm;
	struct check *check;
	struct counters seen;
	struct histogram answer, delivery, resume;
	uint64_t errors; /* connections lost, refusals, events not understood */

	double setup_cpu_s, setup_s;
	double rest_cpu_s, rest_s, after_cpu_s, after_s;
	struct usage fresh, connected, start, end;
	struct counters measured;
	double measured_s, own_cpu_s;
};

/* Counts an error; prints the first few on stderr. */
void load_error(struct load *load, const char *what, uint64_t which);

/* Makes the connection part of the loop. */
void load_watch(struct load *load, int fd, uint32_t events, struct source *source);
void load_rewatch(struct load *load, int fd, uint32_t events, struct source *source);

/* One turn of the loop; waits until `until_ns` at most. */
void load_turn(struct load *load, uint64_t until_ns);
void load_run_for(struct load *load, uint64_t ns);

/* Opens all subscribers that are not open yet, and waits until the server has accepted them; exits
 * when it does not. */
void load_connect(struct load *load);
void load_connect_publishers(struct load *load);

/* Stops publishing, and waits until everything that was published has arrived, or nothing more
 * arrives. */
void load_drain(struct load *load);

/* Reads the CPU and memory of the server; zeros without --pid. Exits when the process is gone. */
void load_usage(const struct load *load, struct usage *usage);

/* The id of the index'th job of this run; the idle connections' job is number options.jobs. */
void load_job_id(const struct load *load, uint32_t job, char out[LOAD_ID_SIZE]);

/* Writes `path` with `{job}`, where it stands, filled in. */
void load_path(const struct load *load, const char *path, uint32_t job, char out[LOAD_PATH_SIZE]);

#endif
