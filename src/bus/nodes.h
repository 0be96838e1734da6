/*
 * The other nodes: which of them live, how many watchers they have, and the agents that report to
 * them.  What changes is told to the loops of this node.  A node that says nothing for
 * NODE_SILENT_MS is taken for dead, and its watchers and agents vanish.  Thread of the bus.
 */
#ifndef JOBLIGHT_BUS_NODES_H
#define JOBLIGHT_BUS_NODES_H

#include "members.h"
#include "node_message.h"

#define NODE_HERE_MS 500 /* between two signs of life */
#define NODE_SILENT_MS 4000
/* A node that says nothing for so long may have committed something that was not heard of. */
#define NODE_DOUBT_MS 1500
/* For so long a silent node may be alive, write, and only not reach the others. */
#define NODE_MISSING_MS ((uint64_t)120 * 1000)

struct nodes;
struct node;

struct nodes *nodes_create(const struct bus_members *members);
void nodes_free(struct nodes *n);

/* Something came from this node.  NULL: there are too many nodes. */
struct node *nodes_hear(struct nodes *n, uint64_t id, uint64_t now_ms);
/* It stops: everything of it vanishes. */
void nodes_leave(struct nodes *n, uint64_t id);
/* The watchers and agents of those that are silent vanish. */
void nodes_tick(struct nodes *n, uint64_t now_ms);
/* Whether there is a node that may be alive without being heard. */
bool nodes_miss_one(const struct nodes *n, uint64_t now_ms);
size_t nodes_count(const struct nodes *n); /* of those that live */

/*
 * The number of a message to all (node_message.h), which has something new or only repeats the last
 * number.  False: something before it was missed.
 */
bool node_follow(struct node *node, uint64_t number, bool is_new);
/* Everything was missed so far, and is to be asked for; at most once a second it is true. */
bool node_may_ask(struct node *node, uint64_t now_ms);

/* Takes the body of NODE_COUNTS; `number` is the one of its head.  False: it is broken. */
bool node_take_counts(struct nodes *n, struct node *node, struct slice body, uint64_t number);
/* The same for NODE_AGENTS. */
bool node_take_agents(struct nodes *n, struct node *node, struct slice body, uint64_t now_ms);

#endif
