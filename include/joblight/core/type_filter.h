/* Which types of messages a subscriber wants: the event types, and presence. */
#ifndef JOBLIGHT_CORE_TYPE_FILTER_H
#define JOBLIGHT_CORE_TYPE_FILTER_H

#include "joblight/core/model.h"

#define TYPE_BIT(type) (1u << (type))
#define TYPE_BIT_PRESENCE TYPE_BIT(EVENT_TYPE_COUNT)
#define TYPE_BITS_ALL (2 * TYPE_BIT_PRESENCE - 1)
_Static_assert(TYPE_BITS_ALL <= UINT8_MAX, "subscriber.types holds every kind");

/* Parses "task_update,presence" into TYPE_BITs.  False: a name is not known, or the list is empty.
 */
bool hub_types_parse(struct slice list, unsigned *types);

#endif
