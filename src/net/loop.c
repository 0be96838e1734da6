#include "joblight/net/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ask.h"
#include "capacity.h"
#include "joblight/base/log.h"
#include "dispatch.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/canary.h"
#include "loop_private.h"
#include "lws_context.h"
#include "lws_events.h"
#include "quota.h"
#include "request_record.h"
#include "thread_mail.h"
#include "thread_mail_take.h"

/* Accepting connections. */

static unsigned on_refused(void *context)
{
	struct loop *l = context;

	metric_count(METRIC_REFUSED_STREAMS);
	return refusals_wait_ms(&l->refusals, loop_now(l));
}

static void on_entered(void *context, const struct arrival *a, struct slice seen)
{
	conn_adopt(context, a, seen);
}

static void on_left(void *context, const struct arrival *a)
{
	quota_leave(context, a->origin);
	capacity_leave(context);
}

static bool on_counted(void *context, struct arrival *a)
{
	enum quota_verdict v = quota_arrive(context, &a->peer, &a->origin);

	a->full = v == QUOTA_FULL ? &quota_connections_full : a->full;
	return v != QUOTA_EXCESS;
}

static void on_accepted(void *context, const struct listen *listen, int fd)
{
	static const struct problem full = {
		.outcome = OUTCOME_OVERLOADED,
		.detail = "the server has the maximum number of connections; try again in a moment",
	};
	struct loop *l = context;

	metric_count(METRIC_ACCEPTED);
	switch (capacity_enter(l)) {
	case CAPACITY_FREE:
		if (l->stopping)
			admission_reject(&l->admission, fd, listen, &capacity_stopping);
		else
			admission_arrive(&l->admission, fd, listen);
		return;
	case CAPACITY_FULL:
		admission_reject(&l->admission, fd, listen, &full);
		return;
	case CAPACITY_EXCESS:
		close(fd);
		capacity_leave(l);
	}
}

/* Callbacks of the hub. */

static bool hub_wants_read(void *context, struct read_request *r)
{
	return ask_read_of_hub(context, r);
}

static void hub_wants_round(void *context)
{
	((struct loop *)context)->turn.round = true;
}

static void hub_tells_watchers(void *context, const char *job_id, unsigned count)
{
	const struct loop *l = context;

	if (strcmp(job_id, CANARY_JOB) == 0)
		return;
	attendance_changed(l->attendance, job_id);
	l->bus->ops->watchers(l->bus, l->peer, job_id, count);
}

static void hub_follows(void *context, const char *job_id, bool follows)
{
	const struct loop *l = context;

	if (l->bus->ops->follow && strcmp(job_id, CANARY_JOB) != 0)
		l->bus->ops->follow(l->bus, l->peer, job_id, follows);
}

static const struct hub_ops hub_ops = { hub_wants_read, hub_wants_round, hub_tells_watchers,
	                                hub_follows };

static void on_prepare(uv_prepare_t *prepare)
{
	turn_end(prepare->data);
}

/* Creating and running. */

/*
 * libuv takes up to 48 times 1024 events before it calls its prepare handles, which is enough for
 * ten thousand hang-ups.  Mail and requests must not wait until all of them are handled, so a turn
 * ends here, too.
 */
static void on_async(uv_async_t *async)
{
	struct loop *l = async->data;

	thread_mail_take(l);
	if (loop_turn_is_long(l))
		turn_end(l);
}

static void init_handles(struct loop *l)
{
	uv_loop_init(&l->uv);
	uv_async_init(&l->uv, &l->async, on_async);
	uv_prepare_init(&l->uv, &l->prepare);
	uv_timer_init(&l->uv, &l->drain);
	l->async.data = l->prepare.data = l->drain.data = l;
	uv_prepare_start(&l->prepare, on_prepare);
	turn_init(l);
	ticker_start(l);
}

void *loop_run(void *context)
{
	struct loop *l = context;

	turn_begin_pacing(l);
	uv_run(&l->uv, UV_RUN_DEFAULT);
	if (l->lws)
		lws_context_destroy(l->lws); /* the second call completes it */
	uv_run(&l->uv, UV_RUN_DEFAULT);
	turn_count(l);
	int left = uv_loop_close(&l->uv);
	if (left)
		log_error("a loop was not closed cleanly", "cause", uv_strerror(left));
	return NULL;
}

static void on_add_lines(void *loop, const struct request *r, struct buf *lines)
{
	const struct loop *l = loop;

	l->dispatch->add_lines(l->settings->context, r, lines);
}

static void on_answered(void *loop, const struct arrival *a, const struct request *r,
                        enum outcome o)
{
	record_arrival(loop, a, r, o);
}

static void start_admission(struct loop *l)
{
	struct admission *d = &l->admission;

	admission_init(d, &l->uv, l->limits, l);
	d->enter = on_entered;
	d->count = on_counted;
	d->gone = on_left;
	d->refused = on_refused;
	d->add_lines = on_add_lines;
	d->answered = on_answered;
	d->certificates = &l->certificates;
	d->sealed = &l->sealed;
}

/* The most that a loop can have. */
static size_t listeners_of(const struct loops *all)
{
	size_t count = all->bound_count;

	for (unsigned i = 0; i < all->bound_count; i++)
		count += all->bound[i].inherited ? all->bound[i].inherited->count : 0;
	return count;
}

bool loop_init(struct loops *all, unsigned index, char *error, size_t error_len)
{
	struct loop *l = &all->items[index];

	*l = (struct loop){
		.own_limits = *all->config.limits,
		.limits = &l->own_limits,
		.service = all->config.service,
		.dispatch = all->config.dispatch,
		.loops = all,
		.bus = all->config.bus,
		.keyring = keyring_hold(all->config.keyring),
		.issuer = issuer_hold(all->config.issuer),
		.next_end = INT64_MAX,
		.certificates = certificates_hold(all->config.certificates),
		.listeners = xcalloc(listeners_of(all), sizeof(*l->listeners)),
	};
	connection_table_init(&l->conns);
	deadlines_init(&l->deadlines);
	thread_mail_init(l);
	init_handles(l);
	thread_mail_join(l);
	l->hub = hub_create(l->limits, &hub_ops, l);
	l->attendance = attendance_create(l);
	canary_watch_start(l);
	if (!idle_poll_init(&l->idle_poll, &l->uv, conn_hung_up, l)) {
		snprintf(error, error_len, "the system gives no epoll descriptor");
		return false;
	}
	if (!lws_context_make(l)) {
		snprintf(error, error_len,
		         "libwebsockets cannot start; is libwebsockets-evlib-uv installed?");
		return false;
	}
	start_admission(l);
	loop_take_settings(l, all->config.settings);
	return true;
}

void loop_listen(struct loop *l, unsigned index, int fd)
{
	listener_start(&l->listeners[l->listener_count++], &l->uv, fd,
	               &l->loops->bound[index].listen, on_accepted, l);
}

void loop_finish(struct loop *l)
{
	refused_tick(&l->refused, UINT64_MAX);
	canary_watch_finish(l);
	hub_free(l->hub);
	credential_cache_clear(&l->credentials);
	keyring_release(l->keyring);
	issuer_release(l->issuer);
	loop_settings_release(l->settings);
	certificates_release(l->certificates);
	buf_finish(&l->sealed);
	free(l->listeners);
	attendance_free(l->attendance);
	admission_finish(&l->admission);
	idle_poll_finish(&l->idle_poll);
	connection_table_finish(&l->conns);
	turn_free_left(l);
	thread_mail_finish(l);
}
