/* The static files of www/: built into the program, or read once from a directory.  Immutable, any
 * thread. */
#ifndef JOBLIGHT_API_PAGES_H
#define JOBLIGHT_API_PAGES_H

#include "joblight/base/slice.h"

/* One encoding of a file: as it is, or compressed. */
struct page_body {
	struct slice bytes; /* ptr NULL: there is none in this encoding */
	char etag[40];      /* with its quotes */
	bool owned;         /* the bytes are freed with the pages */
};

struct page {
	char *name; /* "index.html", "dir/file.js" */
	const char *type;
	struct page_body plain, gzip;
};

struct pages;

/*
 * `directory` NULL: the built-in ones, which the build has compressed.  `demo`: the HTML says that
 * this server is a demonstration (<html data-demo>), and only then do the pages offer a worker that
 * does jobs by itself.  `base_path` ("" or "/a/b") is put before the addresses in the HTML that
 * begin with a slash.  NULL with a message when the directory cannot be read.
 */
struct pages *pages_load(const char *directory, const char *base_path, bool demo, char *error,
                         size_t error_len);
/* Whether the path of a page begins with this name. */
bool pages_have_folder(const struct pages *p, struct slice name);
void pages_free(struct pages *p);

#endif
