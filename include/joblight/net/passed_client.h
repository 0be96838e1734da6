/*
 * An idle connection on its way from one process to another, which goes on with it as if it had
 * accepted it.  Plain data.
 */
#ifndef JOBLIGHT_NET_PASSED_CLIENT_H
#define JOBLIGHT_NET_PASSED_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "joblight/net/client_address.h"

#define PASSED_BYTES_MAX (48 * 1024) /* more than is ever kept of requests that wait */

struct passed_client {
	int fd;                     /* owned by whoever passes it on, until it is taken */
	uint32_t listen;            /* index of the address where it was accepted */
	uint32_t len;               /* bytes that were read and belong to its next request */
	struct client_address peer; /* as in struct arrival; likewise the next two */
	bool has_header, has_source;
	char bytes[];
};

/* Any loop's thread; must not block.  False: not now, and nothing was done.  The descriptor stays
 * the caller's, who closes it. */
typedef bool pass_client(void *context, const struct passed_client *client);

#endif
