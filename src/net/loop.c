#include "joblight/net/loop.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "joblight/base/clock.h"
#include "joblight/base/log.h"
#include "joblight/base/xalloc.h"
#include "thread_mail.h"
#include "input.h"
#include "loop_private.h"
#include "socket.h"
#include "transport/sse.h"
#include "transport/poll.h"
#include "transport/websocket.h"

#define STOP_LINGER_MS                                                                             \
	500            /* a stop waits so long for clients that were refused and have not hung up */
#define LONG_TURN_MS 5 /* after this a turn ends in its middle when somebody waits for it */
#define TRIM_MS 1000   /* looks this often whether memory can go back */
#define TRIM_PAUSE_MS 5000 /* and not again for this long when it did */
#define TRIM_MOVES 500     /* connections that came or left since */
#define TRIM_SETTLED 50    /* and no more than this at the last look */
#define TOLD_WHY 64   /* connections beyond the limit that get an answer instead of a plain close */
#define TOLD_SHARE 19 /* or this part of the limit, because they take descriptors too */

/* Deadlines and slots. */

void loop_deadline(struct list *deadlines, struct conn *c, uint64_t due)
{
	c->due = due;
	list_move(deadlines, &c->timer);
}

void loop_no_deadline(struct conn *c)
{
	list_remove(&c->timer);
}

static void grow_slots(struct loop *l)
{
	uint32_t count = l->slot_count ? l->slot_count * 2 : 64;

	l->slots = xrealloc(l->slots, count * sizeof(*l->slots));
	for (uint32_t i = count; i-- > l->slot_count;) {
		l->slots[i] = (struct slot){ .generation = 1, .next_free = l->free_slot };
		l->free_slot = i;
	}
	l->slot_count = count;
}

/* One connection less, wherever it was. */
static void on_left(void *context)
{
	atomic_fetch_sub(&((struct loop *)context)->family->connections, 1);
}

uint64_t loop_add_conn(struct loop *l, struct conn *c)
{
	if (l->free_slot == UINT32_MAX)
		grow_slots(l);
	uint32_t index = l->free_slot;
	struct slot *s = &l->slots[index];
	l->free_slot = s->next_free;
	s->conn = c;
	l->conn_count++;
	l->moves++;
	return (uint64_t)s->generation << 32 | index;
}

void loop_remove_conn(struct loop *l, struct conn *c)
{
	uint32_t index = (uint32_t)c->id;
	struct slot *s = &l->slots[index];

	s->conn = NULL;
	s->generation++;
	s->next_free = l->free_slot;
	l->free_slot = index;
	l->conn_count--;
	l->moves++;
	on_left(l);
}

static uint64_t told_most(const struct limits *limits)
{
	uint64_t share = limits->connections / TOLD_SHARE;

	return share < TOLD_WHY ? share : TOLD_WHY;
}

static unsigned on_refused(void *context)
{
	struct loop *l = context;

	l->counters.refused++;
	return refusals_wait_ms(&l->refusals, loop_now(l));
}

/* One too many is told so, as far as the descriptors that are kept go. */
static void on_accepted(void *context, int fd)
{
	static const struct problem full = {
		.outcome = OUTCOME_OVERLOADED,
		.detail = "the server has as many connections as it may; come back in a moment",
	};
	struct loop *l = context;
	size_t before = atomic_fetch_add(&l->family->connections, 1);

	if (before < l->limits->connections) {
		doorstep_arrive(&l->doorstep, fd);
		return;
	}
	l->counters.full++;
	if (before < l->limits->connections + told_most(l->limits)) {
		doorstep_turn_away(&l->doorstep, fd, &full);
	} else {
		close(fd);
		on_left(l);
	}
}

bool loop_count_stream(struct conn *c)
{
	struct loops *all = c->loop->family;

	if (c->counted)
		return true;
	if (atomic_fetch_add(&all->streams, 1) >= c->loop->limits->streams) {
		atomic_fetch_sub(&all->streams, 1);
		return false;
	}
	c->counted = true;
	return true;
}

