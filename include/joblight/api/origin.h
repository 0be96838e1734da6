/*
 * Host names, and origins of pages (RFC 6454): their syntax, and when two are the same.  Pure
 * functions; any thread.
 */
#ifndef JOBLIGHT_API_ORIGIN_H
#define JOBLIGHT_API_ORIGIN_H

#include <stdbool.h>

#include "joblight/base/slice.h"

/*
 * What a server accepts in addition to its own names and pages; `hosts` holds without keys only.
 * The lists are borrowed.
 */
struct origin_rules {
	const struct slices *hosts;   /* names that are accepted besides addresses and localhost */
	const struct slices *origins; /* of other servers' pages; "*": pages of any may read */
};

/* A host name without scheme, port or path. */
bool origin_host_valid(struct slice name);
/* SCHEME://HOST or SCHEME://HOST:PORT, and nothing after it; or "*" for any. */
bool origin_valid(struct slice origin);
/* Says what is wrong with an origin that is not valid, and what to change. */
const char *origin_fault(struct slice origin);

/*
 * Whether the Host is an address, localhost, a name under localhost, or one of `names`; with or
 * without a port.
 */
bool origin_serves_host(const struct slices *names, struct slice host);
/* Whether the Host is a loopback address, localhost, or a name under localhost. */
bool origin_host_is_loopback(struct slice host);
/* Whether it is an http or https origin with the name and port of this Host. */
bool origin_is_of_host(struct slice origin, struct slice host);
/* Whether it is one of `origins`; "*" does not count. */
bool origin_is_listed(const struct slices *origins, struct slice origin);
/* Whether "*" is one of `origins`. */
bool origin_any_may_read(const struct slices *origins);

#endif
