/*
 * Allocation that cannot fail: out of memory ends the process here and nowhere else, with a line on
 * standard error.  Every size that a client can choose was limited before it reaches these.
 *
 * may_malloc() is the other kind, for a library that can say that memory ran out but not why it
 * gave up.
 */
#ifndef JOBLIGHT_BASE_XALLOC_H
#define JOBLIGHT_BASE_XALLOC_H

#include <stdbool.h>
#include <stddef.h>

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size); /* zeroed */
void *xrealloc(void *old, size_t size);
char *xstrdup(const char *text);
char *xmemdup(const void *bytes, size_t len); /* one NUL is added behind */

void *may_malloc(size_t size);    /* NULL: there is no memory, and this thread remembers it */
bool may_malloc_has_failed(void); /* since the last call, in this thread */

#endif
