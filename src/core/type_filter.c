#include "joblight/core/type_filter.h"

bool type_filter_parse(struct slice list, unsigned *types)
{
	const char *end = list.ptr + list.len;

	*types = 0;
	for (const char *at = list.ptr; at <= end; at++) {
		const char *comma = at < end ? memchr(at, ',', (size_t)(end - at)) : NULL;
		enum event_type type;
		if (!comma)
			comma = end;
		if (!event_type_parse((struct slice){ at, (size_t)(comma - at) }, &type))
			return false;
		*types |= TYPE_BIT(type);
		at = comma;
	}
	return true;
}
