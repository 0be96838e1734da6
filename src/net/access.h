/*
 * What the clients of a loop may do: each connection has the rights of its last request, or of its
 * WebSocket, and the credential that gave them.  The loop's thread only.
 */
#ifndef JOBLIGHT_NET_ACCESS_H
#define JOBLIGHT_NET_ACCESS_H

#include "joblight/core/issuer.h"
#include "joblight/core/keyring.h"

struct conn;
struct loop;

/* How a client has shown its credential. */
enum access_source { ACCESS_NONE, ACCESS_HEADER, ACCESS_COOKIE, ACCESS_TICKET };

/* A server without keys, of its own and of others, is open: whoever can reach it is trusted. */
bool access_is_open(const struct loop *l);
/*
 * The credential of a key or an access token that the client shows.  NULL: *fault says why it is
 * not in force.  The caller gets a reference.
 */
struct credential *access_find(struct conn *c, struct slice text, const char **fault);

/* Whether the key that made a credential, or that signed it, is in force. */
bool access_is_backed(const struct loop *l, struct credential *c);

/* Who the client is, for struct attach; NULL: nobody knows. */
const char *access_identity(const struct conn *c);

/* Holds the credential (NULL: none) for as long as the connection has it. */
void access_grant(struct conn *c, struct credential *credential, enum right rights);
/*
 * Takes over a keyring, unless the loop has one that is as new, or the keys of another issuer.
 * Streams and WebSockets whose credential is not in force any more end; the others continue with
 * their key as it is now.
 */
void access_take_keyring(struct loop *l, struct keyring *ring);
void access_take_issuer(struct loop *l, struct issuer *issuer);
/* Each tick: ends streams and WebSockets whose credential has expired.  Looks at the connections
 * only when one has. */
void access_tick(struct loop *l);

#endif
