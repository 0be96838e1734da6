/*
 * Redis as a carrier: its channels (PUBLISH and SUBSCRIBE), and none of its keys, so that any node
 * of a Cluster will do.  A replica will not: see redis_role.h.  Both connections go on to its
 * master, and when they are lost, the replicas are tried, too, of which one may be the next master.
 *
 * A connection that has subscribed can publish nothing, so there are two, which are opened and
 * closed together.  A Redis that is stopped, or a network that drops packets, shows nothing: a
 * probe goes through both connections every CARRIER_PROBE_MS, and one that does not return is as
 * good as a connection that was closed.
 */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "carrier.h"
#include "carrier_pace.h"
#include "joblight/base/list.h"
#include "joblight/base/module.h"
#include "joblight/base/xalloc.h"
#include "node_message.h"
#include "redis_link.h"
#include "redis_resolver.h"
#include "redis_role.h"
#include "redis_tls.h"
#include "redis_url.h"

#define OPEN_MS 2000    /* from the first packet to the first probe that returns */
#define RESOLVE_MS 1000 /* then the addresses that were known before are used */

enum phase { PHASE_WAITING, PHASE_RESOLVING, PHASE_OPENING, PHASE_UP, PHASE_ENDED };

struct redis {
	struct carrier base;
	struct redis_url url;
	struct redis_tls_settings *tls; /* NULL: without TLS */
	char *probe;
	const struct carrier_events *events;
	void *context;
	uv_loop_t *loop;
	struct redis_link subscriber, publisher;
	struct redis_resolver *resolver;  /* NULL: the host is an address */
	struct redis_addresses addresses; /* of the host */
	struct redis_addresses replicas;  /* which the last master had */
	struct redis_addresses master;    /* the next one to connect to, if it has been told */
	size_t next_address;
	uv_timer_t tick;
	uv_prepare_t prepare; /* sends what was added, at the end of a turn of the loop */
	enum phase phase;
	uint64_t phase_ms; /* when it began */
	struct carrier_pace pace;
};

static struct redis *redis_of(struct carrier *c)
{
	return container_of(c, struct redis, base);
}

static void enter(struct redis *r, enum phase phase)
{
	r->phase = phase;
	r->phase_ms = uv_now(r->loop);
}

static void go_down(struct redis *r, const char *cause)
{
	redis_link_close(&r->subscriber);
	redis_link_close(&r->publisher);
	carrier_pace_failed(&r->pace, uv_now(r->loop));
	enter(r, PHASE_WAITING);
	r->events->down(r->context, cause);
}

/* ---- the probe ---- */

/* A master becomes a replica without a word, unless a Sentinel makes it one. */
static void ask_role(struct redis *r)
{
	const struct slice parts[] = { SLICE("ROLE") };

	redis_link_command(&r->publisher, parts, 1);
}

static void send_probe(struct redis *r)
{
	const struct slice parts[] = { SLICE("PUBLISH"), slice_of(r->probe), SLICE("") };

	carrier_pace_probe_sent(&r->pace, uv_now(r->loop));
	redis_link_command(&r->publisher, parts, 3);
	ask_role(r);
}

static void take_probe(struct redis *r)
{
	carrier_pace_probe_returned(&r->pace);
	if (r->phase != PHASE_OPENING)
		return;
	carrier_pace_connected(&r->pace);
	enter(r, PHASE_UP);
	r->events->up(r->context);
}

/* ---- which Redis it is ---- */

/* A Redis without the password that it should have is not the right one. */
static void stay(struct redis *r)
{
	const struct slice parts[] = { SLICE("SUBSCRIBE"), slice_of(r->probe) };

	if (r->subscriber.is_unlocked)
		go_down(r, "Redis refuses the user or the password (ERR)");
	else if (r->phase == PHASE_OPENING && !r->pace.waits_ms)
		redis_link_command(&r->subscriber, parts, 2);
}

