/*
 * A malloc() that fails for sizes from JOBLIGHT_TEST_FAIL_FROM to JOBLIGHT_TEST_FAIL_TO.  A test
 * chooses a size that one allocation alone has.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

static size_t from = 1, to; /* none, until start() */

__attribute__((constructor)) static void start(void)
{
	const char *first = getenv("JOBLIGHT_TEST_FAIL_FROM"),
	           *last = getenv("JOBLIGHT_TEST_FAIL_TO");

	if (first && last) {
		from = strtoull(first, NULL, 10);
		to = strtoull(last, NULL, 10);
	}
}

static int fails(size_t size)
{
	if (size < from || size > to)
		return 0;
	errno = ENOMEM;
	return 1;
}

extern void *__libc_malloc(size_t size);
extern void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size)
{
	return fails(size) ? NULL : __libc_malloc(size);
}

void *realloc(void *old, size_t size)
{
	return fails(size) ? NULL : __libc_realloc(old, size);
}
