#include "members.h"

#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/metric.h"

void members_finish(struct bus_members *m)
{
	metric_subtract(METRIC_BUS_MEMBERS, m->count);
	free(m->items);
}

unsigned members_join(struct bus_members *m, const struct bus_member *member)
{
	m->items = xrealloc(m->items, (m->count + 1) * sizeof(*m->items));
	m->items[m->count] = *member;
	metric_count(METRIC_BUS_MEMBERS);
	return m->count++;
}

/* Takes the ops of one member out of the list; they keep their order. */
static struct op *take_ops(struct op **ops, const struct bus_member *member)
{
	struct op *taken = NULL, **tail = &taken, **at = ops;

	while (*at) {
		struct op *op = *at;
		if (op->loop != member->loop) {
			at = (struct op **)&op->mail.next;
			continue;
		}
		*at = (struct op *)op->mail.next;
		op->mail.next = NULL;
		*tail = op;
		tail = (struct op **)&op->mail.next;
	}
	return taken;
}

void members_publish(const struct bus_members *m, struct batch *batch, struct op *ops)
{
	if (batch && !batch->count && !batch->keyring)
		batch = NULL;
	for (unsigned i = 0; i < m->count; i++) {
		const struct bus_member *member = &m->items[i];
		struct op *own = take_ops(&ops, member);
		if (!batch && !own)
			continue;
		metric_count(METRIC_BUS_MESSAGES + LABEL_MESSAGE_COMMIT);
		member->commit(member->loop, batch, own);
	}
}

bool members_offer(const struct bus_members *m, struct batch *batch)
{
	bool taken = true;

	for (unsigned i = 0; i < m->count; i++) {
		metric_count(METRIC_BUS_MESSAGES + LABEL_MESSAGE_COMMIT);
		taken = m->items[i].offer(m->items[i].loop, batch) && taken;
	}
	return taken;
}

/* A message to every member but `from`, which may be none of them. */
static void count_messages(const struct bus_members *m, unsigned from, enum label_MESSAGE label)
{
	metric_add(METRIC_BUS_MESSAGES + label, from < m->count ? m->count - 1 : m->count);
}

void members_watchers(const struct bus_members *m, unsigned from, const char *job_id,
                      unsigned count)
{
	count_messages(m, from, LABEL_MESSAGE_WATCHERS);
	for (unsigned i = 0; i < m->count; i++)
		if (i != from)
			m->items[i].watchers(m->items[i].loop, from, job_id, count);
}

void members_presence(const struct bus_members *m, unsigned from,
                      const struct presence_report *report)
{
	count_messages(m, from, LABEL_MESSAGE_PRESENCE);
	for (unsigned i = 0; i < m->count; i++)
		if (i != from)
			m->items[i].presence(m->items[i].loop, report);
}
