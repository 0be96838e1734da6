/*
 * Messages that are the same on SSE and WebSocket: the first message of a subscription
 * (`connected`, or `reset` within a stream), its end, and heartbeats.
 */
#ifndef JOBLIGHT_TRANSPORT_FIRST_MESSAGE_H
#define JOBLIGHT_TRANSPORT_FIRST_MESSAGE_H

#include "joblight/core/hub.h"

struct loop;

/*
 * Encodes the whole message.  If there is a snapshot, encodes only what precedes it; the snapshot
 * and "}" follow.
 */
void first_message_encode(struct buf *out, const struct loop *l,
                          const struct subscription_start *o);
void end_encode(struct buf *out, const struct subscription_end *e, bool with_cursor);
/* A random delay in milliseconds before clients reconnect, so that they do not all come at once. */
unsigned reconnect_delay_ms(void);
/* The last message before the server stops, with such a delay. */
void restart_encode(struct buf *out);
/*
 * Without `job_id` (NULL), for a connection with one job only, the message has no type, because SSE
 * names it by its event.  With `filtered`, it has the cursor of that subscriber.
 */
void heartbeat_encode(struct buf *out, const char *job_id, uint64_t head,
                      const struct subscriber *filtered);

#endif
