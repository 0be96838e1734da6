/*
 * What the clients of a loop may do: each connection has the rights of its last request, or of its
 * WebSocket, and the credential that gave them.  The loop's thread only.
 */
#ifndef JOBLIGHT_NET_ACCESS_H
#define JOBLIGHT_NET_ACCESS_H

#include "joblight/core/keyring.h"

struct conn;
struct loop;

/* Holds the credential (NULL: none) for as long as the connection has it. */
void access_grant(struct conn *c, struct credential *credential, enum right rights);
/*
 * Takes over a keyring.  Streams and WebSockets whose key is not in force any more end; the others
 * continue with the key as it is now.
 */
void access_take_keyring(struct loop *l, struct keyring *ring);
/* Each tick: ends streams and WebSockets whose key has expired.  Looks at the connections only when
 * a key has. */
void access_tick(struct loop *l);

#endif
