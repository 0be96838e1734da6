#include "announce.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/canary.h"

#define PART_BYTES ((size_t)64 * 1024) /* of a message with many records */
#define RECORD_BYTES ((size_t)1024)    /* of the largest record, the head of a message, and more */

/* A message with records is sent when it has more bytes than this. */
static size_t part_bytes(const struct cluster *c)
{
	size_t max = c->carrier->ops->message_max - RECORD_BYTES;

	return max < PART_BYTES ? max : PART_BYTES;
}

struct slice channel_of_node(const struct cluster *c, uint64_t node, char out[CHANNEL_MAX])
{
	int len = snprintf(out, CHANNEL_MAX, "%s:node:%016" PRIx64, c->prefix, node);

	return (struct slice){ out, (size_t)len };
}

/* Sends c->body, and empties it. */
static bool publish(struct cluster *c, struct slice channel, enum node_message_kind kind)
{
	struct node_message m = {
		.kind = (uint8_t)kind,
		.node = c->id,
		.number = c->number,
		.body = buf_as_slice(&c->body),
	};

	c->message.len = 0;
	node_message_write(&c->message, &m);
	c->body.len = 0;
	if (!c->carrier->ops->publish(c->carrier, channel, buf_as_slice(&c->message)))
		return false;
	metric_count(METRIC_BUS_SENT);
	metric_add(METRIC_BUS_SENT_BYTES, c->message.len);
	return true;
}

/* ---- events ---- */

static void send_events(struct cluster *c, const struct batch *b, const struct event *const *at,
                        size_t count)
{
	char channel[CHANNEL_MAX];

	node_events_write(&c->body, b, at, count, c->carrier->ops->message_max);
	if (!publish(c, channel_of_job(c->prefix, at[0]->job_id, channel), NODE_EVENTS)) {
		metric_add(METRIC_BUS_LOST, count);
		c->has_lost = true;
	}
}

/* By job; those of one job stay in their order. */
static int compare(const void *a, const void *b)
{
	const struct event *x = *(const struct event *const *)a;
	const struct event *y = *(const struct event *const *)b;
	int order = strcmp(x->job_id, y->job_id);

	return order ? order : (x > y) - (x < y);
}

static bool follows(const struct event *before, const struct event *e)
{
	return e->seq == before->seq + 1 && !e->deleted && !before->deleted &&
	       strcmp(before->job_id, e->job_id) == 0 && strcmp(before->epoch, e->epoch) == 0;
}

/* As many messages as a message of the largest size can be cut into.  What does not fit into one of
 * the carrier, and what is more, is told as the head of the job, which is then read. */
static void send_job(struct cluster *c, const struct batch *b, const struct event **at,
                     size_t count)
{
	size_t max = c->carrier->ops->message_max;

	for (size_t left = NODE_MESSAGE_MAX / max; count; left--) {
		size_t fit = left > 1 ? node_events_fit(at, count, max) : count;
		if (!fit)
			fit = count;
		send_events(c, b, at, fit);
		at += fit;
		count -= fit;
	}
}

static void send_sorted(struct cluster *c, const struct batch *b, const struct event **at,
                        size_t count)
{
	size_t end;

	for (size_t i = 0; i < count; i = end) {
		end = i + 1;
		while (end < count && follows(at[end - 1], at[end]))
			end++;
		send_job(c, b, at + i, end - i);
	}
}

/* False: it is nothing for a channel.  A job that is not there has no epoch to name. */
static bool is_for_channel(struct cluster *c, const struct event *e)
{
	bool absent = e->is_head && !e->epoch[0];

	c->has_lost = c->has_lost || absent;
	return !absent && !canary_has_name(e->job_id);
}