static void go_to_master(struct redis *r, const struct redis_addresses *master, const char *what)
{
	char cause[160], host[64] = "a host that is given by name";
	const struct sockaddr *address = (const struct sockaddr *)master->items;

	if (master->count)
		uv_ip_name(address, host, sizeof(host));
	r->master = *master;
	snprintf(cause, sizeof(cause), "%s; its master is at %s", what, host);
	go_down(r, cause);
}

static void ask_sentinel(struct redis *r, const char *name)
{
	const struct slice parts[] = { SLICE("SENTINEL"), SLICE("GET-MASTER-ADDR-BY-NAME"),
		                       slice_of(name) };

	if (*name)
		redis_link_command(&r->publisher, parts, 3);
	else
		go_down(r, "this is a Sentinel that does not watch exactly one master; give the "
		           "address of a Redis");
}

static void take_role(struct redis *r, const struct redis_role *role)
{
	switch (role->kind) {
	case REDIS_MASTER:
		r->replicas = role->others;
		stay(r);
		return;
	case REDIS_REPLICA:
		go_to_master(r, &role->others, "this Redis is a replica");
		return;
	case REDIS_SENTINEL:
		ask_sentinel(r, role->watched);
		return;
	}
}

/* ---- replies ---- */

static struct slice text_of(const redisReply *reply)
{
	return (struct slice){ reply->str, (size_t)reply->len };
}

static bool is_text(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING;
}

/* kind, channel, and a message or a number */
static void take_push(struct redis *r, const redisReply *kind, const redisReply *channel,
                      const redisReply *last)
{
	bool is_probe = slice_is(text_of(channel), r->probe);

	if (slice_is(text_of(kind), "subscribe")) {
		if (is_probe)
			send_probe(r);
		else
			r->events->confirmed(r->context, text_of(channel));
	} else if (slice_is(text_of(kind), "message") && is_text(last)) {
		if (is_probe && !last->len)
			take_probe(r);
		else
			r->events->message(r->context, text_of(channel), text_of(last));
	}
}

/* The text of an error, which may only repeat names of channels. */
static void take_error(struct redis *r, const redisReply *reply)
{
	char cause[160];

	if (redis_role_is_refused(reply->str)) {
		stay(r); /* it is taken for a master */
		return;
	}
	snprintf(cause, sizeof(cause), "Redis answers %.120s", reply->str);
	go_down(r, cause);
}

static void on_reply(struct redis_link *l, const redisReply *reply)
{
	struct redis *r = l->context;
	struct redis_role role;

	if (reply->type == REDIS_REPLY_ERROR)
		take_error(r, reply);
	else if (l == &r->publisher && redis_role_read(&role, reply))
		take_role(r, &role);
	else if (l == &r->publisher && redis_role_read_address(&role.others, reply))
		go_to_master(r, &role.others, "this is a Sentinel");
	else if (l == &r->subscriber && reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 &&
	         is_text(reply->element[0]) && is_text(reply->element[1]))
		take_push(r, reply->element[0], reply->element[1], reply->element[2]);
}

static void on_drained(struct redis_link *l)
{
	struct redis *r = l->context;

	if (r->phase == PHASE_UP && l == &r->subscriber)
		r->events->drained(r->context);
}

static void on_failed(struct redis_link *l, const char *cause)
{
	go_down(l->context, cause);
}

static void on_ready(struct redis_link *l)
{
	struct redis *r = l->context;

	if (r->subscriber.is_ready && r->publisher.is_ready)
		ask_role(r);
}

static const struct redis_link_events link_events = { on_ready, on_reply, on_drained, on_failed };

/* ---- connecting ---- */

/* The master that was told, once; otherwise all in turn. */
static struct sockaddr_storage next_address(struct redis *r)
{
	size_t count = r->addresses.count, at;

