/* Randomness from the kernel, and the identifiers made of it. */
#ifndef JOBLIGHT_BASE_RANDOM_H
#define JOBLIGHT_BASE_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UUID_TEXT_LEN 36

void random_bytes(void *out, size_t len);
uint64_t random_u64(void);

/* At the start: false with a line in the log when there is no /dev/urandom, which libwebsockets
 * cannot do without. */
bool random_check(void);

/* UUID version 7 (RFC 9562 section 5.7) from a wall time and 10 random bytes; out: UUID_TEXT_LEN
 * + 1. */
void uuid7_format(int64_t wall_ms, const uint8_t entropy[10], char *out);

#endif
