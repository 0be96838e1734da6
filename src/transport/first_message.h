/* The first message of a subscription, `connected` (and `reset` in mid-stream), the same on SSE and
 * WebSocket. */
#ifndef JOBLIGHT_TRANSPORT_FIRST_MESSAGE_H
#define JOBLIGHT_TRANSPORT_FIRST_MESSAGE_H

#include "joblight/core/hub.h"

struct loop;

/* The whole message, or up to the snapshot's place: then the snapshot and "}" follow. */
void first_message_encode(struct buf *out, const struct loop *l,
                          const struct subscription_start *o);
void end_encode(struct buf *out, const struct subscription_end *e, bool with_cursor);
/* A random delay in milliseconds after which a client comes back, so that not all come at once. */
unsigned reconnect_delay_ms(void);
/* The last message before the server stops, with such a delay. */
void restart_encode(struct buf *out);
/*
 * `job_id` NULL: the connection has one job only, and the message no type (SSE names it by its
 * event). `filtered` NULL: without a cursor.
 */
void heartbeat_encode(struct buf *out, const char *job_id, uint64_t head,
                      const struct subscriber *filtered);

#endif
