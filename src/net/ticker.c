#include "ticker.h"

#include <malloc.h>

#include "connection_flow.h"
#include "deadlines.h"
#include "input.h"
#include "joblight/base/clock.h"
#include "loop_private.h"
#include "leaving.h"
#include "socket.h"
#include "transport.h"

#define STILL_MS 1000      /* a tick that is later than that is taken for a standstill */
#define TRIM_MS 1000       /* how often to check whether memory can be returned */
#define TRIM_PAUSE_MS 5000 /* pause after memory was returned */
#define TRIM_MOVES 500     /* minimum of connections added or removed since then */
#define TRIM_SETTLED 50    /* maximum of them since the last check */

/* A client that is still taking the last bytes of an answer gets more time. */
static void closing_expired(struct conn *c)
{
	if (conn_takes(c))
		deadline_set(&c->loop->deadlines.closings, c,
		             c->loop->now + c->loop->limits->write_stall_ms);
	else
		conn_kill(c);
}

/* The client may still be taking the previous answer. */
static void idle_expired(struct conn *c)
{
	if (socket_takes(lws_get_socket_fd(c->wsi), &c->taken))
		deadline_set(&c->loop->deadlines.idles, c,
		             c->loop->now + c->loop->limits->keepalive_ms);
	else
		conn_close(c);
}

static void delay_expired(struct conn *c)
{
	list_move(&c->loop->turn.replies, &c->turn);
}

static void transport_expired(struct conn *c)
{
	c->transport->expired(c);
}

static size_t distance(size_t a, size_t b)
{
	return a > b ? a - b : b - a;
}

/*
 * Many connections that open or close at once leave unused memory in the heap.  It is returned to
 * the system when the number of connections is steady again.
 */
static void trim_memory(struct loop *l)
{
	if (l->now < l->ticker.trim_due)
		return;
	l->ticker.trim_due = l->now + TRIM_MS;
	size_t moved = distance(l->conns.count, l->ticker.seen_count);
	l->ticker.seen_count = l->conns.count;
	if (l->conns.moves < TRIM_MOVES || moved > TRIM_SETTLED)
		return;
	l->conns.moves = 0;
	l->ticker.trim_due = l->now + TRIM_PAUSE_MS;
	malloc_trim(0);
}

static const struct deadline_actions actions = {
	.late = input_late,
	.idle = idle_expired,
	.closing = closing_expired,
	.delayed = delay_expired,
	.transport = transport_expired,
};

/*
 * After the process stood still (SIGSTOP, a suspended machine) clients are not late yet: they get
 * STILL_MS to say what is left.  A loop that is always that busy still ends who is late, half of
 * the time.
 */
static bool stood_still(struct loop *l, uint64_t last_tick)
{
	struct ticker *t = &l->ticker;

	if (last_tick && l->now - last_tick > STILL_MS && l->now >= t->still_until + STILL_MS)
		t->still_until = l->now + STILL_MS;
	return l->now < t->still_until;
}

static void on_tick(uv_timer_t *timer)
{
	struct loop *l = timer->data;
	uint64_t last_tick = l->now;

	l->now = loop_now(l);
	atomic_store(&l->turned_ms, clock_monotonic_ms());
	moving_tick(l);
	if (!stood_still(l, last_tick) && l->moving != MOVING_PAUSED) {
		admission_tick(&l->admission, l->now);
		deadlines_expire(&l->deadlines, l->now, &actions);
		canary_tick(l);
	}
	l->turn.beats = hub_tick(l->hub, l->now);
	attendance_tick(l->attendance, l->now);
	access_tick(l);
	clients_tick(l->loops->clients, l->now);
	refused_tick(&l->refused, l->now);
	trim_memory(l);
}

/* A quarter of the shortest timeout, so that none is late by more than that. */
static uint64_t tick_ms(const struct limits *limits)
{
	uint64_t shortest = limits->heartbeat_ms;

	if (limits->write_stall_ms < shortest)
		shortest = limits->write_stall_ms;
	if (limits->body_timeout_ms < shortest)
		shortest = limits->body_timeout_ms;
	shortest /= 4;
	return shortest < 10 ? 10 : shortest > 250 ? 250 : shortest;
}

void ticker_start(struct loop *l)
{
	uv_timer_init(&l->uv, &l->ticker.timer);
	l->ticker.timer.data = l;
	uv_timer_start(&l->ticker.timer, on_tick, 0, tick_ms(l->limits));
}

void ticker_set_period(struct loop *l)
{
	uv_timer_set_repeat(&l->ticker.timer, tick_ms(l->limits));
}

void ticker_close(struct loop *l)
{
	uv_close((uv_handle_t *)&l->ticker.timer, NULL);
}
