#include "bus_node.h"

#include "../kit.h"

#include <errno.h>
#include <time.h>

#include "bus/cluster.h"
#include "joblight/base/clock.h"
#include "joblight/base/module.h"

#define WAIT_MS 20000

struct database *node_database;

/* ---- a loop ---- */

static void write_event(struct buf *heard, const struct batch *b, const struct event *e)
{
	if (e->is_head)
		buf_format(heard, "head %s.%llu%s;", e->job_id, (unsigned long long)e->seq,
		           e->epoch[0] ? "" : " none");
	else if (e->deleted)
		buf_format(heard, "deleted %s;", e->job_id);
	else
		buf_format(heard, "event %s.%llu %.*s;", e->job_id, (unsigned long long)e->seq,
		           (int)e->json_len, b->text.ptr + e->json_at);
}

static void write_batch(struct buf *heard, const struct batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		write_event(heard, b, &b->events[i]);
	if (b->keyring)
		buf_text(heard, "keys;");
}

static void on_commit(void *loop, struct batch *batch, struct op *ops)
{
	(void)loop; /* the commits of this node: only those of others are of interest */
	(void)batch;
	(void)ops;
}

static bool on_offer(void *loop, struct batch *batch)
{
	struct node_loop *l = loop;

	pthread_mutex_lock(&l->node->lock);
	bool taken = !l->is_full;
	l->commits += taken;
	if (taken)
		write_batch(&l->heard, batch);
	pthread_cond_broadcast(&l->node->changed);
	pthread_mutex_unlock(&l->node->lock);
	return taken;
}

static void on_watchers(void *loop, unsigned from, const char *job_id, unsigned count)
{
	struct node_loop *l = loop;

	pthread_mutex_lock(&l->node->lock);
	if (from >= BUS_FIRST_REMOTE)
		buf_format(&l->heard, "watchers %s=%u;", job_id, count);
	pthread_cond_broadcast(&l->node->changed);
	pthread_mutex_unlock(&l->node->lock);
}

static void on_presence(void *loop, const struct presence_report *r)
{
	struct node_loop *l = loop;

	pthread_mutex_lock(&l->node->lock);
	if (r->loop >= BUS_FIRST_REMOTE && r->agent[0])
		buf_format(&l->heard, "agent %s %s %s;", r->job_id, r->agent, r->state);
	else if (r->loop >= BUS_FIRST_REMOTE)
		buf_format(&l->heard, "gone %llu;", (unsigned long long)r->owner);
	pthread_cond_broadcast(&l->node->changed);
	pthread_mutex_unlock(&l->node->lock);
}

/* ---- the node ---- */

static bool read_database(void *context, struct read_request *r)
{
	return reader_submit(((struct bus_node *)context)->reader, r);
}

static void deliver(struct read_request *r)
{
	r->done(r);
}

