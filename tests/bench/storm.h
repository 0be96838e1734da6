/* A storm: the watchers of one job are cut off at once and reconnect at once, while updates of it
 * and of other jobs are published.
 *
 *   the run                                      the watchers
 *   waits                                        connect, see some updates
 *   publishes alone, for comparison      <------ ready
 *   go --------------------------------------->  are cut, miss some updates
 *   reads the server's CPU time          <------ reconnect, with their position or without
 *   reads it again, publishes on         <------ have all they missed
 *   end -------------------------------------->  get the rest, are judged
 *
 * The watchers are a load of their own, in a process of their own: the run measures what its
 * publishers and idle connections see meanwhile, and must not measure the generator. */
#ifndef BENCH_STORM_H
#define BENCH_STORM_H

#include "check.h"
#include "load.h"

struct storm {
	double seconds;    /* from the first connect until the last one has all that it missed */
	double cpu_s;      /* of the server in that time */
	double cut_cpu_s;  /* of the server from the cut to the first connect, without what others
	                      publish */
	double calm_cpu_s; /* of the server, for what others publish in that time */
	struct histogram calm;   /* answers to the others' publishers before the cut */
	struct histogram answer; /* and from the cut until everybody is back */

	/* Written by the process of the watchers. */
	uint64_t back;       /* connections that have all they missed */
	uint64_t deliveries; /* events they got while they came back */
	uint64_t errors;
	struct histogram resume; /* from the connect to the last event missed */
	struct verdict verdict;
};

/* Takes the place of the measurement; the run's connections and publishers are connected. */
void storm_run(struct load *load);
void storm_destroy(struct load *load);

#endif
