/*
 * Which addresses may be connected to: those of the internet, and those that the operator allows.
 * An address that another one is embedded in (IPv4-mapped, 6to4) counts as that one.  Pure
 * functions.
 */
#ifndef JOBLIGHT_SEND_NETWORKS_H
#define JOBLIGHT_SEND_NETWORKS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define NETWORKS_MAX 64
#define ADDRESS_TEXT_MAX 64

struct network {
	uint8_t bytes[16]; /* an IPv4 address as ::ffff:a.b.c.d */
	unsigned bits;
};

struct networks {
	struct network items[NETWORKS_MAX];
	unsigned count;
};

/* "ADDRESS" or "ADDRESS/BITS".  False: it is neither, or there are too many. */
bool networks_add(struct networks *n, const char *text);
/* Whether a socket may be connected to this address. */
bool networks_may_connect(const struct networks *allowed, const struct sockaddr *address);
/* The address without its port; "" if it is neither IPv4 nor IPv6. */
void networks_format(const struct sockaddr *address, char out[ADDRESS_TEXT_MAX]);

#endif
