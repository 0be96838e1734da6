/*
 * A borrowed range of bytes: not owned, not terminated.  Valid as long as the memory that it points
 * to.
 */
#ifndef JOBLIGHT_BASE_SLICE_H
#define JOBLIGHT_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const char *ptr;
	size_t len;
};

#define SLICE(literal) ((struct slice){ "" literal, sizeof(literal) - 1 })

/* A short list of borrowed texts. */
#define SLICES_MAX 64
struct slices {
	struct slice items[SLICES_MAX];
	size_t count;
};

static inline struct slice slice_of(const char *text)
{
	return (struct slice){ text, text ? strlen(text) : 0 };
}

static inline bool slice_is(struct slice s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.ptr, text, s.len) == 0;
}

/* Returns the part without the spaces and tabs at both ends. */
static inline struct slice slice_trimmed(struct slice s)
{
	while (s.len && (*s.ptr == ' ' || *s.ptr == '\t'))
		s = (struct slice){ s.ptr + 1, s.len - 1 };
	while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

#define SLICE_DIGITS_MAX 19 /* digits that always fit a uint64_t */

/* Reads 1 to `max_digits` (at most SLICE_DIGITS_MAX) decimal digits.  False: it is not that, and
 * *value is unchanged. */
bool slice_number(struct slice s, size_t max_digits, uint64_t *value);

#endif
