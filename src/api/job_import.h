/* POST /api/imports: the pieces of an export on their way to the store. */
#ifndef JOBLIGHT_API_JOB_IMPORT_H
#define JOBLIGHT_API_JOB_IMPORT_H

#include "net/request.h"

/* A piece has been taken, or refused.  Takes `op`. */
void job_import_answered(struct conn *c, struct op *op);

#endif
