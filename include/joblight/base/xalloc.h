/*
 * Allocation that cannot fail: when memory runs out, the process ends here and nowhere else, with a
 * line on standard error.  Every size that a client can choose is limited before it gets here.
 * Where a library has no memory for what it makes, out_of_memory() ends the process the same way.
 *
 * may_malloc() is for a library that can report that memory ran out, but not why a call failed.
 */
#ifndef JOBLIGHT_BASE_XALLOC_H
#define JOBLIGHT_BASE_XALLOC_H

#include <stdbool.h>
#include <stddef.h>

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size); /* zeroed */
void *xrealloc(void *old, size_t size);
char *xstrdup(const char *text);
char *xmemdup(const void *bytes, size_t len); /* adds a NUL at the end */

_Noreturn void out_of_memory(void);

void *may_malloc(size_t size);    /* NULL: there is no memory; this thread records that */
bool may_malloc_has_failed(void); /* since the last call, in this thread; clears the record */

#endif
