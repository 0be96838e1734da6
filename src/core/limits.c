#include "joblight/core/limits.h"

const struct limits limits_default = {
#define LIMIT(field, flag, default_value, min, max, unit, when, why) .field = default_value,
#include "joblight/core/limits.def"
#undef LIMIT
};

void limits_take_live(struct limits *own, const struct limits *next)
{
#define TAKE_START(field)
#define TAKE_LIVE(field) own->field = next->field;
#define LIMIT(field, flag, default_value, min, max, unit, when, why) TAKE_##when(field)
#include "joblight/core/limits.def"
#undef LIMIT
#undef TAKE_START
#undef TAKE_LIVE
}
