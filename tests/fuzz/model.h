/*
 * What the database must hold after the batches that were committed: a second implementation of the
 * log and of the snapshot, written from docs/protocol.md with cJSON.
 */
#ifndef JOBLIGHT_TESTS_FUZZ_MODEL_H
#define JOBLIGHT_TESTS_FUZZ_MODEL_H

#include "joblight/core/batch.h"
#include "joblight/core/op.h"
#include "joblight/core/store.h"

struct model;

struct model *model_create(void);
void model_free(struct model *m);

/* A committed batch, and the ops that it answers. */
void model_take(struct model *m, const struct batch *batch, struct op *const *ops, size_t count);

/* Aborts unless the session sees what was committed, and nothing else. */
void model_check(struct model *m, struct store *reader);

#endif
