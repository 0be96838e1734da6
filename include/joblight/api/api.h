/* The HTTP and WebSocket interface: what the loops need to answer requests. */
#ifndef JOBLIGHT_API_API_H
#define JOBLIGHT_API_API_H

#include <stdatomic.h>

#include "joblight/api/origin.h"
#include "joblight/api/pages.h"

struct dispatch;

/* The context of the handlers (struct loop_settings).  Immutable; any thread. */
struct api {
	const struct pages *pages;   /* borrowed as long as the loops live, as is base_path */
	const char *base_path;       /* the public path of the server: "" or "/a/b" */
	const atomic_uint *demo_run; /* see struct config; NULL: this is no demonstration */
	struct origin_rules origin_rules;
	bool insecure; /* it can be reached from elsewhere although it has no keys */
};

/* A copy that owns the lists of its rules. */
struct api *api_copy(const struct api *api);
void api_free(void *api);

extern const struct dispatch api_dispatch; /* loops_config.dispatch; its context is a struct api */

#endif
