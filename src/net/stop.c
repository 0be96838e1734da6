/* Stopping, in two steps: see loops_close(). */
#include "stop.h"

#include "capacity.h"
#include "deadlines.h"
#include "input.h"
#include "loop_private.h"
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
		conn_close(c);
		return;
	default:
		return;
	}
}

void loop_close(struct loop *l)
{
	l->stopping = true;
	for (unsigned i = 0; i < l->loops->bound_count; i++)
		listener_close(&l->listeners[i]);
	admission_close(&l->admission);
	deadlines_shorten(&l->deadlines.bodies, loop_now(l) + deadline_body_ms(l));
	connection_table_each(&l->conns, close_one);
}

static void close_handles(struct loop *l)
{
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
