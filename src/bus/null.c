/* The bus of a server that is one process: it connects the loops, and nothing leaves the process.
 */
#include <stdlib.h>

#include "backends.h"
#include "joblight/base/xalloc.h"

struct null_bus {
	struct bus base;
	struct bus_member *members;
	unsigned count;
};

static struct bus *start(void)
{
	struct null_bus *b = xcalloc(1, sizeof(*b));

	b->base.ops = &bus_null;
	return &b->base;
}

static void stop(struct bus *base)
{
	struct null_bus *b = (struct null_bus *)base;

	free(b->members);
	free(b);
}

static unsigned join(struct bus *base, const struct bus_member *member)
{
	struct null_bus *b = (struct null_bus *)base;

	b->members = xrealloc(b->members, (b->count + 1) * sizeof(*b->members));
	b->members[b->count] = *member;
	return b->count++;
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

static void publish(struct bus *base, struct batch *batch, struct op *ops)
{
	const struct null_bus *b = (const struct null_bus *)base;

	if (batch && !batch->count && !batch->keyring)
		batch = NULL;
	for (unsigned i = 0; i < b->count; i++) {
		const struct bus_member *member = &b->members[i];
		struct op *own = take_ops(&ops, member);
		if (batch || own)
			member->commit(member->loop, batch, own);
	}
}

static void watchers(struct bus *base, unsigned from, const char *job_id, unsigned count)
{
	const struct null_bus *b = (const struct null_bus *)base;

	for (unsigned i = 0; i < b->count; i++)
		if (i != from)
			b->members[i].watchers(b->members[i].loop, from, job_id, count);
}

static void presence(struct bus *base, unsigned from, const struct presence_report *report)
{
	const struct null_bus *b = (const struct null_bus *)base;

	for (unsigned i = 0; i < b->count; i++)
		if (i != from)
			b->members[i].presence(b->members[i].loop, report);
}

const struct bus_ops bus_null = {
	.name = "null",
	.start = start,
	.stop = stop,
	.join = join,
	.publish = publish,
	.watchers = watchers,
	.presence = presence,
};
