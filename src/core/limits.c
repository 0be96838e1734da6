#include "joblight/core/limits.h"

const struct limits limits_default = {
#define LIMIT(field, flag, default_value, min, max, why) .field = default_value,
#include "joblight/core/limits.def"
#undef LIMIT
};
