/*
 * Looks in the database whether another node has changed the keys or revoked tokens, and gives them
 * to the loops.  A bus says so earlier, if there is one and it loses nothing.
 */
#ifndef JOBLIGHT_SERVE_KEY_WATCH_H
#define JOBLIGHT_SERVE_KEY_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct credential;
struct keyring;
struct loops;
struct service;

/* Everything is borrowed for as long as reads of the service may be answered. */
struct key_watch {
	const struct service *service; /* NULL: there are no other nodes */
	struct loops *loops;
	struct credential *first_key;
	atomic_bool asks;
	atomic_uint_least64_t version; /* of the keyring that the loops got last */
};

/* `ring` is the one that the loops have. */
void key_watch_start(struct key_watch *w, const struct service *service, struct loops *loops,
                     struct credential *first_key, const struct keyring *ring);
/* Call it about once a second, in one thread; does not wait. */
void key_watch_look(struct key_watch *w);

#endif
