/*
 * The messages between nodes.  Each begins with a head: two bytes that tell it from foreign ones,
 * the version, the kind, the node that sent it, a number, and the length of the body.  Within a
 * version, kinds that a node does not know are ignored, and bytes after the known ones of a record
 * or of a body are skipped, so that a newer node can add some.
 *
 * Any bytes may be decoded, also those of others who publish on the same channel.
 */
#ifndef JOBLIGHT_BUS_NODE_MESSAGE_H
#define JOBLIGHT_BUS_NODE_MESSAGE_H

#include "joblight/core/batch.h"
#include "joblight/core/bus.h"
#include "joblight/core/presence.h"

enum node_message_kind {
	NODE_EVENTS = 1, /* on the channel of a job: events of one commit */
	/* on the channel of all nodes, and to one node: */
	NODE_HERE,   /* the node lives */
	NODE_COUNTS, /* numbers of watchers */
	NODE_AGENTS, /* reports of agents */
	NODE_KEYS,   /* keys have changed in the database */
	NODE_LOST,   /* it could not publish some events or NODE_KEYS: look into the database */
	NODE_ASK,    /* tell me everything, if the body names you */
	NODE_BYE,    /* it stops */
};

#define NODE_MESSAGE_MAX ((size_t)1024 * 1024) /* bytes; larger ones are neither sent nor taken */

struct node_message {
	uint8_t kind;
	uint64_t node;
	/* Of the messages with counts and agents that the node has sent to all, this one is the
	 * number; others repeat the last number. */
	uint64_t number;
	struct slice body; /* borrowed */
};

enum node_message_fault {
	NODE_MESSAGE_OK,
	NODE_MESSAGE_FOREIGN, /* not of joblight, of another version, or of an unknown kind */
	NODE_MESSAGE_BROKEN,
};

enum node_message_fault node_message_read(struct slice bytes, struct node_message *m);
void node_message_write(struct buf *out, const struct node_message *m);

/* ---- NODE_EVENTS ---- */

/* How many of these events fit into a message of `max` bytes: the first ones. */
size_t node_events_fit(const struct event *const *at, size_t count, size_t max);
/*
 * Appends the body for `count` events of one job and one epoch with consecutive seqs, which `at`
 * lists; or for a head (is_head).  Those that do not fit into a message of `max` bytes are left
 * out; whoever decodes it gets the head of the job instead.
 */
void node_events_write(struct buf *out, const struct batch *b, const struct event *const *at,
                       size_t count, size_t max);
/*
 * Appends the events to the batch.  Those that were left out, and those from the first one of an
 * unknown type on, become an event with is_head.  False: it is broken, and the batch is unchanged.
 */
bool node_events_read(struct slice body, struct batch *into);

/* ---- NODE_COUNTS ---- */

/* What a message with counts or agents is a part of. */
enum node_part {
	PART_CHANGES = 0,
	PART_FIRST = 1, /* of everything that the node has; what it does not repeat is gone */
	PART_LAST = 2,
};

struct node_count {
	char job_id[ID_MAX + 1];
	uint64_t count;
};

void node_counts_begin(struct buf *out, unsigned parts);
void node_counts_add(struct buf *out, const char *job_id, uint64_t count);

/* ---- NODE_AGENTS ---- */

void node_agents_begin(struct buf *out, unsigned parts);
/* Its due_ms is passed as the rest of time from now on. */
void node_agents_add(struct buf *out, const struct presence_report *report, uint64_t now_ms);

/* A walk over the records of a body of counts or agents. */
struct node_records {
	struct slice left;
	unsigned parts;
	bool bad;
};

/* False: it is broken.  Afterwards each call of next fills a record, until it returns false: at the
 * end, or at a broken record (`bad`). */
bool node_records_begin(struct node_records *r, struct slice body);
bool node_counts_next(struct node_records *r, struct node_count *count);
bool node_agents_next(struct node_records *r, struct presence_report *report, uint64_t now_ms);

/* ---- NODE_ASK ---- */

void node_ask_write(struct buf *out, uint64_t node); /* 0: all nodes */
bool node_ask_names(struct slice body, uint64_t node);

#endif
