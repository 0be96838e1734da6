/*
 * The limits of clients: connections, streams, requests and updates per second, by address, by
 * access key, and of all clients together (--address-…, --key-…, --all-…).
 *
 * An address is not limited when it is of this machine (loopback, a Unix socket): programs here are
 * trusted not to attack, and a proxy here that is not configured would make one client of all its
 * clients.  Connections of a trusted proxy are not limited either; their requests are limited by
 * the address that the proxy tells.
 *
 * The thread of the connection's loop.
 */
#ifndef JOBLIGHT_NET_QUOTA_H
#define JOBLIGHT_NET_QUOTA_H

#include "connection.h"

struct arrival;

enum quota_verdict {
	QUOTA_FREE,
	QUOTA_FULL,   /* the client gets an answer that says so */
	QUOTA_EXCESS, /* closed without an answer */
};

/*
 * Counts one more connection of this address.  *origin is set to what counts it, or NULL; the
 * caller owns it, and ends with quota_leave() whatever the verdict.
 */
enum quota_verdict quota_arrive(struct loop *l, const struct client_address *peer,
                                struct client **origin);
void quota_leave(struct loop *l, struct client *origin); /* NULL is ignored */
extern const struct problem quota_connections_full;

/* A connection that has been adopted: takes over a->origin. */
void quota_adopt(struct conn *c, const struct arrival *a);
void quota_finish(struct conn *c); /* the end of the connection */

/*
 * Each request passes these two, before and after its credential is known.  False: *problem is 429
 * rate_limited.
 */
bool quota_takes_request(struct conn *c, const struct request *r, struct problem *problem);
bool quota_takes_key(struct conn *c, struct problem *problem);
/*
 * The credential of a WebSocket was renewed: it counts for the new one from now on.  False: that
 * one has too many, and *problem says so.
 */
bool quota_renew(struct conn *c, struct problem *problem);
/* The same for a message of a WebSocket that writes nothing. */
bool quota_takes_message(struct conn *c, struct problem *problem);
/* An operation with so many updates. */
bool quota_takes_updates(struct conn *c, size_t count, struct problem *problem);
/*
 * A request with a key that is not in force.  The right key is never refused for the wrong ones of
 * its address: keys cannot be guessed, and a stranger behind the same address could otherwise keep
 * others out.
 */
bool quota_takes_wrong_key(struct conn *c, struct problem *problem);

/* Counts a stream of the clients of the connection.  False: one of them has too many. */
bool quota_count_stream(struct conn *c, struct problem *problem);
void quota_uncount_stream(struct conn *c);

/*
 * Counts the requests in a row that were refused: the client may not do this, or not so often, or
 * what it asks for is not there.  After --max-refusals of them the connection closes with its
 * answer. From half of them on, answers are delayed, so that who sends as fast as it is answered
 * takes little from others.
 */
bool quota_is_refusal(int status);
void quota_count_answer(struct conn *c, int status);
/* How long the answer that was just counted is to be held back; 0: not at all. */
uint64_t quota_delay_ms(const struct conn *c);

/*
 * Adds the lines of RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-11) for
 * the limits that the request counted against.
 */
void quota_add_fields(const struct conn *c, struct buf *head);

#endif
