/*
 * The header of the PROXY protocol, versions 1 and 2, with which a proxy begins a connection to
 * tell the address of its client (proxy-protocol.txt of HAProxy, sections 2.1 and 2.2).  A pure
 * function.
 *
 * Whether a header is expected is decided before, from the address of the peer: the protocol must
 * not be guessed from the bytes (section 2), because anybody could then claim any address.
 */
#ifndef JOBLIGHT_NET_PROXY_HEADER_H
#define JOBLIGHT_NET_PROXY_HEADER_H

#include "joblight/net/client_address.h"

#define PROXY_HEADER_MAX 1040 /* a longer header is refused */

enum proxy_header_result {
	PROXY_HEADER_INCOMPLETE,
	PROXY_HEADER_GOOD,
	PROXY_HEADER_BAD,
};

struct proxy_header {
	size_t len;
	/* Of the client.  ADDRESS_UNKNOWN: the connection is the proxy's own (LOCAL), or the proxy
	 * does not know, and the address of the connection counts. */
	struct client_address source;
};

/* `bytes` are the first ones of a connection, and may be longer than the header. */
enum proxy_header_result proxy_header_parse(struct slice bytes, struct proxy_header *out);

#endif
