/* The static files of www/: built into the program, or read once from a directory.  Immutable, any thread. */
#ifndef JOBLIGHT_NET_PAGES_H
#define JOBLIGHT_NET_PAGES_H

#include "joblight/base/slice.h"

struct page {
	char *name; /* "index.html", "dir/file.js" */
	const char *type;
	char etag[40]; /* with its quotes */
	struct slice bytes;
};

struct pages;

/* `directory` NULL: the built-in ones.  NULL with a message when the directory cannot be read. */
struct pages *pages_load(const char *directory, char *error, size_t error_len);
const struct page *pages_find(const struct pages *p, struct slice name); /* NULL: none */
void pages_free(struct pages *p);

#endif
