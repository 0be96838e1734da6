#include "joblight/core/limits.h"

const struct limits limits_default = {
#define LIMIT(field, flag, standard, least, most, why) .field = standard,
#include "joblight/core/limits.def"
#undef LIMIT
};
