/* The command line of the load generator. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct peer;

#define OPTIONS_LIST_MAX 8

/* Numbers with commas between them. */
struct number_list {
	uint64_t all[OPTIONS_LIST_MAX];
	size_t count;
};

struct options {
	const struct peer *peer;
	bool websocket;  /* subscribers come over WebSocket */
	bool publish_ws; /* publishers, too */
	bool self_test;
	uint64_t port; /* of the server that is watched, and where jobs are made */
	struct number_list
	    post_to;             /* ports that publishers are dealt out over; --port by default */
	struct number_list pids; /* of the servers; none = no CPU and RSS figures */
	struct number_list engines; /* of the databases and so on that they use */
	uint64_t subscribers;
	uint64_t publishers;
	uint64_t idle;
	uint64_t stalled, slow, half, vanished; /* see manner.h */
	uint64_t quitters;
	uint64_t jobs;
	uint64_t tasks;
	uint64_t walk;
	uint64_t sources;
	uint64_t width;
	uint64_t batch;
	uint64_t depth;
	uint64_t keys;
	uint64_t rate;
	uint64_t window;
	uint64_t warm_ms;
	uint64_t run_ms;
	uint64_t count;
	uint64_t heartbeat_s;
	uint64_t rest_ms;
	uint64_t tls;
	uint64_t after_ms;
	uint64_t gone_ms;
	uint64_t storm;
	uint64_t storm_fresh;
	uint64_t storm_before;
	uint64_t storm_missed;
	uint64_t storm_rate;
};

/* Prints what is wrong, or the help, and exits when the words cannot be used. */
void options_read(struct options *options, int argc, char **argv);

#endif
