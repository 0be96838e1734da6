#include "nodes.h"

#include <stdlib.h>

#include "joblight/base/hash.h"
#include "joblight/core/metric.h"

#define NODES_MAX 1024
#define ASK_MS 1000

struct node_job {
	char job_id[ID_MAX + 1];
	unsigned count;
	bool is_old; /* it was not repeated yet */
	UT_hash_handle hh;
};

struct node {
	uint64_t id;
	unsigned first; /* the number of its first loop on the bus */
	uint64_t heard_ms;
	bool is_missing; /* nothing of it is known any more, except that it may be alive */
	bool is_synced;
	uint64_t number;   /* of the last message to all */
	uint64_t asked_ms; /* when it was asked for everything; 0: never */
	struct node_job *jobs;
	struct presence *agents;
	UT_hash_handle hh;
};

struct nodes {
	const struct bus_members *members;
	struct node *items;
	size_t missing; /* of them */
	unsigned next_first;
};

struct nodes *nodes_create(const struct bus_members *members)
{
	struct nodes *n = xcalloc(1, sizeof(*n));

	n->members = members;
	n->next_first = BUS_FIRST_REMOTE;
	return n;
}

/* ---- a node ---- */

static void ignore_change(void *context, const char *job_id)
{
	(void)context;
	(void)job_id;
}

static struct node *find(const struct nodes *n, uint64_t id)
{
	struct node *node;

	HASH_FIND(hh, n->items, &id, sizeof(id), node);
	return node;
}

static struct node *add(struct nodes *n, uint64_t id)
{
	struct node *node = xcalloc(1, sizeof(*node));

	node->id = id;
	node->first = n->next_first;
	n->next_first += BUS_LOOPS_MAX;
	if (n->next_first < BUS_FIRST_REMOTE)
		n->next_first = BUS_FIRST_REMOTE; /* after some 60 million nodes */
	node->agents = presence_create(SIZE_MAX, ignore_change, NULL);
	HASH_ADD(hh, n->items, id, sizeof(node->id), node);
	metric_count(METRIC_BUS_NODES);
	return node;
}

static void set_count(const struct nodes *n, struct node *node, const char *job_id, unsigned count)
{
	struct node_job *job;

	HASH_FIND_STR(node->jobs, job_id, job);
	if (!job && !count)
		return;
	if (!job) {
		job = xcalloc(1, sizeof(*job));
		memcpy(job->job_id, job_id, strlen(job_id) + 1);
		HASH_ADD_STR(node->jobs, job_id, job);
	}
	job->is_old = false;
	if (job->count != count)
		members_watchers(n->members, node->first, job_id, count);
	job->count = count;
	if (count)
		return;
	HASH_DEL(node->jobs, job);
	free(job);
}

struct leaving {
	const struct nodes *nodes;
	const struct node *node;
};

/* Agents that report over HTTP have no owner.  They may report to any node, and stay until their
 * report expires. */
static void owner_leaves(void *context, const struct presence_report *report)
{
	const struct leaving *l = context;
	struct presence_report gone = { .owner = report->owner, .loop = report->loop };

	if (report->owner)
		members_presence(l->nodes->members, l->node->first, &gone);
}

/* Its watchers and agents vanish. */
static void forget(struct nodes *n, struct node *node)
{
	struct node_job *job, *next;
	struct leaving leaving = { n, node };

	HASH_ITER(hh, node->jobs, job, next)
		set_count(n, node, job->job_id, 0);
	presence_each(node->agents, owner_leaves, &leaving);
	presence_free(node->agents);
	node->agents = NULL;
	metric_subtract(METRIC_BUS_NODES, 1);
}

static void drop(struct nodes *n, struct node *node)
{
	if (node->is_missing)
		n->missing--;
	else
		forget(n, node);
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): see uthash.h */
	HASH_DEL(n->items, node);
	free(node);
}

void nodes_free(struct nodes *n)
{
	const struct bus_members none = { 0 };
	struct node *node, *next;

	n->members = &none; /* nobody is told any more */
	HASH_ITER(hh, n->items, node, next)
		drop(n, node);
	free(n);
}

