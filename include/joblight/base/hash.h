/*
 * uthash with our allocation: when memory runs out, the process prints a line and ends; uthash
 * alone would call exit(-1) without a message.  Its hash function is one function, and not a part
 * of each macro.
 */
#ifndef JOBLIGHT_BASE_HASH_H
#define JOBLIGHT_BASE_HASH_H

#include <stddef.h>

#include "joblight/base/xalloc.h"

#define uthash_malloc(size) xmalloc(size)
#define HASH_FUNCTION(key, len, hash) ((hash) = hash_bytes(key, len))
#include <uthash.h>

/* Any thread. */
unsigned hash_bytes(const void *key, size_t len);

#endif
