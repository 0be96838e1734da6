/* One subscriber: its deadlines, and how it leaves the hub.  Private to the hub. */
#ifndef JOBLIGHT_CORE_SUBSCRIBER_H
#define JOBLIGHT_CORE_SUBSCRIBER_H

#include "channel.h"

/* A read of the store for one subscriber.  It may outlive the subscriber. */
struct hub_read {
	struct read_request request; /* first: done() gets it back */
	struct hub *hub;
	struct subscriber *subscriber; /* NULL: it has left */
	bool again;                    /* a refill, not the start */
	bool epoch_known; /* the channel's epoch was known before the read was submitted */
};

/* The period of its heartbeats. */
uint64_t subscriber_heartbeat_ms(const struct hub *h, const struct subscriber *s);
void subscriber_schedule_heartbeat(struct hub *h, struct subscriber *s);

/* The cursor is at the end of the ring. */
static inline bool subscriber_caught_up(const struct subscriber *s)
{
	return s->cursor + 1 >= ring_next(s->channel->ring);
}

#endif