	if (r->master.count) {
		r->master.count = 0;
		return r->master.items[0];
	}
	at = r->next_address++ % (count + r->replicas.count);
	return at < count ? r->addresses.items[at] : r->replicas.items[at - count];
}

static void open_links(struct redis *r)
{
	struct sockaddr_storage address = next_address(r);

	enter(r, PHASE_OPENING);
	redis_link_open(&r->subscriber, (const struct sockaddr *)&address);
	if (r->phase == PHASE_OPENING)
		redis_link_open(&r->publisher, (const struct sockaddr *)&address);
}

static void on_resolved(void *context, const struct redis_addresses *addresses, const char *cause)
{
	struct redis *r = context;
	char text[256];

	if (addresses->count)
		r->addresses = *addresses;
	if (r->phase != PHASE_RESOLVING)
		return;
	if (r->addresses.count) {
		open_links(r);
		return;
	}
	snprintf(text, sizeof(text), "the host %.100s is not found: %s", r->url.host, cause);
	go_down(r, text);
}

static void connect_again(struct redis *r)
{
	if (!r->resolver) {
		open_links(r);
		return;
	}
	enter(r, PHASE_RESOLVING);
	redis_resolver_start(r->resolver);
}

/* ---- time ---- */

static void forgive(struct redis *r, uint64_t now)
{
	r->subscriber.heard_ms = r->publisher.heard_ms = now;
	r->phase_ms = now;
}

static bool is_silent(const struct redis *r, uint64_t now)
{
	return carrier_pace_is_silent(&r->pace, r->subscriber.heard_ms, now) ||
	       (r->publisher.awaited &&
	        carrier_pace_is_silent(&r->pace, r->publisher.heard_ms, now));
}

static void look_at_links(struct redis *r, uint64_t now)
{
	if (is_silent(r, now) || carrier_pace_is_lost(&r->pace, now))
		go_down(r, "Redis does not answer");
	else if (carrier_pace_probe_is_due(&r->pace, now))
		send_probe(r);
}

static void tick_resolving(struct redis *r, uint64_t now)
{
	if (now - r->phase_ms < RESOLVE_MS)
		return;
	if (r->addresses.count)
		open_links(r);
	else if (now - r->phase_ms >= OPEN_MS)
		go_down(r, "the name server does not answer");
}

static void on_tick(uv_timer_t *timer)
{
	struct redis *r = timer->data;
	uint64_t now = uv_now(r->loop);

	if (carrier_pace_tick(&r->pace, now))
		forgive(r, now);
	if (r->phase == PHASE_UP)
		look_at_links(r, now);
	else if (r->phase == PHASE_OPENING && now - r->phase_ms >= OPEN_MS)
		go_down(r, r->tls && !r->subscriber.has_heard
		               ? "Redis does not answer; its port may be one without TLS"
		               : "Redis does not answer");
	else if (r->phase == PHASE_RESOLVING)
		tick_resolving(r, now);
	else if (r->phase == PHASE_WAITING && !carrier_pace_left(&r->pace, now))
		connect_again(r);
	if (r->phase == PHASE_WAITING)
		uv_timer_start(&r->tick, on_tick, carrier_pace_left(&r->pace, now),
		               CARRIER_TICK_MS);
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct redis *r = prepare->data;

	redis_link_flush(&r->subscriber);
	redis_link_flush(&r->publisher);
}

/* ---- the functions of a carrier ---- */

static struct carrier *carrier_open(const struct carrier_config *config, char *error,
                                    size_t error_len);

static bool find_literal(struct redis *r)
{
	int port = atoi(r->url.port);
	struct sockaddr_storage *first = &r->addresses.items[0];

	if (uv_ip4_addr(r->url.host, port, (struct sockaddr_in *)first) &&
	    uv_ip6_addr(r->url.host, port, (struct sockaddr_in6 *)first))
		return false;
	r->addresses.count = 1;
	return true;
}

