/* uthash with our allocation: out of memory ends the process with a line, not with exit(-1) in
 * silence. */
#ifndef JOBLIGHT_BASE_HASH_H
#define JOBLIGHT_BASE_HASH_H

#include "joblight/base/xalloc.h"

#define uthash_malloc(size) xmalloc(size)
#include <uthash.h>

#endif
