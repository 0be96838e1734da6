/* Which types of messages a subscriber wants: a bit for each row of events.def. */
#ifndef JOBLIGHT_CORE_TYPE_FILTER_H
#define JOBLIGHT_CORE_TYPE_FILTER_H

#include "joblight/core/model.h"

#define TYPE_BIT(type) (1u << (type))
#define TYPE_BITS_ALL (TYPE_BIT(EVENT_TYPE_COUNT) - 1)

/* Parses "task_update,presence" into TYPE_BITs.  False: a name is not known, or the list is empty.
 */
bool type_filter_parse(struct slice list, unsigned *types);

#endif
