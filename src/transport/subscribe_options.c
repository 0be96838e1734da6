#include "subscribe_options.h"

/* ?types=task_update,presence selects types.  A list with an unknown type is refused. */
static bool read_types(const struct request *r, unsigned *types, struct problem *problem)
{
	struct slice list;

	*types = TYPE_BITS_ALL;
	if (!request_arg(r, "types", &list))
		return true;
	return type_filter_parse(list, types) ||
	       problem_set(problem, OUTCOME_BAD_REQUEST, "types must be a list of %s",
	                   event_type_all());
}

bool subscribe_options_read(const struct request *r, struct attach *a, struct problem *problem)
{
	uint64_t seconds, tabs;

	if (!read_types(r, &a->types, problem) ||
	    !request_number(r, "heartbeat", 0, HEARTBEAT_SECONDS_MIN, HEARTBEAT_SECONDS_MAX,
	                    &seconds, problem) ||
	    !request_number(r, "tabs", 1, 1, TABS_MAX, &tabs, problem))
		return false;
	a->heartbeat_s = (uint8_t)seconds;
	a->tabs = (uint8_t)tabs;
	return true;
}
