#include "joblight/core/batch.h"

#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/keyring.h"

struct batch *batch_create(void)
{
	struct batch *b = xcalloc(1, sizeof(*b));

	atomic_init(&b->references, 1);
	return b;
}

void batch_hold(struct batch *b)
{
	atomic_fetch_add_explicit(&b->references, 1, memory_order_relaxed);
}

void batch_release(struct batch *b)
{
	if (!b || atomic_fetch_sub_explicit(&b->references, 1, memory_order_acq_rel) != 1)
		return;
	free(b->events);
	keyring_release(b->keyring);
	buf_finish(&b->text);
	free(b);
}

struct event *batch_add(struct batch *b)
{
	if (b->count == b->cap) {
		b->cap = b->cap ? b->cap * 2 : 8;
		b->events = xrealloc(b->events, b->cap * sizeof(*b->events));
	}
	struct event *e = &b->events[b->count++];
	*e = (struct event){ 0 };
	return e;
}
