/* The routes that write: their rows in routes.def name the operation. */
#ifndef JOBLIGHT_API_WRITE_H
#define JOBLIGHT_API_WRITE_H

#include "net/request.h"

struct loop;

/* Decodes the body into the operation of the route, on the job of the path, and hands it to the
 * store. */
void write_run(struct conn *c, struct request *r);
void write_answered(struct conn *c, struct op *op);   /* dispatch.answered */
void write_unanswered(struct loop *l, struct op *op); /* dispatch.unanswered */

#endif
