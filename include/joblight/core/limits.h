/*
 * All limits as one plain struct.  Each loop and the store thread have their own, which their
 * objects point to and nobody else writes: when the configuration is reloaded, the thread is sent
 * the new limits and takes over the LIVE ones between two turns.  The reader threads have none: a
 * read carries its limits.
 */
#ifndef JOBLIGHT_CORE_LIMITS_H
#define JOBLIGHT_CORE_LIMITS_H

#include <stdint.h>

struct limits {
#define LIMIT(field, flag, default_value, min, max, unit, when, why) uint64_t field;
#include "joblight/core/limits.def"
#undef LIMIT
};

extern const struct limits limits_default;

/* Copies the LIVE limits of `next`; the others stay. */
void limits_take_live(struct limits *own, const struct limits *next);

#endif
