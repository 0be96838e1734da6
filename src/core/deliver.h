/*
 * Delivery: the bytes a subscriber gets, from its preamble and then from the ring of its channel.
 * Private to the hub.
 */
#ifndef JOBLIGHT_CORE_DELIVER_H
#define JOBLIGHT_CORE_DELIVER_H

#include "subscriber.h"

enum delivery { DELIVERED, DELIVERY_LAPPED };

/*
 * Sends a subscriber what it has not seen, until it is blocked, waits for the store, or has
 * everything.  LAPPED: the ring no longer holds the event after its cursor, so the store has to be
 * read.  The subscriber may be detached afterwards.
 */
enum delivery deliver(struct hub *h, struct subscriber *s);

#endif
