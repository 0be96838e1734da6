/*
 * uthash with our allocation: when memory runs out, the process prints a line and ends; uthash
 * alone would call exit(-1) without a message.
 */
#ifndef JOBLIGHT_BASE_HASH_H
#define JOBLIGHT_BASE_HASH_H

#include "joblight/base/xalloc.h"

#define uthash_malloc(size) xmalloc(size)
#include <uthash.h>

#endif
