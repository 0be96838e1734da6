/*
 * The bus: how committed events and the presence of watchers and agents reach every loop, of this
 * process and, if there are others, of the other nodes.  A backend fills struct bus_ops;
 * src/bus/null.c connects the loops of one process, src/bus/cluster.c several nodes.
 *
 * Each loop joins once, before any thread uses the bus, and gets a number that names it to all
 * others.  Functions of struct bus_ops may be called in any thread; they call the functions of the
 * members, which must be callable in any thread too.
 */
#ifndef JOBLIGHT_CORE_BUS_H
#define JOBLIGHT_CORE_BUS_H

#include "joblight/core/batch.h"
#include "joblight/core/op.h"
#include "joblight/core/presence.h"
#include "joblight/core/service.h"

/* The loops of this process have smaller numbers than the members of other nodes. */
#define BUS_FIRST_REMOTE 65536
#define BUS_LOOPS_MAX 64 /* of one node, as --loops */

/* The functions that tell one loop something.  They borrow all arguments except the ops. */
struct bus_member {
	void *loop; /* passed to each function; an op with this `loop` is answered here */
	/* Committed events (NULL: none; batch_hold() keeps them), then the ops to answer, linked by
	 * op->mail and handed over (NULL: none).  May wait while the loop has too much to take. */
	void (*commit)(void *loop, struct batch *batch, struct op *ops);
	/* The same for what another node has committed, without ops.  Never waits.  False: the loop
	 * has too much to take, and did not take the batch. */
	bool (*offer)(void *loop, struct batch *batch);
	/* The member `from` has `count` watchers of the job. */
	void (*watchers)(void *loop, unsigned from, const char *job_id, unsigned count);
	/* The report of an agent; without an agent: all agents of its owner have gone. */
	void (*presence)(void *loop, const struct presence_report *report);
};

/* What a bus is started with.  The texts are borrowed until it has started, the rest until it has
 * stopped. */
struct bus_config {
	const char *location; /* of --bus; NULL: the loops of one process */
	const char *database; /* the location of --db */
	const char *password; /* instead of the one in the URL; NULL: there is none */
	const char *prefix;   /* of the names of channels */
	/* Files for TLS, in PEM; NULL: none.  With what the certificate of the other side is
	 * verified, and a certificate with its key that is shown to it. */
	const char *ca, *certificate;
	/* reads the database: the heads of jobs, and the keys when another node changed them */
	const struct service *service;
	struct credential *first_key; /* of keyring_read(), or NULL */
};

/* How a bus is, for people. */
struct bus_health {
	bool is_up;
	char text[256];
};

struct bus;

struct bus_ops {
	const char *name;
	/* All members have joined, and the database can be read.  NULL: there is nothing to do. */
	void (*begin)(struct bus *b);
	void (*stop)(struct bus *b); /* after the last call of any other function */
	unsigned (*join)(struct bus *b, const struct bus_member *member); /* copied; its number */
	/* Hands a commit to every member, and each op to the member that submitted it.  One thread
	 * at a time, in the order of the commits. */
	void (*publish)(struct bus *b, struct batch *batch, struct op *ops);
	/* Tell every member but `from`. */
	void (*watchers)(struct bus *b, unsigned from, const char *job_id, unsigned count);
	void (*presence)(struct bus *b, unsigned from, const struct presence_report *report);
	/* The member `from` has a ring of the job, or has none any more: what other nodes commit
	 * must reach it.  NULL: there are none. */
	void (*follow)(struct bus *b, unsigned from, const char *job_id, bool follows);
	/* NULL: nothing can be wrong with it. */
	void (*health)(struct bus *b, struct bus_health *health);
};

/* The first member of every backend's own struct. */
struct bus {
	const struct bus_ops *ops;
};

#endif