static void carrier_begin(struct carrier *c, uv_loop_t *loop, const struct carrier_events *events,
                          void *context)
{
	struct redis *r = redis_of(c);

	r->loop = loop;
	r->events = events;
	r->context = context;
	redis_link_init(&r->subscriber, loop, &r->url, r->tls, &link_events, r);
	redis_link_init(&r->publisher, loop, &r->url, r->tls, &link_events, r);
	if (!find_literal(r))
		r->resolver = redis_resolver_create(loop, r->url.host, r->url.port, on_resolved, r);
	uv_timer_init(loop, &r->tick);
	uv_prepare_init(loop, &r->prepare);
	r->tick.data = r->prepare.data = r;
	uv_prepare_start(&r->prepare, on_prepare);
	enter(r, PHASE_WAITING);
	uv_timer_start(&r->tick, on_tick, 0, CARRIER_TICK_MS);
}

static bool carrier_publish(struct carrier *c, struct slice channel, struct slice bytes)
{
	struct redis *r = redis_of(c);
	const struct slice parts[] = { SLICE("PUBLISH"), channel, bytes };

	return r->phase == PHASE_UP && redis_link_command(&r->publisher, parts, 3);
}

static void carrier_subscribe(struct carrier *c, struct slice channel)
{
	struct redis *r = redis_of(c);
	const struct slice parts[] = { SLICE("SUBSCRIBE"), channel };

	if (r->phase == PHASE_UP && !redis_link_command(&r->subscriber, parts, 2))
		go_down(r, "Redis does not take what is sent to it");
}

static void carrier_unsubscribe(struct carrier *c, struct slice channel)
{
	struct redis *r = redis_of(c);
	const struct slice parts[] = { SLICE("UNSUBSCRIBE"), channel };

	if (r->phase == PHASE_UP)
		redis_link_command(&r->subscriber, parts, 2);
}

static void carrier_end(struct carrier *c)
{
	struct redis *r = redis_of(c);

	redis_link_flush(&r->publisher);
	enter(r, PHASE_ENDED);
	redis_link_close(&r->subscriber);
	redis_link_close(&r->publisher);
	if (r->resolver)
		redis_resolver_end(r->resolver);
	uv_close((uv_handle_t *)&r->tick, NULL);
	uv_close((uv_handle_t *)&r->prepare, NULL);
}

static void carrier_free(struct carrier *c)
{
	struct redis *r = redis_of(c);

	buf_finish(&r->subscriber.out);
	buf_finish(&r->publisher.out);
	redis_url_finish(&r->url);
	redis_tls_settings_free(r->tls);
	free(r->probe);
	free(r);
}

static const struct carrier_ops redis_carrier = {
	.message_max = NODE_MESSAGE_MAX,
	.open = carrier_open,
	.begin = carrier_begin,
	.publish = carrier_publish,
	.subscribe = carrier_subscribe,
	.unsubscribe = carrier_unsubscribe,
	.end = carrier_end,
	.free = carrier_free,
};

static bool read_files(struct redis *r, const struct carrier_config *config, char *error,
                       size_t error_len)
{
	if (r->url.tls) {
		r->tls = redis_tls_settings_create(config->ca, config->certificate, error,
		                                   error_len);
		return r->tls != NULL;
	}
	if (!config->ca && !config->certificate)
		return true;
	snprintf(error, error_len, "%s: only a bus of rediss:// has TLS",
	         config->ca ? "--bus-ca" : "--bus-certificate");
	return false;
}

static struct carrier *carrier_open(const struct carrier_config *config, char *error,
                                    size_t error_len)
{
	struct redis *r = xcalloc(1, sizeof(*r));

	r->base.ops = &redis_carrier;
	if (redis_url_parse(&r->url, config->location, config->password, error, error_len) &&
	    read_files(r, config, error, error_len)) {
		r->probe = xstrdup(config->probe);
		return &r->base;
	}
	carrier_free(&r->base);
	return NULL;
}

MODULE(carrier, &redis_carrier);
