/*
 * The imports that are in progress, one for each connection that sends one.  Private to the engine.
 *
 * A transaction that was rolled back may be run again, so an import is then what it was before it.
 */
#ifndef JOBLIGHT_CORE_IMPORTS_H
#define JOBLIGHT_CORE_IMPORTS_H

#include "engine_internal.h"
#include "joblight/core/job_import.h"

#define IMPORTS_MAX 4
#define IMPORT_IDLE_MS (10 * 60 * 1000) /* then another one may take its place */

struct import {
	struct list link;
	void *loop; /* of the connection */
	uint64_t connection;
	struct job_import *job;
	int64_t used; /* steady time */
	/* in the open transaction */
	bool begun, touched, done;
};

/* Call it before the import changes. */
void imports_touch(struct import *i);

/* The import of this operation, or NULL. */
struct import *imports_find(struct engine *e, const struct op *op);
/* A new one.  NULL: there are too many, and the op's problem is set, or the store failed. */
struct import *imports_begin(struct engine *e, struct op *op);
/* Removes what the import has written; the import ends with the transaction.  False: the store
 * failed. */
bool imports_drop(struct engine *e, struct import *i);

void imports_committed(struct engine *e);
void imports_rolled_back(struct engine *e);
void imports_free(struct engine *e);

#endif