void loop_uncount_stream(struct conn *c)
{
	if (c->counted)
		atomic_fetch_sub(&c->loop->family->streams, 1);
	c->counted = false;
}

static const struct problem stopping = {
	.outcome = OUTCOME_STOPPING,
	.detail = "the server is stopping; come back in a moment",
};

bool loop_takes_stream(struct conn *c, struct problem *problem)
{
	struct loop *l = c->loop;

	if (l->stopping)
		return problem_set(problem, stopping.outcome, "%s", stopping.detail);
	if (memory_is_short(&l->family->memory, loop_now(l))) {
		l->counters.short_of_memory++;
		return problem_set(problem, OUTCOME_OVERLOADED,
		                   "the server's memory is full; come back later");
	}
	if (loop_count_stream(c))
		return true;
	l->counters.streams_full++;
	return problem_set(problem, OUTCOME_OVERLOADED,
	                   "the server has as many streams as it may; come back in a moment");
}

static void on_entered(void *context, int fd, struct slice seen)
{
	conn_adopt(context, fd, seen);
}

/* What the hub asks of the loop. */

static bool hub_wants_read(void *context, struct read_request *r)
{
	struct loop *l = context;
	struct conn *c = conn_find(l, r->asker);

	r->loop = l;
	if (!l->service->read(l->service->context, r))
		return false;
	if (c)
		c->reads++;
	return true;
}

void loop_read_is_back(struct loop *l, uint64_t asker)
{
	struct conn *c = conn_find(l, asker);

	if (!c)
		return;
	c->reads--;
	if (c->state == CONN_SOCKET)
		ws_wake(c); /* it may be read from again */
}

static void hub_wants_round(void *context)
{
	((struct loop *)context)->round = true;
}

static void hub_tells_watchers(void *context, const char *job_id, unsigned count)
{
	const struct loop *l = context;

	crowd_changed(l->crowd, job_id);
	for (unsigned i = 0; i < l->family->count; i++)
		if (i != l->index)
			inbox_post_note(&l->family->all[i], NOTE_WATCHERS, job_id, l->index, count);
}

static const struct hub_ops hub_ops = { hub_wants_read, hub_wants_round, hub_tells_watchers };

/* Stopping. */

/* A stream or a poll that is opened later learns of the stop then. */
static void close_one(struct conn *c)
{
	switch (c->state) {
	case CONN_STREAM:
		stream_say_goodbye(c);
		return;
	case CONN_SOCKET:
		ws_close_for_stop(c);
		return;
	case CONN_BUSY:
		if (updates_is_poll(c))
			updates_answer_now(c);
		return;
	case CONN_BODY: /* the store takes nothing any more */
		input_refuse(c, &stopping);
		return;
	case CONN_IDLE:
		conn_close(c);
		return;
	default:
		return;
	}
}

uint64_t loop_body_ms(const struct loop *l)
{
	uint64_t usual = l->limits->body_timeout_ms;

	return l->stopping && usual > STOP_LINGER_MS ? STOP_LINGER_MS : usual;
}

/* Those that linger already have no longer than those that begin now. */
static void shorten_bodies(struct loop *l)
{
	uint64_t due = loop_now(l) + loop_body_ms(l);

	for (struct list *at = l->bodies.next; at != &l->bodies; at = at->next) {
		struct conn *c = container_of(at, struct conn, timer);
		if (c->due > due)
			c->due = due;
	}
}

void loop_close(struct loop *l)
{
	l->stopping = true;
	listener_close(&l->listener);
	doorstep_close(&l->doorstep);
	shorten_bodies(l);
	for (uint32_t i = 0; i < l->slot_count; i++)
		if (l->slots[i].conn)
			close_one(l->slots[i].conn);
}

static void close_handles(struct loop *l)
{
	uv_handle_t *handles[] = { (uv_handle_t *)&l->async, (uv_handle_t *)&l->prepare,
		                   (uv_handle_t *)&l->idle,  (uv_handle_t *)&l->tick,
		                   (uv_handle_t *)&l->drain, (uv_handle_t *)&l->pace };

	for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++)
		if (!uv_is_closing(handles[i]))
			uv_close(handles[i], NULL);
	hangups_close(&l->hangups);
	lws_context_destroy(l->lws); /* first call: closes what is left, inside the loop */
}

