/* All limits as one plain struct.  The configuration fills it, and it does not change afterwards.
 */
#ifndef JOBLIGHT_CORE_LIMITS_H
#define JOBLIGHT_CORE_LIMITS_H

#include <stdint.h>

struct limits {
#define LIMIT(field, flag, default_value, min, max, why) uint64_t field;
#include "joblight/core/limits.def"
#undef LIMIT
};

extern const struct limits limits_default;

#endif
