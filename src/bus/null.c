/* The bus of a server that is one process: it connects the loops, and nothing leaves the process.
 */
#include <stdlib.h>

#include "backends.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/metric.h"
#include "members.h"

struct null_bus {
	struct bus base;
	struct bus_members members;
};

static void stop(struct bus *base)
{
	struct null_bus *b = (struct null_bus *)base;

	metric_subtract(METRIC_BUS_UP + LABEL_BUS_NULL_BUS, 1);
	members_finish(&b->members);
	free(b);
}

static unsigned join(struct bus *base, const struct bus_member *member)
{
	return members_join(&((struct null_bus *)base)->members, member);
}

static void publish(struct bus *base, struct batch *batch, struct op *ops)
{
	members_publish(&((const struct null_bus *)base)->members, batch, ops);
}

static void watchers(struct bus *base, unsigned from, const char *job_id, unsigned count)
{
	members_watchers(&((const struct null_bus *)base)->members, from, job_id, count);
}

static void presence(struct bus *base, unsigned from, const struct presence_report *report)
{
	members_presence(&((const struct null_bus *)base)->members, from, report);
}

static const struct bus_ops null_ops = {
	.name = "null",
	.stop = stop,
	.join = join,
	.publish = publish,
	.watchers = watchers,
	.presence = presence,
};

struct bus *null_start(const struct bus_config *config, char *error, size_t error_len)
{
	struct null_bus *b = xcalloc(1, sizeof(*b));

	(void)config;
	(void)error;
	(void)error_len;
	b->base.ops = &null_ops;
	metric_count(METRIC_BUS_UP + LABEL_BUS_NULL_BUS);
	return &b->base;
}
