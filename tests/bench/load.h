/* One run: what is asked for, the connections, and what has been seen. Owned by main; everything
 * runs on one thread. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"
#include "options.h"
#include "usage.h"

struct check;
struct publisher;
struct subscriber;

/* What epoll hands back: the first member of every connection. */
struct source {
	void (*ready)(struct source *source, uint32_t events);
};

struct counters {
	uint64_t answers;    /* posts answered 2xx */
	uint64_t updates;    /* updates in them */
	uint64_t deliveries; /* events that reached a subscriber */
};

struct load {
	struct options options;
	int epoll;
	char run[16]; /* names this run's jobs, so that a server can be measured twice */

	struct subscriber *subscribers; /* watchers, then idle, then stalled */
	uint64_t subscriber_count;
	uint64_t opened, ready;
	uint64_t heartbeats;
	uint64_t read_ns; /* when the bytes being looked at were read */

	struct publisher *publishers;
	uint32_t *committed; /* per publisher: its last counter answered 2xx */
	uint64_t idle_publishers;
	uint64_t posts_left;
	bool publishing;
	uint64_t publish_since; /* the time from which an open loop counts its appointments */

	struct check *check;
	struct counters seen;
	struct histogram answer, delivery;
	uint64_t errors; /* connections lost, refusals, events not understood */

	double setup_cpu_s, setup_s;
	double rest_cpu_s, rest_s;
	struct usage fresh, connected, start, end;
	struct counters measured;
	double measured_s, own_cpu_s;
};

/* Counts an error; the first few are told on stderr. */
void load_error(struct load *load, const char *what, uint64_t which);

/* Makes the connection part of the loop. */
void load_watch(struct load *load, int fd, uint32_t events, struct source *source);
void load_rewatch(struct load *load, int fd, uint32_t events, struct source *source);

/* The id of the index'th job of this run; the idle connections' job is number options.jobs. */
void load_job_id(const struct load *load, uint32_t job, char *out, unsigned size);

/* Writes `path` with `{job}` filled in. */
void load_path(const struct load *load, const char *path, uint32_t job, char *out, unsigned size);

#endif
