/*
 * The keys that are in force, and what verifies tokens, as every loop has them.  A keyring is
 * immutable and shared by reference count; when a key is made or revoked, the store thread makes a
 * new keyring and sends it to the loops with the commit.
 */
#ifndef JOBLIGHT_CORE_KEYRING_H
#define JOBLIGHT_CORE_KEYRING_H

#include "joblight/core/credential.h"
#include "joblight/core/store.h"

struct keyring;

/*
 * Reads all keys within the open transaction, or in a transaction of its own.  `first` (or NULL) is
 * a key that the database does not have; it is held.  Anything but STORE_OK: *ring is unchanged.
 * The caller owns the reference.
 */
enum store_result keyring_load(struct store *store, struct credential *first,
                               struct keyring **ring);
enum store_result keyring_read(struct store *store, struct credential *first,
                               struct keyring **ring);
/*
 * Makes the key that signs tokens, unless the database has one.  `store` is a writing session
 * without an open transaction.
 */
enum store_result keyring_prepare(struct store *store, access_key_entropy *entropy);
/* Finds the row of a key by its id, within the open transaction.  The caller owns its strings. */
enum store_result access_key_find(struct store *store, const char *id, struct access_key_row *row);
struct keyring *keyring_hold(struct keyring *ring); /* NULL is ignored */
void keyring_release(struct keyring *ring);         /* NULL is ignored */

/* Whether both say the same of every key and token. */
bool keyring_equal(const struct keyring *a, const struct keyring *b);

/* A server without any key, revoked ones included, is open.  NULL is such a keyring. */
bool keyring_is_open(const struct keyring *ring);
/*
 * The credential of the key, borrowed from the keyring; NULL when there is none that is in force.
 * Takes the same time for every key of the right form whose id is unknown or whose secret is wrong.
 */
struct credential *keyring_find(const struct keyring *ring, struct slice key, int64_t wall_ms);
/* Calls `visit` for each credential, also those that are over, the oldest first. */
void keyring_each(const struct keyring *ring,
                  void (*visit)(void *context, const struct credential *c), void *context);
/*
 * Which state of the database it is: grows with every change, so that of two keyrings the one with
 * the smaller version is out of date.  0: this is the only node, whose keyrings come in order.
 */
int64_t keyring_version(const struct keyring *ring);
/* The key that signs tokens; NULL: there is none yet.  It belongs to the keyring. */
const struct signing_key_row *keyring_signing_key(const struct keyring *ring);
/* Whether the token with this id was revoked; never for "". */
bool keyring_has_revoked(const struct keyring *ring, const char *token_id);
/* The credential with this id, also one that is over; NULL: none. */
struct credential *keyring_get(const struct keyring *ring, const char *id);

#endif
