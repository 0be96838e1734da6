/* Conditional writes: If-Match and If-None-Match of RFC 9110 section 13. */
#ifndef JOBLIGHT_CORE_PRECONDITION_H
#define JOBLIGHT_CORE_PRECONDITION_H

#include "engine_internal.h"

/*
 * Whether the conditions of the op hold for what it is about to change.  They are ignored when that
 * does not exist and the op would be refused for it.  False: the op's problem is set, or the store
 * failed.
 */
bool precondition_holds(struct engine *e, struct op *op);

#endif
