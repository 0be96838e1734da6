#include "joblight/base/xalloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void out_of_memory(void)
{
	fputs("joblight: out of memory\n", stderr);
	abort();
}

static void *alive(void *memory)
{
	if (!memory)
		out_of_memory();
	return memory;
}

void *xmalloc(size_t size)
{
	return alive(malloc(size ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
	return alive(calloc(count ? count : 1, size ? size : 1));
}

void *xrealloc(void *old, size_t size)
{
	return alive(realloc(old, size ? size : 1));
}

char *xstrdup(const char *text)
{
	return xmemdup(text, strlen(text));
}

char *xmemdup(const void *bytes, size_t len)
{
	char *copy = xmalloc(len + 1);

	if (len)
		memcpy(copy, bytes, len);
	copy[len] = '\0';
	return copy;
}

static _Thread_local bool has_failed;

void *may_malloc(size_t size)
{
	void *memory = malloc(size);

	if (!memory)
		has_failed = true;
	return memory;
}

bool may_malloc_has_failed(void)
{
	bool failed = has_failed;

	has_failed = false;
	return failed;
}