void announce_batch(struct cluster *c, const struct batch *b)
{
	const struct event **at;
	size_t count = 0;

	if (!c->is_connected) {
		metric_add(METRIC_BUS_LOST, b->count);
		c->has_lost = true;
		return;
	}
	at = xcalloc(b->count + 1, sizeof(const struct event *));
	for (size_t i = 0; i < b->count; i++)
		if (is_for_channel(c, &b->events[i]))
			at[count++] = &b->events[i];
	if (count > 1)
		qsort(at, count, sizeof(const struct event *), compare);
	send_sorted(c, b, at, count);
	free(at);
	if (b->keyring)
		announce(c, NODE_KEYS);
}

/* ---- the node itself ---- */

void announce(struct cluster *c, enum node_message_kind kind)
{
	publish(c, c->nodes_channel, kind);
}

void announce_ask(struct cluster *c, uint64_t node)
{
	char channel[CHANNEL_MAX];

	node_ask_write(&c->body, node);
	publish(c, node ? channel_of_node(c, node, channel) : c->nodes_channel, NODE_ASK);
}

/* ---- changes ---- */

/* A message that is lost has a number, too, so that the others notice. */
static void send_changes(struct cluster *c, struct buf *changes, enum node_message_kind kind)
{
	c->number++;
	buf_slice(&c->body, buf_as_slice(changes));
	changes->len = 0;
	publish(c, c->nodes_channel, kind);
}

void announce_counts(struct cluster *c)
{
	if (c->counts.len)
		send_changes(c, &c->counts, NODE_COUNTS);
}

void announce_reports(struct cluster *c)
{
	if (c->reports.len)
		send_changes(c, &c->reports, NODE_AGENTS);
}

void announce_count(struct cluster *c, const char *job_id, unsigned count)
{
	if (!c->counts.len)
		node_counts_begin(&c->counts, PART_CHANGES);
	node_counts_add(&c->counts, job_id, count);
	if (c->counts.len > part_bytes(c))
		announce_counts(c);
}

void announce_report(struct cluster *c, const struct presence_report *report, uint64_t now_ms)
{
	if (!c->reports.len)
		node_agents_begin(&c->reports, PART_CHANGES);
	node_agents_add(&c->reports, report, now_ms);
	if (c->reports.len > part_bytes(c))
		announce_reports(c);
}

/* ---- everything ---- */

struct telling {
	struct cluster *c;
	struct slice channel;
	uint64_t now_ms;
};

static void tell_count(void *context, const char *job_id, unsigned count)
{
	const struct telling *t = context;
	struct cluster *c = t->c;

	node_counts_add(&c->body, job_id, count);
	if (c->body.len <= part_bytes(c))
		return;
	publish(c, t->channel, NODE_COUNTS);
	node_counts_begin(&c->body, PART_CHANGES);
}

/* The last part is a message of its own, so that it is known when it is written. */
static void tell_counts(struct telling *t)
{
	node_counts_begin(&t->c->body, PART_FIRST);
	subscriptions_each(t->c->subscriptions, tell_count, t);
	publish(t->c, t->channel, NODE_COUNTS);
	node_counts_begin(&t->c->body, PART_LAST);
	publish(t->c, t->channel, NODE_COUNTS);
}

static void tell_report(void *context, const struct presence_report *report)
{
	const struct telling *t = context;
	struct cluster *c = t->c;

	node_agents_add(&c->body, report, t->now_ms);
	if (c->body.len <= part_bytes(c))
		return;
	publish(c, t->channel, NODE_AGENTS);
	node_agents_begin(&c->body, PART_CHANGES);
}

void announce_all(struct cluster *c, uint64_t node)
{
	char channel[CHANNEL_MAX];
	struct telling t = { c, channel_of_node(c, node, channel), uv_now(&c->loop) };

	announce_counts(c); /* what waits is a part of everything */
	announce_reports(c);
	tell_counts(&t);
	node_agents_begin(&c->body, PART_CHANGES);
	presence_each(c->agents, tell_report, &t);
	publish(c, t.channel, NODE_AGENTS);
}
