/* What a transaction is going to ask its store for.  Private to the engine. */
#ifndef JOBLIGHT_CORE_EXPECT_H
#define JOBLIGHT_CORE_EXPECT_H

#include "engine_internal.h"

/* Tells the store what the ops, linked by op->mail, are about.  A failure is recorded in the
 * working set. */
void expect_rows(struct engine *e, const struct op *ops);
/* The same for one op; a failure is returned.  EARLY if it needs rows that it does not name. */
enum store_result expect_row(struct engine *e, const struct op *op);

#endif
