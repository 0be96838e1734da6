/*
 * A node for the tests of a bus: the bus, two loops that write down what they are told, and reader
 * threads of a database in memory that all nodes share.
 */
#ifndef JOBLIGHT_TESTS_BUS_NODE_H
#define JOBLIGHT_TESTS_BUS_NODE_H

#include <pthread.h>

#include "joblight/bus/buses.h"
#include "joblight/core/keyring.h"
#include "joblight/store/backend.h"
#include "joblight/work/reader.h"

#define NODE_LOOPS 2

struct bus_node;

struct node_loop {
	struct bus_node *node;
	struct buf heard; /* protected by node.lock */
	bool is_full;     /* it takes no batches of other nodes */
	unsigned commits; /* that were offered and taken */
};

struct bus_node {
	struct bus *bus;
	struct node_loop loops[NODE_LOOPS];
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct service service;
	struct reader *reader;
	struct limits limits;
};

/* The database of all nodes. */
extern struct database *node_database;

/* NULL as the prefix: "joblight".  Fails the test if it does not start. */
void node_start(struct bus_node *n, const char *url, const char *prefix);
void node_stop(struct bus_node *n);
/* Waits until the bus says that it is connected, or away. */
void node_await(struct bus_node *n, bool is_up);
/* Waits until loop 0 has heard the text, and then loop 1, too. */
void node_hears(struct bus_node *n, const char *text);
/* The same, and returns whether it was within the time. */
bool node_hears_within(struct bus_node *n, const char *text, unsigned ms);
/* How often loop 0 has heard it by now. */
unsigned node_heard(struct bus_node *n, const char *text);
void node_forget(struct bus_node *n);

/* The job is at this event in the database. */
void database_has(const char *job_id, uint64_t seq);
/* Appends an event. */
struct event *batch_adds(struct batch *b, const char *job_id, uint64_t seq);
/* Commits events of a job: the database has the last one, and the bus gets the batch. */
void node_commits(struct bus_node *n, const char *job_id, uint64_t from, uint64_t to);
#define TEST_EPOCH "epoch00001"

#endif