static void on_drain(uv_timer_t *timer)
{
	struct loop *l = timer->data;

	if (l->conn_count == 0 || loop_now(l) >= l->drain_due)
		close_handles(l);
}

/* Answers are flushed by now; what is still open gets until drain_ms, and no deadline of its own is
 * longer for it. */
void loop_stop(struct loop *l)
{
	l->drain_due = loop_now(l) + l->limits->drain_ms;
	uv_timer_start(&l->drain, on_drain, 10, 10);
}

/* The end of each turn: answers, then a round of deliveries; again at once while there is more. */

static void on_idle(uv_idle_t *idle)
{
	(void)idle; /* its being there keeps the loop turning */
}

static void run_requests(struct loop *l)
{
	while (!list_empty(&l->requests))
		conn_run_request(container_of(l->requests.next, struct conn, turn));
}

static void flush_replies(struct loop *l)
{
	struct list now;

	list_init(&now);
	while (!list_empty(&l->replies))
		list_move(&now, l->replies.next);
	while (!list_empty(&now)) /* what is left of a large one is for the next turn */
		conn_flush_reply(container_of(now.next, struct conn, turn));
}

static void flush_sockets(struct loop *l)
{
	struct list now;

	ws_free_left(l);
	list_init(&now);
	while (!list_empty(&l->sockets))
		list_move(&now, l->sockets.next);
	while (!list_empty(&now)) /* what they cause is for the next turn */
		ws_flush(container_of(now.next, struct conn, turn));
	if (!list_empty(&l->sockets))
		l->round = true;
}

static void on_pace(uv_timer_t *timer)
{
	((struct loop *)timer->data)->round = true;
}

static void plan_round(struct loop *l)
{
	uint64_t due = hub_round_due(l->hub), now = loop_now(l);

	if (due != UINT64_MAX && !uv_is_active((uv_handle_t *)&l->pace))
		uv_timer_start(&l->pace, on_pace, due > now ? due - now : 0, 0);
}

static struct pace_sample take_sample(const struct loop *l)
{
	struct hub_stats stats = hub_stats(l->hub);

	return (struct pace_sample){ clock_monotonic_us(), clock_thread_cpu_us(), stats.deliveries,
		                     stats.writes };
}

/* A busy loop writes to many watchers at longer intervals, with more events in each write. */
static void choose_pace(struct loop *l)
{
	if (!pace_is_due(&l->pacing, loop_now(l) * 1000))
		return;
	struct pace_sample now = take_sample(l);
	hub_set_pace(l->hub, pace_take(&l->pacing, &now));
}

static void end_turn(struct loop *l)
{
	l->turned = loop_now(l);
	run_requests(l);
	flush_replies(l);
	if (l->round) {
		l->round = false;
		choose_pace(l);
		if (hub_round(l->hub, loop_now(l)))
			l->round = true;
		plan_round(l);
	}
	bool more = inbox_take_reads(l);
	flush_replies(l); /* of polls that were waiting */
	if (l->beats)
		l->beats = hub_tick(l->hub, l->now);
	flush_sockets(l);
	if (l->round || l->beats || more || !list_empty(&l->requests) || !list_empty(&l->replies))
		uv_idle_start(&l->idle, on_idle);
	else
		uv_idle_stop(&l->idle);
	if (l->kick) {
		l->kick = false;
		lws_cancel_service(l->lws);
	}
}

static void on_prepare(uv_prepare_t *prepare)
{
	end_turn(prepare->data);
}

static bool turn_is_long(const struct loop *l)
{
	return loop_now(l) - l->turned > LONG_TURN_MS;
}

void loop_hurry(struct loop *l)
{
	if (turn_is_long(l))
		uv_async_send(&l->async);
}

/* Time. */

static void expire(struct loop *l, struct list *deadlines, void (*expired)(struct conn *))
{
	while (!list_empty(deadlines)) {
		struct conn *c = container_of(deadlines->next, struct conn, timer);
		if (c->due > l->now)
			return;
		list_remove(&c->timer);
		expired(c);
	}
}

