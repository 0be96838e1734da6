/*
 * The loops of one process on a bus, and how something is told to all of them.  Every bus has them.
 * Any thread, once all have joined.
 */
#ifndef JOBLIGHT_BUS_MEMBERS_H
#define JOBLIGHT_BUS_MEMBERS_H

#include "joblight/core/bus.h"

struct bus_members {
	struct bus_member *items;
	unsigned count;
};

void members_finish(struct bus_members *m);

/* As the functions of struct bus_ops. */
unsigned members_join(struct bus_members *m, const struct bus_member *member);
void members_publish(const struct bus_members *m, struct batch *batch, struct op *ops);
void members_watchers(const struct bus_members *m, unsigned from, const char *job_id,
                      unsigned count);
void members_presence(const struct bus_members *m, unsigned from,
                      const struct presence_report *report);

/* A batch of another node.  False: not every loop has taken it. */
bool members_offer(const struct bus_members *m, struct batch *batch);

#endif
