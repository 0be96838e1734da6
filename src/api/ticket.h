/*
 * Tickets for EventSource and WebSocket, which cannot send headers: `?ticket=` in the URL of one
 * stream.
 */
#ifndef JOBLIGHT_API_TICKET_H
#define JOBLIGHT_API_TICKET_H

#include "joblight/core/credential.h"
#include "net/request.h"

struct loop;

/* Whether the request opens a stream with a ticket. */
bool ticket_of(const struct request *r, struct slice *text);
/* Whether the request continues a stream with its ticket, instead of opening one. */
bool ticket_continues(const struct request *r);
/*
 * The credential of a ticket that opens its stream now, or that continues it with Last-Event-ID.
 * NULL: *fault says why not.  The caller gets a reference.
 */
struct credential *ticket_use(struct conn *c, const struct request *r, struct slice text,
                              const char **fault);

/*
 * Gives the ticket of the request back, if it has used one, because the stream is refused: a client
 * that repeats the request must not be told that the ticket was used.
 */
void ticket_give_back(struct conn *c);
/* The same for a ticket of this id. */
void ticket_return(struct loop *l, const char *ticket_id);

#endif
