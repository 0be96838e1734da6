#include "joblight/net/loop_settings.h"

#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "loop_private.h"

struct loop_settings *loop_settings_create(const struct slices *proxies, bool proxy_protocol,
                                           void *context, void (*free_context)(void *context))
{
	struct loop_settings *s = xcalloc(1, sizeof(*s));

	atomic_init(&s->references, 1);
	trusted_proxies_parse(proxies, &s->proxies);
	s->proxy_protocol = proxy_protocol;
	s->context = context;
	s->free_context = free_context;
	return s;
}

struct loop_settings *loop_settings_hold(struct loop_settings *s)
{
	atomic_fetch_add_explicit(&s->references, 1, memory_order_relaxed);
	return s;
}

void loop_settings_release(struct loop_settings *s)
{
	if (!s || atomic_fetch_sub_explicit(&s->references, 1, memory_order_acq_rel) != 1)
		return;
	if (s->free_context)
		s->free_context(s->context);
	free(s);
}

bool loop_settings_are_unused(const struct loop_settings *s)
{
	return atomic_load_explicit(&s->references, memory_order_acquire) == 1;
}

void loop_take_settings(struct loop *l, struct loop_settings *settings)
{
	loop_settings_hold(settings);
	loop_settings_release(l->settings);
	l->settings = settings;
	l->admission.proxies = settings->proxy_protocol ? &settings->proxies : NULL;
}
