/* Random operations, as clients would ask for them. */
#ifndef JOBLIGHT_TESTS_CHANGES_H
#define JOBLIGHT_TESTS_CHANGES_H

#include "joblight/core/op.h"

struct world;

struct op *changes_op(struct world *w);
struct op *changes_nudge(const char *job_id);  /* one small event */
const char *changes_text(const struct op *op); /* for traces; valid until the next call */

#endif
