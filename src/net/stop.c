/* Stopping, in two steps: see loops_close(). */
#include "stop.h"

#include "capacity.h"
#include "deadlines.h"
#include "input.h"
#include "loop_private.h"
#include "leaving.h"
#include "thread_mail.h"
#include "transport.h"

/* A stream or poll that opens later is told when it opens. */
static void close_one(struct conn *c)
{
	switch (c->state) {
	case CONN_STREAM:
	case CONN_SOCKET:
	case CONN_BUSY:
		if (c->transport)
			c->transport->stop(c);
		return;
	case CONN_BODY: /* the store takes no more operations */
		input_refuse(c, &capacity_stopping);
		return;
	case CONN_IDLE:
		if (!conn_is_to_pass(c))
			conn_close(c);
		return;
	default:
		return;
	}
}

static void close_listeners(struct loop *l, bool all)
{
	for (unsigned i = 0; i < l->listener_count; i++)
		if (all || l->listeners[i].listen->kind == LISTEN_PASSED)
			listener_close(&l->listeners[i]);
}

/*
 * New clients are told of the stop.  On a socket that somebody else keeps open they wait for the
 * next server instead.
 */
void loop_close(struct loop *l)
{
	l->stopping = true;
	close_listeners(l, l->moving == MOVING_LEAVING);
	if (l->moving != MOVING_LEAVING)
		admission_close(&l->admission);
	deadlines_shorten(&l->deadlines.bodies, loop_now(l) + deadline_body_ms(l));
	connection_table_each(&l->conns, close_one);
}

static void close_handles(struct loop *l)
{
	close_listeners(l, true);
	admission_close(&l->admission);
	thread_mail_close(l);
	uv_close((uv_handle_t *)&l->async, NULL);
	uv_close((uv_handle_t *)&l->prepare, NULL);
	uv_close((uv_handle_t *)&l->drain, NULL);
	turn_close(l);
	ticker_close(l);
	idle_poll_close(&l->idle_poll);
	lws_context_destroy(l->lws); /* first call: closes what is left, inside the loop */
}

static void on_drain(uv_timer_t *timer)
{
	struct loop *l = timer->data;

	moving_tick(l);
	if (l->conns.count == 0 || loop_now(l) >= l->drain_due)
		close_handles(l);
}

/*
 * Answers have been flushed.  Connections that are still open get until drain_ms, and no deadline
 * is later than that.
 */
void loop_stop(struct loop *l)
{
	l->drain_due = loop_now(l) + l->limits->drain_ms;
	uv_timer_start(&l->drain, on_drain, 10, 10);
}
