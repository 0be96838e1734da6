#include "cluster.h"

#include <stdio.h>
#include <stdlib.h>

#include "announce.h"
#include "cluster_state.h"
#include "heads.h"
#include "joblight/base/clock.h"
#include "joblight/base/list.h"
#include "joblight/base/log.h"
#include "joblight/base/log_output.h"
#include "joblight/base/random.h"
#include "joblight/base/thread.h"
#include "joblight/base/xalloc.h"
#include "receive.h"

#define MAIL_MAX 4096                             /* messages for the thread of the bus */
#define MAIL_BYTES_MAX ((size_t)64 * 1024 * 1024) /* of the events in them */
#define TICK_MS 50
#define COUNTS_MS 100   /* between two messages with changed counts */
#define LOST_MS 500     /* between two messages that events were lost */
#define COMPARE_MS 1000 /* with the database, while something is away */
#define COMPARE_ALWAYS_MS 30000

/* What the thread of the bus gets: a batch, or the report of an agent. */
struct cluster_mail {
	struct mail mail;
	struct batch *batch;
	struct presence_report report;
};

static struct cluster *cluster_of(struct bus *b)
{
	return container_of(b, struct cluster, base);
}

static void wake(void *context)
{
	uv_async_send(&((struct cluster *)context)->async);
}

/* ---- the functions of the bus: any thread ---- */

static unsigned join(struct bus *b, const struct bus_member *member)
{
	return members_join(&cluster_of(b)->members, member);
}

static void free_mail(struct cluster_mail *m)
{
	batch_release(m->batch);
	free(m);
}

static bool has_room(struct cluster *c, size_t bytes)
{
	return atomic_fetch_add(&c->mail_bytes, bytes) + bytes <= MAIL_BYTES_MAX;
}

static void post_batch(struct cluster *c, struct batch *batch)
{
	struct cluster_mail *m = xcalloc(1, sizeof(*m));

	batch_hold(batch);
	m->batch = batch;
	if (has_room(c, batch->text.len) && mailbox_post(&c->mail, &m->mail))
		return;
	atomic_fetch_sub(&c->mail_bytes, batch->text.len);
	atomic_store(&c->mail_lost, true);
	metric_add(METRIC_BUS_LOST, batch->count);
	free_mail(m);
}

/* The keyring of a batch replaces every older one: see heads.c. */
static void publish_keyring(struct cluster *c, struct batch *batch, struct op *ops)
{
	pthread_mutex_lock(&c->keys_lock);
	c->keyrings++;
	members_publish(&c->members, batch, ops);
	pthread_mutex_unlock(&c->keys_lock);
}

static void publish(struct bus *b, struct batch *batch, struct op *ops)
{
	struct cluster *c = cluster_of(b);

	if (batch && (batch->count || batch->keyring))
		post_batch(c, batch);
	if (batch && batch->keyring)
		publish_keyring(c, batch, ops);
	else
		members_publish(&c->members, batch, ops);
}

/* An id that is concealed (model.h) means nothing to others. */
static void watchers(struct bus *b, unsigned from, const char *job_id, unsigned count)
{
	struct cluster *c = cluster_of(b);

	members_watchers(&c->members, from, job_id, count);
	if (id_valid(slice_of(job_id)) && watched_set(c->watched, from, job_id, count))
		wake(c);
}

static void follow(struct bus *b, unsigned from, const char *job_id, bool follows)
{
	struct cluster *c = cluster_of(b);

	if (id_valid(slice_of(job_id)) && watched_follow(c->watched, from, job_id, follows))
		wake(c);
}

/* A report that is lost comes again, or expires. */
static void presence(struct bus *b, unsigned from, const struct presence_report *report)
{
	struct cluster *c = cluster_of(b);
	struct cluster_mail *m;

	members_presence(&c->members, from, report);
	if (report->agent[0] && !id_valid(slice_of(report->job_id)))
		return;
	m = xcalloc(1, sizeof(*m));
	m->report = *report;
	if (!mailbox_post(&c->mail, &m->mail))
		free_mail(m);
}

