/* The lines of committed operations in the audit log. */
#ifndef JOBLIGHT_WORK_AUDIT_H
#define JOBLIGHT_WORK_AUDIT_H

#include "joblight/core/op.h"

/*
 * Call it for each operation of a committed transaction.  One that was refused, repeated or is not
 * audited has no line.  Nothing of a body appears but what names the thing that was done.
 */
void audit_op(const struct op *op);

#endif
