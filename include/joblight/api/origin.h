/*
 * Names in Host and origins of pages (RFC 6454): what they may look like, and when two are the
 * same. Any thread; nothing is kept.
 */
#ifndef JOBLIGHT_API_ORIGIN_H
#define JOBLIGHT_API_ORIGIN_H

#include <stdbool.h>

#include "joblight/base/slice.h"

/* What a server without keys serves beyond itself; the lists are borrowed. */
struct origin_rules {
	const struct slices *hosts; /* names that a Host may have besides addresses and localhost */
	const struct slices *origins; /* of other servers' pages that may write */
};

/* A host name without scheme, port or path. */
bool origin_host_valid(struct slice name);
/* SCHEME://HOST or SCHEME://HOST:PORT and nothing behind it. */
bool origin_valid(struct slice origin);

/* An address of any kind, localhost, a name under localhost, or one of `names`; with or without a
 * port. */
bool origin_serves_host(const struct slices *names, struct slice host);
/* An http or https origin of this Host: the same name and port, as a browser tells them. */
bool origin_is_of_host(struct slice origin, struct slice host);
/* One of `origins`. */
bool origin_is_listed(const struct slices *origins, struct slice origin);

#endif
