/*
 * Messages that are the same on SSE and WebSocket: the first message of a subscription
 * (`connected`, or `reset` within a stream), its end, and heartbeats.
 */
#ifndef JOBLIGHT_TRANSPORT_FIRST_MESSAGE_H
#define JOBLIGHT_TRANSPORT_FIRST_MESSAGE_H

#include "joblight/core/hub.h"

struct loop;

/*
 * Adds the JSON of the message to `m`: all of it to the head, or, if there is a snapshot, what
 * precedes it to the head and what follows it to the tail.  Sets the snapshot of `m`, too.
 */
void first_message_encode(struct first_message *m, const struct loop *l,
                          const struct subscription_start *o);
void end_encode(struct buf *out, const struct subscription_end *e, bool with_cursor);
/* A random delay in milliseconds before clients reconnect, so that they do not all come at once. */
unsigned reconnect_delay_ms(void);
/* The same before the server stops. */
unsigned restart_delay_ms(void);
/* The last message before the server stops, with such a delay. */
void restart_encode(struct buf *out);
/*
 * Encodes a heartbeat of the subscriber: with a cursor if it has a type filter.  NULL: without
 * type, job and cursor, because SSE has them in other lines.
 */
void heartbeat_encode(struct buf *out, const struct subscriber *s, uint64_t head);

#endif
