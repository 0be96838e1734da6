/* The files of www/ as the build put them into the program; the table is generated. */
#ifndef JOBLIGHT_API_PAGES_BUILTIN_H
#define JOBLIGHT_API_PAGES_BUILTIN_H

struct builtin_page {
	const char *name; /* NULL ends the table */
	const char *start, *end;
	const char *gzip_start, *gzip_end; /* NULL: it is not worth it */
};

extern const struct builtin_page builtin_pages[];

#endif
