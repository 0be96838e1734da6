/* From a request to a WebSocket: libwebsockets does the handshake, and is given the connection for it. */
#ifndef JOBLIGHT_NET_UPGRADE_H
#define JOBLIGHT_NET_UPGRADE_H

#include "conn.h"

/* The request may become a WebSocket now, and is counted as a stream; otherwise the problem. */
bool upgrade_granted(struct conn *c, const struct request *r, struct problem *problem);

/* The request was not the first of its connection: `bytes` are its head and what has arrived after it. */
void upgrade_later(struct conn *c, struct slice bytes);

#endif