static void init_locks(struct bus_node *n)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&n->lock, NULL);
	pthread_cond_init(&n->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

/* The carrier of this scheme. */
static const struct carrier_ops *open_carrier(const char *url)
{
	char path[256], error[512] = "";

	snprintf(path, sizeof(path), "%s/joblight-%s.so", JOBLIGHT_TEST_MODULES,
	         strncmp(url, "redis", 5) == 0 ? "redis" : "postgres");
	const void *carrier = module_open_file(path, "carrier", error, sizeof(error));
	assert_string_equal(error, "");
	return carrier;
}

void node_start(struct bus_node *n, const char *url, const char *prefix)
{
	char error[512] = "";
	const struct carrier_ops *carrier = open_carrier(url);
	struct store *session = database_reader(node_database);

	*n = (struct bus_node){ .limits = limits_default };
	init_locks(n);
	n->service = (struct service){ n, NULL, read_database };
	struct bus_config config = { .location = url,
		                     .prefix = prefix ? prefix : "joblight",
		                     .service = &n->service };
	n->bus = cluster_start(carrier, LABEL_BUS_REDIS, &config, error, sizeof(error));
	if (!n->bus)
		fail_msg("%s", error);
	for (unsigned i = 0; i < NODE_LOOPS; i++) {
		struct bus_member member = { &n->loops[i], on_commit, on_offer, on_watchers,
			                     on_presence };
		n->loops[i].node = n;
		n->bus->ops->join(n->bus, &member);
	}
	n->reader = reader_start(&session, 1, &n->limits, deliver);
	n->bus->ops->begin(n->bus);
}

void node_stop(struct bus_node *n)
{
	if (!n->bus)
		return;
	reader_stop(n->reader);
	n->bus->ops->stop(n->bus);
	n->bus = NULL;
	reader_free(n->reader);
	for (unsigned i = 0; i < NODE_LOOPS; i++)
		buf_finish(&n->loops[i].heard);
	pthread_cond_destroy(&n->changed);
	pthread_mutex_destroy(&n->lock);
}

void node_await(struct bus_node *n, bool is_up)
{
	struct bus_health health;
	uint64_t end = clock_monotonic_ms() + WAIT_MS;

	do {
		n->bus->ops->health(n->bus, &health);
		if (clock_monotonic_ms() > end)
			fail_msg("the bus is %s", health.text);
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	} while (health.is_up != is_up);
}

/* ---- what it hears ---- */

static bool has_heard(struct bus_node *n, const char *text)
{
	for (unsigned i = 0; i < NODE_LOOPS; i++)
		if (!strstr(buf_string(&n->loops[i].heard), text))
			return false;
	return true;
}

bool node_hears_within(struct bus_node *n, const char *text, unsigned ms)
{
	uint64_t due = clock_monotonic_ms() + ms;
	struct timespec until = { (time_t)(due / 1000), (long)(due % 1000) * 1000000 };
	int failed = 0;

	pthread_mutex_lock(&n->lock);
	while (!has_heard(n, text) && failed != ETIMEDOUT)
		failed = pthread_cond_timedwait(&n->changed, &n->lock, &until);
	bool heard = has_heard(n, text);
	pthread_mutex_unlock(&n->lock);
	return heard;
}

void node_hears(struct bus_node *n, const char *text)
{
	if (!node_hears_within(n, text, WAIT_MS))
		fail_msg("\"%s\" is missing in \"%s\"", text, buf_string(&n->loops[0].heard));
}

unsigned node_heard(struct bus_node *n, const char *text)
{
	pthread_mutex_lock(&n->lock);
	unsigned count = text_count(buf_string(&n->loops[0].heard), text);
	pthread_mutex_unlock(&n->lock);
	return count;
}

void node_forget(struct bus_node *n)
{
	pthread_mutex_lock(&n->lock);
	for (unsigned i = 0; i < NODE_LOOPS; i++)
		n->loops[i].heard.len = 0;
	pthread_mutex_unlock(&n->lock);
}

/* ---- commits ---- */

void database_has(const char *job_id, uint64_t seq)
{
	struct store *w = database_writer(node_database);
	struct job_row row = { 0 };

	assert_int_equal(w->ops->begin(w), STORE_OK);
	w->ops->job_get(w, job_id, &row);
	job_row_finish(&row);
	row.title = (char *)(uintptr_t) "a job";
	row.metadata = (char *)(uintptr_t) "{}";
	snprintf(row.id, sizeof(row.id), "%s", job_id);
	memcpy(row.epoch, TEST_EPOCH, sizeof(TEST_EPOCH));
	row.seq = seq;
	row.first = 1;
	assert_int_equal(w->ops->job_put(w, &row), STORE_OK);
	assert_int_equal(w->ops->commit(w), STORE_OK);
}

struct event *batch_adds(struct batch *b, const char *job_id, uint64_t seq)
{
	struct event *e = batch_add(b);

	snprintf(e->job_id, sizeof(e->job_id), "%s", job_id);
	memcpy(e->epoch, TEST_EPOCH, sizeof(TEST_EPOCH));
	e->seq = seq;
	e->type = EVENT_COMMAND;
	e->job_status = JOB_IN_PROGRESS;
	e->json_at = b->text.len;
	buf_format(&b->text, "{\"seq\":%llu}", (unsigned long long)seq);
	e->json_len = b->text.len - e->json_at;
	return e;
}

void node_commits(struct bus_node *n, const char *job_id, uint64_t from, uint64_t to)
{
	struct batch *b = batch_create();

	database_has(job_id, to);
	for (uint64_t seq = from; seq <= to; seq++)
		batch_adds(b, job_id, seq);
	n->bus->ops->publish(n->bus, b, NULL);
	batch_release(b);
}
