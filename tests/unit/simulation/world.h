/*
 * The server without its threads: one store, one engine, one or several hubs, and between them the
 * queues, whose delays are the dice's.
 *
 *      world_commit ─> queue of each node ─> world_deliver ─> hub_publish
 *      hub asks ─> questions ─> world_answer (the store is read) ─> world_hand_back ─> the hub
 *
 * Each arrow is a step of its own, so that anything may happen between two of them.
 */
#ifndef JOBLIGHT_TESTS_WORLD_H
#define JOBLIGHT_TESTS_WORLD_H

#include "dice.h"
#include "joblight/core/engine.h"
#include "joblight/core/hub.h"
#include "joblight/core/metric.h"
#include "joblight/store/backend.h"
#include "life.h"
#include "verdict.h"

#define NODES_MOST 3
#define JOBS_MOST 4
#define HISTORY 8

struct world;

/* Batches on their way to one hub. */
struct queue {
	struct batch **all;
	size_t count, cap;
};

/* What one hub told of its watchers, on its way to the others. */
struct told {
	char job_id[ID_MAX + 1];
	unsigned count;
};

/* One loop of the server. */
struct node {
	struct world *world;
	unsigned number;
	struct hub *hub;
	uint64_t now; /* what its clock said last */
	struct queue queue;
	struct batch *history[HISTORY]; /* published lately, for those that come twice */
	bool woken;                     /* the hub asked for a round */
	bool loses;                     /* a bus that loses, doubles and reorders what it carries */
	struct told told[JOBS_MOST];
	unsigned ephemeral[JOBS_MOST]; /* messages that are not logged, so far */
	uint64_t events;               /* delivered to its clients, by their own count */
};

struct question {
	struct read_request *request;
	struct node *node;
	bool answered;
};

struct world {
	struct dice dice;
	struct limits limits;
	struct database *db;
	struct store *writer, *reader;
	struct engine *engine;
	struct life *lives;
	struct node nodes[NODES_MOST];
	unsigned node_count, job_count;
	struct question *questions;
	size_t question_count, question_cap;
	bool faults; /* reads are refused, reads fail, batches are lost */
	unsigned fault_percent;
	unsigned failed_reads; /* so many were, in all */
	uint64_t now;          /* monotonic */
	int64_t wall;
	uint64_t step;
	uint64_t deliveries_before; /* as METRIC_DELIVERIES was at the start */
};

void world_create(struct world *w, uint64_t seed);
void world_finish(struct world *w); /* the hubs are gone by then */
void world_close_hubs(struct world *w);

/* One transaction of random operations. */
void world_commit(struct world *w);
/* One event for each job that has not ended, so that whatever a bus lost comes to light. */
void world_nudge(struct world *w);
void world_prune(struct world *w);
bool world_can_deliver(const struct node *n);
void world_deliver(struct node *n);
void world_answer(struct world *w);    /* some question, and those that are equal to it */
bool world_hand_back(struct world *w); /* some answer; false: there is none */
/* Lets the time pass until the next round of a paced channel. */
void world_keep_pace(struct node *n);
bool world_round(struct node *n); /* false: none was asked for */
void world_tick(struct node *n);
/* A message that is not logged; its number. */
unsigned world_pass(struct node *n, unsigned job);
void world_ephemeral_json(const char *job_id, unsigned number, struct buf *out);

void world_job_name(unsigned number, char out[ID_MAX + 1]);
unsigned world_told_everywhere(const struct world *w, unsigned job);

#endif
