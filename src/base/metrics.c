#include "joblight/base/metrics.h"

#include <assert.h>
#include <pthread.h>

#include "joblight/base/xalloc.h"

_Thread_local struct metric_block *metrics_own_block;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* for everything below */
static struct metric_block *blocks, *unused;             /* all, and those without a thread */
static struct {
	metrics_source *add;
	void *context;
} sources[METRIC_SOURCES];
static size_t source_count;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t leaving;

/* The thread ends.  What it has counted stays. */
static void leave(void *block)
{
	struct metric_block *b = block;

	metrics_own_block = NULL;
	pthread_mutex_lock(&lock);
	b->next_free = unused;
	unused = b;
	pthread_mutex_unlock(&lock);
}

static void make_key(void)
{
	pthread_key_create(&leaving, leave);
}

static struct metric_block *take_block(void)
{
	struct metric_block *b;

	pthread_mutex_lock(&lock);
	b = unused;
	if (b) {
		unused = b->next_free;
	} else {
		b = xcalloc(1, sizeof(*b));
		b->next = blocks;
		blocks = b;
	}
	pthread_mutex_unlock(&lock);
	return b;
}

struct metric_block *metrics_join(void)
{
	pthread_once(&once, make_key);
	metrics_own_block = take_block();
	pthread_setspecific(leaving, metrics_own_block);
	return metrics_own_block;
}

void metrics_sum(struct metric_values *v)
{
	*v = (struct metric_values){ 0 };
	pthread_mutex_lock(&lock);
	for (const struct metric_block *b = blocks; b; b = b->next)
		for (size_t i = 0; i < METRIC_CELLS; i++)
			v->cells[i] += atomic_load_explicit(&b->cells[i], memory_order_relaxed);
	pthread_mutex_unlock(&lock);
}

uint64_t metrics_highest(unsigned cell)
{
	uint64_t highest = 0;

	pthread_mutex_lock(&lock);
	for (const struct metric_block *b = blocks; b; b = b->next) {
		uint64_t n = atomic_load_explicit(&b->cells[cell], memory_order_relaxed);
		highest = n > highest ? n : highest;
	}
	pthread_mutex_unlock(&lock);
	return highest;
}

void metrics_add_source(metrics_source *source, void *context)
{
	pthread_mutex_lock(&lock);
	assert(source_count < METRIC_SOURCES);
	sources[source_count].add = source;
	sources[source_count++].context = context;
	pthread_mutex_unlock(&lock);
}

void metrics_gather(struct metric_values *v)
{
	metrics_sum(v);
	for (size_t i = 0; i < source_count; i++)
		sources[i].add(sources[i].context, v);
}
