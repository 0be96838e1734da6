#include "joblight/api/api.h"

#include <stdlib.h>

#include "joblight/base/xalloc.h"

struct owned_api {
	struct api api; /* the first member; its rules are these lists */
	struct slices hosts, origins;
};

static void copy_list(struct slices *to, const struct slices *from)
{
	to->count = from->count;
	for (size_t i = 0; i < from->count; i++)
		to->items[i] = (struct slice){ xmemdup(from->items[i].ptr, from->items[i].len),
			                       from->items[i].len };
}

static void free_list(struct slices *list)
{
	for (size_t i = 0; i < list->count; i++)
		free((void *)(uintptr_t)list->items[i].ptr);
}

struct api *api_copy(const struct api *api)
{
	struct owned_api *copy = xcalloc(1, sizeof(*copy));

	copy->api = *api;
	copy_list(&copy->hosts, api->origin_rules.hosts);
	copy_list(&copy->origins, api->origin_rules.origins);
	copy->api.origin_rules = (struct origin_rules){ &copy->hosts, &copy->origins };
	return &copy->api;
}

void api_free(void *api)
{
	struct owned_api *copy = api;

	if (!copy)
		return;
	free_list(&copy->hosts);
	free_list(&copy->origins);
	free(copy);
}
