/*
 * Who a client is: the address that limits, the log and the lists of trusted proxies use.  An
 * address comes from the socket, from the PROXY header of a trusted proxy (net/proxy_header.h), or
 * from X-Forwarded-For.  Plain data and pure functions, except client_address_of_socket().
 */
#ifndef JOBLIGHT_NET_CLIENT_ADDRESS_H
#define JOBLIGHT_NET_CLIENT_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "joblight/base/slice.h"

enum address_family {
	ADDRESS_UNKNOWN, /* the system or the proxy did not tell */
	ADDRESS_IP,
	ADDRESS_UNIX, /* a program on this machine */
};

/* An IPv4 address is kept as the IPv6 address ::ffff:a.b.c.d, so both have one form. */
struct client_address {
	uint8_t bytes[16];
	uint8_t family; /* enum address_family */
};

#define CLIENT_ADDRESS_TEXT 48 /* with the NUL */

/* An IPv4 or IPv6 address without a port. */
bool client_address_parse(struct slice text, struct client_address *a);
struct client_address client_address_v4(const uint8_t bytes[4]);
struct client_address client_address_v6(const uint8_t bytes[16]);
/* The peer of a connected socket. */
struct client_address client_address_of_socket(int fd);
/* "192.0.2.1", "2001:db8::1", "unix" or "unknown". */
void client_address_format(const struct client_address *a, char out[CLIENT_ADDRESS_TEXT]);

bool client_address_is_loopback(const struct client_address *a);
bool client_address_equal(const struct client_address *a, const struct client_address *b);
/*
 * What counts as one client: an IPv4 address, or the first 64 bits of an IPv6 address, because a
 * host is given 2^64 of them.
 */
struct client_address client_address_network(const struct client_address *a);

/* The proxies that are believed about the addresses of their clients: --trusted-proxy. */
struct trusted_proxies {
	struct {
		struct client_address address;
		unsigned bits; /* of the 128 that must be equal */
	} items[SLICES_MAX];
	size_t count;
	bool unix_peers; /* clients of Unix sockets are proxies */
};

/* "ADDRESS" or "ADDRESS/BITS". */
bool client_network_valid(struct slice text);
/* The same, or "unix". */
bool trusted_proxy_valid(struct slice text);
/* All texts are valid. */
void trusted_proxies_parse(const struct slices *texts, struct trusted_proxies *out);
bool trusted_proxies_have(const struct trusted_proxies *t, const struct client_address *a);

/*
 * The client of a request that came from `peer`.  `forwarded` is the value of X-Forwarded-For, to
 * which each proxy appends the address that it was connected from.  So the list is read from its
 * end, and the first address that is not a trusted proxy is the client: what stands before it was
 * written by the client.  An entry that is no address ends the reading, and the proxy that wrote it
 * is the client.
 */
struct client_address client_address_forwarded(const struct trusted_proxies *t,
                                               const struct client_address *peer,
                                               struct slice forwarded);

#endif
