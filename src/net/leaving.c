#include "leaving.h"

#include <poll.h>
#include <stdlib.h>

#include "connection_flow.h"
#include "input.h"
#include "joblight/base/xalloc.h"
#include "loop_private.h"

/* ---- waiting until no request is under way ---- */

/* A request that has begun, and of which no answer is ready yet. */
static bool is_under_way(const struct conn *c)
{
	return c->state == CONN_BODY || (c->state == CONN_BUSY && !c->reply);
}

static void look_at(struct conn *c)
{
	if (is_under_way(c))
		c->loop->under_way++;
}

static void count_under_way(struct loop *l)
{
	l->under_way = 0;
	connection_table_each(&l->conns, look_at);
	atomic_store(&l->is_quiet, !l->under_way && !admission_has_sealed(&l->admission));
}

/* ---- leaving ---- */

static bool pass_arrival(void *loop, const struct arrival *a, struct slice read)
{
	const struct loops *all = ((struct loop *)loop)->loops;
	struct passed_client *p;

	if (read.len > PASSED_BYTES_MAX)
		return false;
	p = xcalloc(1, sizeof(*p) + read.len);
	p->fd = a->fd;
	p->listen = loops_index_of(all, a->listen);
	p->len = (uint32_t)read.len;
	p->peer = a->peer;
	p->has_header = a->has_header;
	p->has_source = a->has_source;
	if (p->len)
		memcpy(p->bytes, read.ptr, p->len);
	bool passed = all->pass(all->pass_context, p);
	free(p);
	return passed;
}

/* As it would arrive now, see quota_adopt(). */
static bool pass(const struct conn *c)
{
	struct arrival a = { .fd = lws_get_socket_fd(c->wsi),
		             .listen = c->listen,
		             .peer = c->peer,
		             .has_header = c->by_proxy,
		             .has_source = c->is_proxy };

	return !conn_is_partial(c) && pass_arrival(c->loop, &a, buf_as_slice(&c->in));
}

/* Nothing is read any more: the bytes that wait belong to the other process. */
static void forget(struct conn *c)
{
	conn_detach(c);
	lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
}

static bool has_input(const struct conn *c)
{
	struct pollfd socket = { .fd = lws_get_socket_fd(c->wsi), .events = POLLIN };

	return poll(&socket, 1, 0) == 1;
}

/* A request that has arrived meanwhile is answered, and the connection then closed. */
static void end_sealed(struct conn *c)
{
	if (has_input(c) || c->in.len)
		input_go_on(c);
	else
		conn_close(c);
}

static void leave_one(struct conn *c)
{
	if (c->state != CONN_IDLE)
		return;
	if (c->tls || c->in.len > PASSED_BYTES_MAX || c->ended)
		end_sealed(c);
	else if (pass(c))
		forget(c);
}

void moving_tick(struct loop *l)
{
	if (l->moving == MOVING_PAUSED)
		count_under_way(l);
	if (l->moving != MOVING_LEAVING)
		return;
	connection_table_each(&l->conns, leave_one); /* those that could not be passed before */
	admission_leave(&l->admission, pass_arrival);
}
