/* Random bytes from the kernel, and identifiers made from them. */
#ifndef JOBLIGHT_BASE_RANDOM_H
#define JOBLIGHT_BASE_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UUID_TEXT_LEN 36

void random_bytes(void *out, size_t len);
uint64_t random_u64(void);

/*
 * Call this at the start.  False, after logging it, when there is no /dev/urandom, which
 * libwebsockets needs.
 */
bool random_check(void);

/*
 * A UUID version 7 (RFC 9562 section 5.7) from a wall time and 10 random bytes.  `out` holds
 * UUID_TEXT_LEN + 1 bytes.
 */
void uuid7_format(int64_t wall_ms, const uint8_t entropy[10], char *out);

#endif
