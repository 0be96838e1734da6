/*
 * Allocation that cannot fail: out of memory ends the process here and nowhere else.
 * Every size that a client can choose was limited before it reaches these.
 */
#ifndef JOBLIGHT_BASE_XALLOC_H
#define JOBLIGHT_BASE_XALLOC_H

#include <stddef.h>

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size); /* zeroed */
void *xrealloc(void *old, size_t size);
char *xstrdup(const char *text);
char *xmemdup(const void *bytes, size_t len); /* one NUL is added behind */

#endif