/* Whoever still takes the last bytes of an answer has more time. */
static void closing_expired(struct conn *c)
{
	if (conn_takes(c))
		loop_deadline(&c->loop->closings, c,
		              c->loop->now + c->loop->limits->write_stall_ms);
	else
		conn_kill(c);
}

/* The answer before may still be on its way. */
static void idle_expired(struct conn *c)
{
	if (socket_takes(lws_get_socket_fd(c->wsi), &c->taken))
		loop_deadline(&c->loop->idles, c, c->loop->now + c->loop->limits->keepalive_ms);
	else
		conn_close(c);
}

static void expire_beats(struct loop *l)
{
	while (!list_empty(&l->beats_due)) {
		struct conn *c = container_of(l->beats_due.next, struct conn, timer);
		if (c->due > l->now)
			return;
		list_remove(&c->timer);
		ws_tick(c, l->now);
	}
}

static size_t distance(size_t a, size_t b)
{
	return a > b ? a - b : b - a;
}

/*
 * A crowd that came or left leaves free memory between what stays; the system gets it back when the
 * crowd has settled.
 */
static void trim_memory(struct loop *l)
{
	if (l->now < l->trim_due)
		return;
	l->trim_due = l->now + TRIM_MS;
	size_t moved = distance(l->conn_count, l->seen_count);
	l->seen_count = l->conn_count;
	if (l->moves < TRIM_MOVES || moved > TRIM_SETTLED)
		return;
	l->moves = 0;
	l->trim_due = l->now + TRIM_PAUSE_MS;
	malloc_trim(0);
}

static void on_tick(uv_timer_t *timer)
{
	struct loop *l = timer->data;

	l->now = loop_now(l);
	doorstep_tick(&l->doorstep, l->now);
	expire(l, &l->heads, input_late);
	expire(l, &l->bodies, input_late);
	expire(l, &l->idles, idle_expired);
	expire(l, &l->closings, closing_expired);
	expire(l, &l->messages, ws_message_overdue);
	expire_beats(l);
	for (size_t i = 1; i <= WAIT_SECONDS_MAX; i++)
		expire(l, &l->waits[i], updates_answer_now);
	l->beats = hub_tick(l->hub, l->now);
	crowd_tick(l->crowd, l->now);
	trim_memory(l);
}

/* A quarter of the shortest delay that matters, so that none is late by more. */
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

/* Making and running. */

#define HEAD_BYTES 16000 /* read at a time of what is no WebSocket; lws has a buffer of 16 KiB */
#define RECEIVE_BYTES                                                                              \
	128 /* lws keeps so much for each WebSocket, and a ping must fit; messages come in such    \
	       pieces */

/* The first is that of a WebSocket that names no subprotocol; the last, of connections that we read
 * (conn.c): no client can ask for a name with a space. */
static const struct lws_protocols protocols[] = {
	{ "joblight", conn_callback, 0, RECEIVE_BYTES, 0, NULL, 65536 },
	{ "joblight.v1", conn_callback, 0, RECEIVE_BYTES, 0, NULL, 65536 },
	{ "joblight raw", conn_callback, 0, HEAD_BYTES, 0, NULL, 65536 },
	{ NULL, NULL, 0, 0, 0, NULL, 0 },
};

/* No `.protocol` in it: with one, input is never read while a request runs, and hang-ups spin. */
static const struct lws_http_mount mount = {
	.mountpoint = "/",
	.mountpoint_len = 1,
	.origin = "joblight",
	.origin_protocol = LWSMPRO_CALLBACK,
};

static const lws_retry_bo_t
    no_validity_checks; /* zeroed: lws sets no timers of its own on streams */

