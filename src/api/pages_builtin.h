/* The files of www/ in the program.  The build generates the table. */
#ifndef JOBLIGHT_API_PAGES_BUILTIN_H
#define JOBLIGHT_API_PAGES_BUILTIN_H

struct builtin_page {
	const char *name; /* NULL ends the table */
	const char *start, *end;
	const char *gzip_start, *gzip_end; /* NULL if compression does not help */
};

extern const struct builtin_page builtin_pages[];

#endif
