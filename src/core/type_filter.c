#include "joblight/core/type_filter.h"

static bool type_bit(struct slice name, unsigned *bit)
{
	*bit = TYPE_BIT_PRESENCE;
	if (slice_is(name, "presence"))
		return true;
	for (int t = 0; t < EVENT_TYPE_COUNT; t++) {
		*bit = TYPE_BIT(t);
		if (slice_is(name, event_type_text((enum event_type)t)))
			return true;
	}
	return false;
}

bool hub_types_parse(struct slice list, unsigned *types)
{
	const char *end = list.ptr + list.len;

	*types = 0;
	for (const char *at = list.ptr; at <= end; at++) {
		const char *comma = at < end ? memchr(at, ',', (size_t)(end - at)) : NULL;
		unsigned bit;
		if (!comma)
			comma = end;
		if (!type_bit((struct slice){ at, (size_t)(comma - at) }, &bit))
			return false;
		*types |= bit;
		at = comma;
	}
	return true;
}
