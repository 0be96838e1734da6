/*
 * The spans that wait for the exporter.  Loops add and one thread takes; who adds never waits: when
 * the queue is full, the span is dropped and counted.
 */
#ifndef JOBLIGHT_SERVE_SPAN_QUEUE_H
#define JOBLIGHT_SERVE_SPAN_QUEUE_H

#include <pthread.h>

#include "joblight/core/span.h"

#define SPAN_QUEUE_MAX 4096
#define SPAN_BATCH 256 /* taken at once */

struct span_queue {
	pthread_mutex_t lock;
	struct span *items; /* a ring */
	size_t first, count;
	uint64_t added, dropped;
	int wake; /* an eventfd: there is a first span, or a whole batch */
};

/* False: the system gives no descriptor. */
bool span_queue_init(struct span_queue *q);
void span_queue_add(void *queue, const struct span *s); /* struct span_sink */
/* Takes at most `max` spans; returns how many. */
size_t span_queue_take(struct span_queue *q, struct span *out, size_t max);
size_t span_queue_count(struct span_queue *q);
void span_queue_awake(struct span_queue *q); /* resets `wake` */
void span_queue_finish(struct span_queue *q);

#endif