static bool make_context(struct loop *l)
{
	void *uv = &l->uv;
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN_SERVER,
		.protocols = protocols,
		.mounts = &mount,
		.user = l,
		.pcontext = &l->lws,
		.foreign_loops = &uv,
		.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
		           LWS_SERVER_OPTION_VALIDATE_UTF8 |
		           LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME,
		.pt_serv_buf_size = 16384,
		.timeout_secs = (unsigned int)(l->limits->header_timeout_ms / 1000),
		.timeout_secs_ah_idle = (unsigned int)(l->limits->header_timeout_ms / 1000),
		.keepalive_timeout = (int)(l->limits->keepalive_ms / 1000),
		.retry_and_idle_policy = &no_validity_checks,
		.alpn = "http/1.1",
		.vhost_name = "joblight",
	};

	l->lws = lws_create_context(&info);
	l->vhost = l->lws ? lws_create_vhost(l->lws, &info) : NULL;
	return l->vhost != NULL;
}

static void init_lists(struct loop *l)
{
	list_init(&l->requests);
	list_init(&l->replies);
	list_init(&l->sockets);
	list_init(&l->left);
	list_init(&l->beats_due);
	list_init(&l->messages);
	list_init(&l->heads);
	list_init(&l->bodies);
	list_init(&l->idles);
	list_init(&l->closings);
	for (size_t i = 0; i <= WAIT_SECONDS_MAX; i++)
		list_init(&l->waits[i]);
	inbox_init(l);
}

/*
 * libuv takes up to 48 times 1024 events before it comes to its prepare handles, and ten thousand
 * hang-ups are so many.  What others posted or asked for meanwhile does not wait for the last of
 * them.
 */
static void on_async(uv_async_t *async)
{
	struct loop *l = async->data;

	inbox_take(l);
	if (turn_is_long(l))
		end_turn(l);
}

static void init_handles(struct loop *l)
{
	uv_loop_init(&l->uv);
	uv_async_init(&l->uv, &l->async, on_async);
	uv_prepare_init(&l->uv, &l->prepare);
	uv_idle_init(&l->uv, &l->idle);
	uv_timer_init(&l->uv, &l->tick);
	uv_timer_init(&l->uv, &l->drain);
	uv_timer_init(&l->uv, &l->pace);
	l->async.data = l->prepare.data = l->idle.data = l->tick.data = l->drain.data =
	    l->pace.data = l;
	uv_prepare_start(&l->prepare, on_prepare);
	uv_timer_start(&l->tick, on_tick, 0, tick_ms(l->limits));
}

void *loop_run(void *context)
{
	struct loop *l = context;
	struct pace_sample now = take_sample(l); /* here, because the time is the thread's */

	pace_init(&l->pacing, l->limits->pace_ms, &now);
	hub_set_pace(l->hub, 0);
	uv_run(&l->uv, UV_RUN_DEFAULT);
	if (l->lws)
		lws_context_destroy(l->lws); /* second call: finishes it */
	uv_run(&l->uv, UV_RUN_DEFAULT);
	int left = uv_loop_close(&l->uv);
	if (left)
		log_error("a loop was not closed cleanly", "cause", uv_strerror(left));
	return NULL;
}

bool loop_init(struct loops *all, unsigned index, int fd, char *error, size_t error_len)
{
	struct loop *l = &all->all[index];

	*l = (struct loop){
		.limits = all->config.limits,
		.service = all->config.service,
		.pages = all->config.pages,
		.family = all,
		.index = index,
		.free_slot = UINT32_MAX,
	};
	init_lists(l);
	init_handles(l);
	l->hub = hub_create(l->limits, &hub_ops, l);
	l->crowd = crowd_create(l);
	if (!hangups_init(&l->hangups, &l->uv, conn_hung_up, l)) {
		snprintf(error, error_len, "the system gives no epoll descriptor");
		return false;
	}
	if (!make_context(l)) {
		snprintf(error, error_len,
		         "libwebsockets cannot start; is libwebsockets-evlib-uv installed?");
		return false;
	}
	doorstep_init(&l->doorstep, &l->uv, l->limits, on_entered, on_left, l);
	l->doorstep.refused = on_refused;
	listener_start(&l->listener, &l->uv, fd, on_accepted, l);
	return true;
}

void loop_finish(struct loop *l)
{
	hub_free(l->hub);
	crowd_free(l->crowd);
	doorstep_finish(&l->doorstep);
	hangups_finish(&l->hangups);
	free(l->slots);
	ws_free_left(l);
	inbox_finish(l);
}
