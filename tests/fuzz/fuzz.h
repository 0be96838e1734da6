/*
 * What every fuzz target begins with: fuzz_one() gets one input and aborts when a promise is
 * broken.
 *
 * libFuzzer calls it through LLVMFuzzerTestOneInput() (entry.c), and replay.c calls it for the
 * files of the corpus, so that the replay needs no clang.
 */
#ifndef JOBLIGHT_TESTS_FUZZ_H
#define JOBLIGHT_TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "joblight/base/buf.h"

void fuzz_one(struct slice input);

#define PROMISE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__,         \
			        #condition);                                                       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* The next byte of the input, 0 at its end. */
static inline uint8_t fuzz_byte(struct slice *input)
{
	if (!input->len)
		return 0;
	input->len--;
	return (uint8_t)*input->ptr++;
}

/* A copy without room after it, so that AddressSanitizer sees every byte too many. */
static inline struct slice fuzz_copy(struct slice bytes)
{
	char *copy = malloc(bytes.len ? bytes.len : 1);

	if (!copy)
		abort();
	memcpy(copy, bytes.len ? bytes.ptr : "", bytes.len);
	return (struct slice){ copy, bytes.len };
}

static inline void fuzz_free(struct slice copy)
{
	free((char *)(uintptr_t)copy.ptr);
}

#endif
