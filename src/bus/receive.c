#include "receive.h"

#include "announce.h"
#include "joblight/base/clock.h"
#include "joblight/base/log.h"
#include "heads.h"

#define ARRIVED_BYTES ((size_t)1024 * 1024) /* of events before the loops get them */

/* ---- the connection ---- */

static void set_state(struct cluster *c, bool is_up, const char *cause)
{
	pthread_mutex_lock(&c->state_lock);
	if (c->is_up != is_up)
		c->changed_ms = clock_monotonic_ms();
	c->is_up = is_up;
	snprintf(c->cause, sizeof(c->cause), "%s", cause);
	pthread_mutex_unlock(&c->state_lock);
}

static void on_up(void *context)
{
	struct cluster *c = context;
	const struct carrier_ops *carrier = c->carrier->ops;

	c->is_connected = true;
	carrier->subscribe(c->carrier, c->nodes_channel);
	subscriptions_renew(c->subscriptions);
}

/* The channel of all nodes delivers: now this node hears the answers. */
static void join_nodes(struct cluster *c)
{
	set_state(c, true, "");
	metric_count(METRIC_BUS_CONNECTS);
	metric_set(METRIC_BUS_UP + c->label, 1);
	log_info("the bus is connected");
	announce(c, NODE_HERE);
	announce_ask(c, 0);
	c->keys_doubted = true;
	heads_next(c);
}

static void on_down(void *context, const char *cause)
{
	struct cluster *c = context;
	bool was_told = strcmp(c->cause, cause) == 0; /* only this thread changes it */

	c->is_connected = false;
	c->compared_ms = 0; /* now, and not only after the next second */
	set_state(c, false, cause);
	metric_set(METRIC_BUS_UP + c->label, 0);
	if (!was_told)
		log_warn("the bus is away; events of other nodes are read from the database",
		         "cause", cause);
}

static void on_confirmed(void *context, struct slice channel)
{
	struct cluster *c = context;

	if (channel.len == c->nodes_channel.len &&
	    memcmp(channel.ptr, c->nodes_channel.ptr, channel.len) == 0)
		join_nodes(c);
	else
		subscriptions_confirm(c->subscriptions, channel);
}

/* ---- events ---- */

static void offer_arrived(struct cluster *c)
{
	struct batch *b = c->arrived;

	if (!b)
		return;
	c->arrived = NULL;
	b->committed_us = b->submitted_us = clock_monotonic_us();
	if (!members_offer(&c->members, b))
		subscriptions_doubt(c->subscriptions);
	batch_release(b);
}

static bool take_events(struct cluster *c, const struct node_message *m)
{
	if (!c->arrived)
		c->arrived = batch_create();
	if (!node_events_read(m->body, c->arrived))
		return false;
	if (c->arrived->text.len > ARRIVED_BYTES)
		offer_arrived(c);
	return true;
}

static void on_drained(void *context)
{
	struct cluster *c = context;

	offer_arrived(c);
	heads_next(c);
}

/* ---- the other nodes ---- */

static void ask(struct cluster *c, struct node *node, uint64_t id)
{
	if (node_may_ask(node, uv_now(&c->loop)))
		announce_ask(c, id);
}

/* To all nodes it has the next number; to this node it is an answer to a question. */
static void follow(struct cluster *c, struct node *node, const struct node_message *m, bool to_all)
{
	bool is_new = m->kind == NODE_COUNTS || m->kind == NODE_AGENTS;

	if (to_all && !node_follow(node, m->number, is_new))
		ask(c, node, m->node);
}

static bool take_of_node(struct cluster *c, struct node *node, const struct node_message *m)
{
	switch (m->kind) {
	case NODE_COUNTS:
		return node_take_counts(c->nodes, node, m->body, m->number);
	case NODE_AGENTS:
		return node_take_agents(c->nodes, node, m->body, uv_now(&c->loop));
	case NODE_KEYS:
		c->keys_doubted = true;
		return true;
	case NODE_LOST:
		c->keys_doubted = true;
		subscriptions_doubt(c->subscriptions);
		return true;
	case NODE_ASK:
		if (node_ask_names(m->body, c->id))
			announce_all(c, m->node);
		return true;
	default: /* NODE_HERE */
		return true;
	}
}

static bool take_message(struct cluster *c, const struct node_message *m, bool to_all)
{
	if (m->kind == NODE_EVENTS)
		return take_events(c, m);
	if (m->kind == NODE_BYE) {
		nodes_leave(c->nodes, m->node);
		return true;
	}
	struct node *node = nodes_hear(c->nodes, m->node, uv_now(&c->loop));
	if (!node)
		return false;
	follow(c, node, m, to_all);
	return take_of_node(c, node, m);
}

static void on_message(void *context, struct slice channel, struct slice bytes)
{
	struct cluster *c = context;
	struct node_message m;
	bool to_all = channel.len == c->nodes_channel.len &&
	              memcmp(channel.ptr, c->nodes_channel.ptr, channel.len) == 0;

	metric_count(METRIC_BUS_RECEIVED);
	metric_add(METRIC_BUS_RECEIVED_BYTES, bytes.len);
	switch (node_message_read(bytes, &m)) {
	case NODE_MESSAGE_FOREIGN:
		metric_count(METRIC_BUS_DROPPED + LABEL_DROPPED_FOREIGN);
		return;
	case NODE_MESSAGE_BROKEN:
		metric_count(METRIC_BUS_DROPPED + LABEL_DROPPED_BROKEN);
		return;
	case NODE_MESSAGE_OK:
		break;
	}
	if (m.node == c->id)
		return; /* the loops have it already */
	if (!take_message(c, &m, to_all))
		metric_count(METRIC_BUS_DROPPED + LABEL_DROPPED_BROKEN);
}

const struct carrier_events receive_events = { on_up, on_down, on_confirmed, on_message,
	                                       on_drained };