static void health(struct bus *b, struct bus_health *health)
{
	struct cluster *c = cluster_of(b);
	uint64_t now = clock_monotonic_ms();

	pthread_mutex_lock(&c->state_lock);
	health->is_up = c->is_up;
	snprintf(health->text, sizeof(health->text),
	         c->is_up ? "connected for %llu s%.0s" : "away for %llu s: %.200s",
	         (unsigned long long)(now - c->changed_ms) / 1000, c->cause);
	pthread_mutex_unlock(&c->state_lock);
}

/* ---- the thread of the bus ---- */

static void take_report(struct cluster *c, const struct presence_report *report)
{
	uint64_t now = uv_now(&c->loop);

	if (report->agent[0])
		presence_apply(c->agents, report);
	else
		presence_drop_owner(c->agents, report->loop, report->owner);
	announce_report(c, report, now);
}

static void take_batch(struct cluster *c, struct batch *batch)
{
	atomic_fetch_sub(&c->mail_bytes, batch->text.len);
	announce_batch(c, batch);
}

static void take_mail(struct cluster *c)
{
	for (struct mail *m = mailbox_take(&c->mail), *next; m; m = next) {
		struct cluster_mail *mail = container_of(m, struct cluster_mail, mail);
		next = m->next;
		if (mail->batch)
			take_batch(c, mail->batch);
		else
			take_report(c, &mail->report);
		free_mail(mail);
	}
	announce_reports(c);
}

static void take_change(void *context, const char *job_id, unsigned count, bool followed)
{
	struct cluster *c = context;

	if (subscriptions_set(c->subscriptions, job_id, count, followed, uv_now(&c->loop)))
		announce_count(c, job_id, count);
}

/* The first change after a pause is told at once. */
static void tell_counts(struct cluster *c, uint64_t now)
{
	if (!c->counts.len || now - c->counts_ms < COUNTS_MS)
		return;
	c->counts_ms = now;
	announce_counts(c);
}

static void tell_here(struct cluster *c, uint64_t now)
{
	if (!c->is_connected || now - c->here_ms < NODE_HERE_MS)
		return;
	c->here_ms = now;
	announce(c, NODE_HERE);
}

static void tell_lost(struct cluster *c, uint64_t now)
{
	c->has_lost = atomic_exchange(&c->mail_lost, false) || c->has_lost;
	if (!c->has_lost || !c->is_connected || now - c->lost_told_ms < LOST_MS)
		return;
	c->lost_told_ms = now;
	c->has_lost = false;
	announce(c, NODE_LOST);
}

/* What cannot be heard is looked for in the database. */
static void compare(struct cluster *c, uint64_t now)
{
	bool misses_some = !c->is_connected || nodes_miss_one(c->nodes, now);

	if (now - c->compared_ms < (misses_some ? COMPARE_MS : COMPARE_ALWAYS_MS))
		return;
	c->compared_ms = now;
	c->keys_doubted = true;
	subscriptions_doubt(c->subscriptions);
}

static void on_tick(uv_timer_t *timer)
{
	struct cluster *c = timer->data;
	uint64_t now = uv_now(&c->loop);

	presence_tick(c->agents, now);
	nodes_tick(c->nodes, now);
	subscriptions_tick(c->subscriptions, now);
	tell_counts(c, now);
	tell_here(c, now);
	tell_lost(c, now);
	compare(c, now);
	heads_next(c);
}

static void end(struct cluster *c)
{
	announce(c, NODE_BYE);
	metric_set(METRIC_BUS_UP + c->label, 0);
	c->carrier->ops->end(c->carrier);
	uv_close((uv_handle_t *)&c->tick, NULL);
	uv_close((uv_handle_t *)&c->async, NULL);
}

static void on_async(uv_async_t *async)
{
	struct cluster *c = async->data;

	take_mail(c);
	watched_take(c->watched, take_change, c);
	tell_counts(c, uv_now(&c->loop));
	heads_take(c);
	heads_next(c);
	if (atomic_load(&c->stopping))
		end(c);
}

