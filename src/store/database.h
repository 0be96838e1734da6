/*
 * What a backend provides to backend.c.  A new backend is one file and one row in the table of
 * backend.c; tests/unit/test_store.c then runs over it too.
 */
#ifndef JOBLIGHT_STORE_DATABASE_H
#define JOBLIGHT_STORE_DATABASE_H

#include "joblight/store/backend.h"

struct backend {
	const char *name;
	bool (*takes)(const char *location); /* called in the order of the table */
	/* NULL with a message in `error`. */
	struct database *(*open)(const char *location, enum durability durability, char *error,
	                         size_t error_len);
	struct store *(*reader)(struct database *db, char *error, size_t error_len);
	void (*close)(struct database *db); /* also closes the writer */
};

/* The first member of the struct of every backend. */
struct database {
	const struct backend *backend;
	struct store *writer;
};

extern const struct backend memory_backend;
extern const struct backend sqlite_backend;

#endif
