#include "turn.h"

#include <stdlib.h>

#include "ask.h"
#include "connection_turn.h"
#include "joblight/base/clock.h"
#include "loop_private.h"
#include "transport.h"

static void on_idle(uv_idle_t *idle)
{
	(void)idle; /* an active idle handle keeps the loop turning */
}

static void run_requests(struct loop *l)
{
	while (!list_empty(&l->turn.requests))
		conn_run_request(container_of(l->turn.requests.next, struct conn, turn));
}

static void flush_replies(struct loop *l)
{
	struct list now;

	list_init(&now);
	while (!list_empty(&l->turn.replies))
		list_move(&now, l->turn.replies.next);
	while (!list_empty(&now)) /* the rest of a large answer waits for the next turn */
		conn_flush_reply(container_of(now.next, struct conn, turn));
}

void turn_free_later(struct loop *l, struct list *block)
{
	list_move(&l->turn.left, block);
}

void turn_free_left(struct loop *l)
{
	while (!list_empty(&l->turn.left)) {
		struct list *block = l->turn.left.next;
		list_remove(block);
		free(block);
	}
}

static void flush_socket(struct conn *c)
{
	list_remove(&c->turn);
	if (c->state == CONN_SOCKET)
		c->transport->flush(c);
}

static void flush_sockets(struct loop *l)
{
	struct list now;

	turn_free_left(l);
	list_init(&now);
	while (!list_empty(&l->turn.sockets))
		list_move(&now, l->turn.sockets.next);
	while (!list_empty(&now)) /* what they cause waits for the next turn */
		flush_socket(container_of(now.next, struct conn, turn));
	if (!list_empty(&l->turn.sockets))
		l->turn.round = true;
}

static void on_pace(uv_timer_t *timer)
{
	((struct loop *)timer->data)->turn.round = true;
}

static void plan_round(struct loop *l)
{
	uint64_t due = hub_round_due(l->hub), now = loop_now(l);

	if (due == UINT64_MAX)
		return;
	due = due > now ? due - now : 0;
	if (!uv_is_active((uv_handle_t *)&l->turn.pace) || uv_timer_get_due_in(&l->turn.pace) > due)
		uv_timer_start(&l->turn.pace, on_pace, due, 0);
}

/* The thread counts for its loop only. */
static struct pace_sample take_sample(void)
{
	return (struct pace_sample){ clock_monotonic_us(), clock_thread_cpu_us(),
		                     metrics_own(METRIC_DELIVERIES),
		                     metrics_own(METRIC_STREAM_WRITES) };
}

/* A busy loop writes to many watchers less often, with more events in each write. */
static void choose_pace(struct loop *l)
{
	if (!pace_is_due(&l->turn.pacing, loop_now(l) * 1000))
		return;
	struct pace_sample now = take_sample();
	hub_set_pace(l->hub, pace_take(&l->turn.pacing, &now));
}

void turn_count(struct loop *l)
{
	if (!l->sent) /* nothing was delivered either */
		return;
	hub_count_deliveries(l->hub);
	metric_add(METRIC_SENT, l->sent);
	l->sent = 0;
}

void turn_end(struct loop *l)
{
	l->turn.ended = loop_now(l);
	run_requests(l);
	flush_replies(l);
	if (l->turn.round) {
		l->turn.round = false;
		choose_pace(l);
		if (hub_round(l->hub, loop_now(l)))
			l->turn.round = true;
		if (hub_has_rounds(l->hub))
			hub_observe_rounds(l->hub, clock_monotonic_us());
		plan_round(l);
	}
	bool more = ask_take_reads(l);
	flush_replies(l); /* replies of polls that were waiting */
	if (l->turn.beats)
		l->turn.beats = hub_tick(l->hub, l->now);
	flush_sockets(l);
	turn_count(l);
	if (l->turn.round || l->turn.beats || more || !list_empty(&l->turn.requests) ||
	    !list_empty(&l->turn.replies))
		uv_idle_start(&l->turn.idle, on_idle);
	else
		uv_idle_stop(&l->turn.idle);
	if (l->kick) {
		l->kick = false;
		lws_cancel_service(l->lws);
	}
}

void turn_init(struct loop *l)
{
	struct turn *t = &l->turn;

	list_init(&t->requests);
	list_init(&t->replies);
	list_init(&t->sockets);
	list_init(&t->left);
	uv_idle_init(&l->uv, &t->idle);
	uv_timer_init(&l->uv, &t->pace);
	t->idle.data = t->pace.data = l;
}

void turn_begin_pacing(struct loop *l)
{
	struct pace_sample now = take_sample(); /* here, in the thread whose CPU time counts */

	pace_init(&l->turn.pacing, l->limits->pace_ms, &now);
	hub_set_pace(l->hub, 0);
}

void turn_close(struct loop *l)
{
	uv_close((uv_handle_t *)&l->turn.idle, NULL);
	uv_close((uv_handle_t *)&l->turn.pace, NULL);
}
