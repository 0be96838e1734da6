#include "moving.h"

#include <stdlib.h>
#include <unistd.h>

#include "capacity.h"
#include "connection_flow.h"
#include "input.h"
#include "loop_private.h"
#include "leaving.h"
#include "lws_events.h"
#include "quota.h"
#include "stop.h"
#include "transport.h"

#define AFTER_PAUSE_MS 1000 /* no client is late for so long after a pause */

/* ---- the pause ---- */

static void pause_one(struct conn *c)
{
	if (c->state == CONN_IDLE)
		conn_hold_input(c);
	else if (c->state == CONN_BUSY && c->transport) /* a poll that waits */
		c->transport->stop(c);
}

void loop_pause(struct loop *l)
{
	l->moving = MOVING_PAUSED;
	atomic_store(&l->is_quiet, false);
	for (unsigned i = 0; i < l->listener_count; i++)
		listener_pause(&l->listeners[i]);
	admission_pause(&l->admission);
	connection_table_each(&l->conns, pause_one);
	moving_tick(l);
}

static void resume_one(struct conn *c)
{
	if (c->state == CONN_IDLE)
		input_go_on(c);
}

void loop_resume(struct loop *l)
{
	l->retiring = false;
	if (l->moving != MOVING_PAUSED)
		return;
	l->moving = MOVING_NOT;
	l->ticker.still_until = loop_now(l) + AFTER_PAUSE_MS;
	for (unsigned i = 0; i < l->listener_count; i++)
		listener_resume(&l->listeners[i]);
	admission_resume(&l->admission);
	connection_table_each(&l->conns, resume_one);
}

/* ---- leaving ---- */

void loop_leave(struct loop *l)
{
	l->moving = MOVING_LEAVING;
	moving_tick(l);
	loop_close(l);
}

/* ---- taking ---- */

void moving_adopt(struct loop *l, struct passed_client *p)
{
	struct arrival a = { .fd = p->fd,
		             .listen = &l->loops->bound[p->listen].listen,
		             .consumed = true,
		             .peer = p->peer,
		             .has_header = p->has_header,
		             .has_source = p->has_source,
		             .counted = true };

	capacity_enter(l);
	if (quota_arrive(l, &a.peer, &a.origin) != QUOTA_EXCESS) {
		conn_adopt(l, &a, (struct slice){ p->bytes, p->len });
	} else {
		quota_leave(l, a.origin);
		capacity_leave(l);
		close(p->fd);
	}
	free(p);
}