static void *run(void *context)
{
	struct cluster *c = context;

	uv_update_time(&c->loop);
	uv_timer_init(&c->loop, &c->tick);
	c->tick.data = c;
	uv_timer_start(&c->tick, on_tick, TICK_MS, TICK_MS);
	c->carrier->ops->begin(c->carrier, &c->loop, &receive_events, c);
	uv_run(&c->loop, UV_RUN_DEFAULT);
	return NULL;
}

/* ---- start and stop ---- */

static void begin(struct bus *b)
{
	struct cluster *c = cluster_of(b);

	c->has_begun = true;
	thread_start(&c->thread, "bus", run, c);
}

static void free_parts(struct cluster *c)
{
	for (struct mail *m = mailbox_take(&c->mail), *next; m; m = next) {
		next = m->next;
		free_mail(container_of(m, struct cluster_mail, mail));
	}
	heads_finish(c);
	batch_release(c->arrived);
	subscriptions_free(c->subscriptions);
	nodes_free(c->nodes);
	presence_free(c->agents);
	watched_free(c->watched);
	c->carrier->ops->free(c->carrier);
	buf_finish(&c->body);
	buf_finish(&c->message);
	buf_finish(&c->counts);
	buf_finish(&c->reports);
}

static void stop(struct bus *b)
{
	struct cluster *c = cluster_of(b);

	atomic_store(&c->stopping, true);
	if (c->has_begun) {
		wake(c);
		pthread_join(c->thread, NULL);
	} else {
		uv_close((uv_handle_t *)&c->async, NULL);
		uv_run(&c->loop, UV_RUN_DEFAULT);
	}
	if (uv_loop_close(&c->loop))
		log_error("the loop of the bus was not closed cleanly");
	free_parts(c);
	members_finish(&c->members);
	mailbox_finish(&c->mail);
	mailbox_finish(&c->answers);
	pthread_mutex_destroy(&c->keys_lock);
	pthread_mutex_destroy(&c->state_lock);
	free(c);
}

static const struct bus_ops cluster_ops = {
	.name = "cluster",
	.begin = begin,
	.stop = stop,
	.join = join,
	.publish = publish,
	.watchers = watchers,
	.presence = presence,
	.follow = follow,
	.health = health,
};

static void ignore_change(void *context, const char *job_id)
{
	(void)context;
	(void)job_id;
}

static void make_parts(struct cluster *c)
{
	mailbox_init(&c->mail, MAIL_MAX, wake, c);
	mailbox_init(&c->answers, SIZE_MAX, wake, c); /* one read runs at a time */
	pthread_mutex_init(&c->keys_lock, NULL);
	pthread_mutex_init(&c->state_lock, NULL);
	uv_loop_init(&c->loop);
	uv_async_init(&c->loop, &c->async, on_async);
	c->async.data = c;
	c->changed_ms = clock_monotonic_ms();
	snprintf(c->cause, sizeof(c->cause), "it has not connected yet");
	c->watched = watched_create();
	c->subscriptions = subscriptions_create(c->carrier, c->prefix);
	c->nodes = nodes_create(&c->members);
	c->agents = presence_create(SIZE_MAX, ignore_change, NULL);
}

struct bus *cluster_start(const struct carrier_ops *carrier, enum label_BUS label,
                          const struct bus_config *config, char *error, size_t error_len)
{
	struct cluster *c = xcalloc(1, sizeof(*c));
	struct carrier_config carrying = { config->location, config->password, c->own_name,
		                           config->ca, config->certificate };

	c->base.ops = &cluster_ops;
	c->id = random_u64();
	c->label = label;
	c->service = config->service;
	c->first_key = config->first_key;
	snprintf(c->prefix, sizeof(c->prefix), "%s", config->prefix);
	c->own_channel = channel_of_node(c, c->id, c->own_name);
	c->nodes_channel = (struct slice){
		c->nodes_name, (size_t)snprintf(c->nodes_name, CHANNEL_MAX, "%s:nodes", c->prefix)
	};
	c->carrier = carrier->open(&carrying, error, error_len);
	if (c->carrier) {
		make_parts(c);
		return &c->base;
	}
	free(c);
	return NULL;
}
