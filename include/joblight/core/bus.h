/*
 * The bus: how committed events and the presence of watchers and agents reach every loop.  A
 * backend fills struct bus_ops; src/bus/null.c connects the loops of one process.
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

/* The functions that tell one loop something.  They borrow all arguments except the ops. */
struct bus_member {
	void *loop; /* passed to each function; an op with this `loop` is answered here */
	/* Committed events (NULL: none; batch_hold() keeps them), then the ops to answer, linked by
	 * op->mail and handed over (NULL: none).  May wait while the loop has too much to take. */
	void (*commit)(void *loop, struct batch *batch, struct op *ops);
	/* The member `from` has `count` watchers of the job. */
	void (*watchers)(void *loop, unsigned from, const char *job_id, unsigned count);
	/* The report of an agent; without an agent: all agents of its owner have gone. */
	void (*presence)(void *loop, const struct presence_report *report);
};

struct bus;

struct bus_ops {
	const char *name;
	struct bus *(*start)(void);
	void (*stop)(struct bus *b); /* after the last call of any other function */
	unsigned (*join)(struct bus *b, const struct bus_member *member); /* copied; its number */
	/* Hands a commit to every member, and each op to the member that submitted it.  One thread
	 * at a time, in the order of the commits. */
	void (*publish)(struct bus *b, struct batch *batch, struct op *ops);
	/* Tell every member but `from`. */
	void (*watchers)(struct bus *b, unsigned from, const char *job_id, unsigned count);
	void (*presence)(struct bus *b, unsigned from, const struct presence_report *report);
};

/* The first member of every backend's own struct. */
struct bus {
	const struct bus_ops *ops;
};

#endif
