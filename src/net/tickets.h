/*
 * The tickets that have opened a stream.  A ticket (token.h) opens one stream; afterwards the same
 * URL, with a position in that stream, continues it.  Shared by all loops; any thread.
 *
 * The table is in memory.  If this is the only node, a ticket of an earlier process can continue
 * its stream, which is how an EventSource survives a restart, but cannot open one.
 */
#ifndef JOBLIGHT_NET_TICKETS_H
#define JOBLIGHT_NET_TICKETS_H

#include "joblight/core/token.h"

#define TICKET_MS 30000    /* a ticket opens its stream within this time */
#define TICKETS_MAX 100000 /* of a server; those not used for longest are forgotten */

struct tickets;

/*
 * `max`: how many opened ones are remembered.  `has_nodes`: other nodes make and use the same ones,
 * and the database knows which were used (ticket.h of the API); the table then only saves asking it
 * again.
 */
struct tickets *tickets_create(size_t max, bool has_nodes);
void tickets_free(struct tickets *t); /* NULL is ignored */

bool tickets_have_nodes(const struct tickets *t);

/* Which process made a ticket: a claim of each.  0: any node. */
uint64_t tickets_run(const struct tickets *t);

/* Uses the ticket to open its stream.  False: it has been used, or has expired. */
bool tickets_open(struct tickets *t, const struct token *ticket, int64_t wall_ms);
/* Notes that it has opened a stream, as the database says. */
void tickets_note(struct tickets *t, const struct token *ticket, int64_t wall_ms);
/* The stream that it was used for did not open, so it can be used again. */
void tickets_give_back(struct tickets *t, const char *ticket_id);
/* Whether it has opened the stream that is to be continued. */
bool tickets_continue(struct tickets *t, const struct token *ticket);

#endif
