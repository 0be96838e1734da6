/*
 * The spans of requests and of writes over WebSockets, for the sink of the loops.  A request whose
 * traceparent says that its trace is not recorded has none.  The loop's thread.
 */
#ifndef JOBLIGHT_NET_REQUEST_SPAN_H
#define JOBLIGHT_NET_REQUEST_SPAN_H

#include "connection.h"
#include "joblight/core/span.h"

struct request_record;

/* Whether a request with this traceparent ("": none) gets a span, now that it begins. */
bool span_is_wanted(const struct loop *l, const char *traceparent);
/* The request of the record has ended. */
void span_of_record(const struct conn *c, const struct request_record *record);
/* A write has returned from the store; `name` is the type of its message. */
void span_of_message(const struct conn *c, const struct op *op, const char *name);

#endif
