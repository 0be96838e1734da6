/* A storm: a crowd that watches one job is cut off at once and comes back at once, while it and
 * other jobs are published to.
 *
 *   the run                                      the crowd
 *   waits                                        connects, sees some updates
 *   publishes alone, for comparison      <------ ready
 *   go --------------------------------------->  is cut, misses some updates
 *   reads the server's CPU time          <------ comes back, with the position it had or without
 *   reads it again, publishes on         <------ has all it missed
 *   end -------------------------------------->  gets the rest, judges
 *
 * The crowd is a load of its own, in a process of its own: what the run's publishers and idle
 * connections see meanwhile is the price others pay, and it must not be the generator's. */
#ifndef BENCH_STORM_H
#define BENCH_STORM_H

#include "check.h"
#include "load.h"

struct storm {
	double seconds;    /* from the first connect until the last one has all it missed */
	double cpu_s;      /* of the server in that time */
	double cut_cpu_s;  /* of the server from the cut to the first connect, without what others
	                      publish */
	double calm_cpu_s; /* of the server, for what others publish in that time */
	struct histogram calm;   /* answers to the others' publishers before the cut */
	struct histogram answer; /* and from the cut until everybody is back */

	/* Written by the crowd. */
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
