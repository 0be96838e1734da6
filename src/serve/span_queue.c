#include "span_queue.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "joblight/base/xalloc.h"

bool span_queue_init(struct span_queue *q)
{
	*q = (struct span_queue){ .lock = PTHREAD_MUTEX_INITIALIZER,
		                  .wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	if (q->wake < 0)
		return false;
	q->items = xcalloc(SPAN_QUEUE_MAX, sizeof(*q->items));
	return true;
}

void span_queue_add(void *queue, const struct span *s)
{
	struct span_queue *q = queue;

	pthread_mutex_lock(&q->lock);
	bool has_room = q->count < SPAN_QUEUE_MAX;
	if (has_room) {
		q->items[(q->first + q->count++) % SPAN_QUEUE_MAX] = *s;
		q->added++;
	} else {
		q->dropped++;
	}
	bool tell = has_room && (q->count == 1 || q->count % SPAN_BATCH == 0);
	pthread_mutex_unlock(&q->lock);
	if (tell)
		eventfd_write(q->wake, 1);
}

size_t span_queue_take(struct span_queue *q, struct span *out, size_t max)
{
	size_t taken = 0;

	pthread_mutex_lock(&q->lock);
	for (; taken < max && q->count; taken++, q->count--) {
		out[taken] = q->items[q->first];
		q->first = (q->first + 1) % SPAN_QUEUE_MAX;
	}
	pthread_mutex_unlock(&q->lock);
	return taken;
}

void span_queue_awake(struct span_queue *q)
{
	eventfd_t unused;

	eventfd_read(q->wake, &unused);
}

size_t span_queue_count(struct span_queue *q)
{
	pthread_mutex_lock(&q->lock);
	size_t count = q->count;
	pthread_mutex_unlock(&q->lock);
	return count;
}

void span_queue_finish(struct span_queue *q)
{
	if (!q->items)
		return;
	free(q->items);
	close(q->wake);
	q->items = NULL;
}
