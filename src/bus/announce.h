/* What a node tells the others.  Thread of the bus. */
#ifndef JOBLIGHT_BUS_ANNOUNCE_H
#define JOBLIGHT_BUS_ANNOUNCE_H

#include "cluster_state.h"

/* Publishes the events of a batch, one message for each job, and that keys have changed. */
void announce_batch(struct cluster *c, const struct batch *b);

/* Messages without a body. */
void announce(struct cluster *c, enum node_message_kind kind);
/* Asks this node for everything; 0: all nodes. */
void announce_ask(struct cluster *c, uint64_t node);
/* Tells this node all counts and agents. */
void announce_all(struct cluster *c, uint64_t node);

/* Collect changes, and tell what was collected. */
void announce_count(struct cluster *c, const char *job_id, unsigned count);
void announce_counts(struct cluster *c);
void announce_report(struct cluster *c, const struct presence_report *report, uint64_t now_ms);
void announce_reports(struct cluster *c);

/* The name of the channel of one node. */
struct slice channel_of_node(const struct cluster *c, uint64_t node, char out[CHANNEL_MAX]);

#endif
