/*
 * Sizes, times, rates and counts as people write them: 16KiB, 30s, 100/s, 8.  Pure functions; any
 * thread.
 *
 * A quantity is a whole number and a unit: B, KiB, MiB, GiB and TiB (powers of 1024) or kB, MB, GB
 * and TB (powers of 1000) for bytes; ms, s, min, h and d for milliseconds; /s and /min for rates.
 * Spaces between the two are ignored.  Units are case-sensitive.
 */
#ifndef JOBLIGHT_BASE_QUANTITY_H
#define JOBLIGHT_BASE_QUANTITY_H

#include <stdbool.h>
#include <stdint.h>

enum quantity {
	QUANTITY_COUNT,
	QUANTITY_BYTES,
	QUANTITY_MS,
	QUANTITY_PER_SECOND,
	QUANTITY_PER_MINUTE
};

#define QUANTITY_TEXT 24 /* bytes of the longest text, with its NUL */

/*
 * Reads a quantity, in bytes, milliseconds or whatever `kind` counts.  A time needs a unit unless
 * it is 0 or `plain`.  False: it is no such quantity, or does not fit; *value is unchanged.
 */
bool quantity_parse(const char *text, enum quantity kind, bool plain, uint64_t *value);

/* The shortest text with a unit that quantity_parse() reads as `value`: 60000 ms is "1min". */
void quantity_format(uint64_t value, enum quantity kind, char out[QUANTITY_TEXT]);

/* What it is called, "a size", and how it is written, "bytes, or with KiB, …"; "": as digits. */
const char *quantity_name(enum quantity kind);
const char *quantity_forms(enum quantity kind, bool plain);

#endif
