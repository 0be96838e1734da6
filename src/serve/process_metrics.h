/*
 * The metrics of the process.  A source that any thread may call; what takes longer than a few
 * microseconds is asked for by the main thread.
 */
#ifndef JOBLIGHT_SERVE_PROCESS_METRICS_H
#define JOBLIGHT_SERVE_PROCESS_METRICS_H

#include <stdint.h>

struct metric_values;

/* At the start. */
void process_metrics_start(void);
void process_measure(void *unused, struct metric_values *v);

/*
 * The main thread, once a second or so: counts the descriptors if somebody has asked since the last
 * count and that is five seconds ago, because 20,000 of them take some 20 ms.
 */
void process_metrics_tick(uint64_t now_ms);

#endif
