/* The context of the handlers, which the loops carry. */
#ifndef JOBLIGHT_API_CONTEXT_H
#define JOBLIGHT_API_CONTEXT_H

#include "joblight/api/api.h"
#include "net/loop_private.h"

static inline const struct api *api_of(const struct conn *c)
{
	return c->loop->settings->context;
}

#endif
