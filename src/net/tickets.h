/*
 * The tickets that have opened a stream.  A ticket (token.h) opens one stream; afterwards the same
 * URL, with a position in that stream, continues it.  Shared by all loops; any thread.
 *
 * The table is in memory.  A ticket of an earlier process can continue its stream, which is how an
 * EventSource survives a restart, but cannot open one.
 */
#ifndef JOBLIGHT_NET_TICKETS_H
#define JOBLIGHT_NET_TICKETS_H

#include "joblight/core/token.h"

#define TICKET_MS 30000    /* a ticket opens its stream within this time */
#define TICKETS_MAX 100000 /* of a server; those not used for longest are forgotten */

struct tickets;

struct tickets *tickets_create(size_t max); /* how many opened ones are remembered */
void tickets_free(struct tickets *t);       /* NULL is ignored */

/* Which process made a ticket: a claim of each. */
uint64_t tickets_run(const struct tickets *t);

/* Uses the ticket to open its stream.  False: it has been used, or has expired. */
bool tickets_open(struct tickets *t, const struct token *ticket, int64_t wall_ms);
/* The stream that it was used for did not open, so it can be used again. */
void tickets_give_back(struct tickets *t, const char *ticket_id);
/* Whether it has opened the stream that is to be continued. */
bool tickets_continue(struct tickets *t, const struct token *ticket);

#endif