/* ---- who lives ---- */

/* NULL: there are too many that live. */
static struct node *add_or_renew(struct nodes *n, struct node *node, uint64_t id)
{
	if (nodes_count(n) >= NODES_MAX)
		return NULL;
	if (node)
		drop(n, node); /* it comes back, and has to tell everything again */
	return add(n, id);
}

struct node *nodes_hear(struct nodes *n, uint64_t id, uint64_t now_ms)
{
	struct node *node = find(n, id);

	if (!node || node->is_missing)
		node = add_or_renew(n, node, id);
	if (node)
		node->heard_ms = now_ms;
	return node;
}

void nodes_leave(struct nodes *n, uint64_t id)
{
	struct node *node = find(n, id);

	if (node)
		drop(n, node);
}

/* More than can be known at once are not remembered: whoever forges names fills no memory. */
static void miss(struct nodes *n, struct node *node)
{
	if (n->missing == NODES_MAX) {
		drop(n, node);
		return;
	}
	forget(n, node);
	node->is_missing = true;
	n->missing++;
}

static void tick_node(struct nodes *n, struct node *node, uint64_t now_ms)
{
	uint64_t silent_ms = now_ms - node->heard_ms;

	if (!node->is_missing)
		presence_tick(node->agents, now_ms);
	if (silent_ms >= NODE_MISSING_MS)
		drop(n, node);
	else if (silent_ms >= NODE_SILENT_MS && !node->is_missing)
		miss(n, node);
}

void nodes_tick(struct nodes *n, uint64_t now_ms)
{
	struct node *node, *next;

	HASH_ITER(hh, n->items, node, next)
		tick_node(n, node, now_ms);
}

bool nodes_miss_one(const struct nodes *n, uint64_t now_ms)
{
	if (n->missing)
		return true;
	for (const struct node *node = n->items; node; node = node->hh.next)
		if (now_ms - node->heard_ms >= NODE_DOUBT_MS)
			return true;
	return false;
}

size_t nodes_count(const struct nodes *n)
{
	return HASH_COUNT(n->items) - n->missing;
}

/* ---- what was missed ---- */

bool node_follow(struct node *node, uint64_t number, bool is_new)
{
	if (!node->is_synced)
		return false;
	node->is_synced = number == node->number + is_new;
	node->number = number;
	return node->is_synced;
}

bool node_may_ask(struct node *node, uint64_t now_ms)
{
	if (node->asked_ms && now_ms - node->asked_ms < ASK_MS)
		return false;
	node->asked_ms = now_ms;
	return true;
}

/* ---- counts and agents ---- */

static void begin_all(struct node *node)
{
	for (struct node_job *job = node->jobs; job; job = job->hh.next)
		job->is_old = true;
}

static void end_all(struct nodes *n, struct node *node, uint64_t number)
{
	struct node_job *job, *next;

	HASH_ITER(hh, node->jobs, job, next)
		if (job->is_old)
			set_count(n, node, job->job_id, 0);
	node->is_synced = true;
	node->number = number;
}

bool node_take_counts(struct nodes *n, struct node *node, struct slice body, uint64_t number)
{
	struct node_records r;
	struct node_count count;

	if (!node_records_begin(&r, body))
		return false;
	if (r.parts & PART_FIRST)
		begin_all(node);
	while (node_counts_next(&r, &count))
		set_count(n, node, count.job_id, (unsigned)count.count);
	if (!r.bad && (r.parts & PART_LAST))
		end_all(n, node, number);
	return !r.bad;
}

static void take_report(const struct nodes *n, struct node *node, struct presence_report *report)
{
	report->loop += node->first;
	if (report->agent[0])
		presence_apply(node->agents, report);
	else
		presence_drop_owner(node->agents, report->loop, report->owner);
	members_presence(n->members, node->first, report);
}

bool node_take_agents(struct nodes *n, struct node *node, struct slice body, uint64_t now_ms)
{
	struct node_records r;
	struct presence_report report;

	if (!node_records_begin(&r, body))
		return false;
	while (node_agents_next(&r, &report, now_ms))
		take_report(n, node, &report);
	return !r.bad;
}
