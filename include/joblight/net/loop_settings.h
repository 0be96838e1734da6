/*
 * What can be changed while the loops run, besides the limits: immutable, and shared by the loops
 * by reference count.
 */
#ifndef JOBLIGHT_NET_LOOP_SETTINGS_H
#define JOBLIGHT_NET_LOOP_SETTINGS_H

#include <stdatomic.h>

#include "joblight/net/client_address.h"

struct loop_settings {
	atomic_uint references;
	struct trusted_proxies proxies;
	bool proxy_protocol;                 /* their connections begin with a PROXY header */
	void *context;                       /* what the functions of the dispatch use */
	void (*free_context)(void *context); /* with the last reference; NULL: it is borrowed */
};

/* The caller owns the reference.  `proxies` are valid: see client_address.h. */
struct loop_settings *loop_settings_create(const struct slices *proxies, bool proxy_protocol,
                                           void *context, void (*free_context)(void *context));
struct loop_settings *loop_settings_hold(struct loop_settings *s);
void loop_settings_release(struct loop_settings *s); /* NULL is ignored */
/* Whether the caller has the only reference: all loops have taken over others. */
bool loop_settings_are_unused(const struct loop_settings *s);

#endif
