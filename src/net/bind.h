/* Binding the sockets of the addresses of listen.h.  In the main thread, before the loops start. */
#ifndef JOBLIGHT_NET_BIND_H
#define JOBLIGHT_NET_BIND_H

#include "joblight/net/listen.h"

/*
 * An address with its sockets.  Each loop has a TCP socket of its own on the same port, and the
 * kernel distributes the connections.  A socket of another kind is shared: each loop has a
 * duplicate of its descriptor, and whichever accepts first has the connection.
 */
struct bound {
	struct listen listen; /* first; with the port that was bound */
	int shared;           /* the descriptor that is duplicated, or -1 */
	dev_t device;         /* of the file of a Unix socket */
	ino_t inode;
	const struct inherited *inherited; /* NULL: nothing; its address is not bound again */
	bool left;                         /* another process listens there now: the file stays */
};

_Static_assert(offsetof(struct bound, listen) == 0, "see loops_index_of()");

/*
 * Returns a listening descriptor for the loop `index` of `count`.  A loop without an inherited
 * socket of its own gets a duplicate of one.  -1: `error` says why.
 */
int bound_socket(struct bound *b, unsigned index, unsigned count, char *error, size_t error_len);

/* Closes what is shared, and removes the file of a Unix socket if it is still this one. */
void bound_finish(struct bound *b);

#endif
