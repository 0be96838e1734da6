/*
 * What a backend provides to backend.c.  A new backend is one file and one row in the table of
 * backend.c; tests/unit/test_store.c then runs over it too.
 */
#ifndef JOBLIGHT_STORE_DATABASE_H
#define JOBLIGHT_STORE_DATABASE_H

#include "joblight/store/backend.h"

/* What is said of a database that has the mark of database_mark(). */
#define DATABASE_UNFINISHED                                                                        \
	"it is a copy that `joblight db copy` has not finished: run that command again until its " \
	"status is 0, or delete this database and use the original"

struct backend {
	const char *name;
	bool (*takes)(const char *location); /* called in the order of the table */
	/* NULL with a message in `error`.  `any`: also a copy that is not finished. */
	struct database *(*open)(const char *location, bool any, enum durability durability,
	                         char *error, size_t error_len);
	/* database_mark(); NULL: there are no such copies. */
	bool (*mark)(struct database *db, bool unfinished, char *error, size_t error_len);
	struct store *(*reader)(struct database *db, char *error, size_t error_len);
	/* database_claim(); NULL: nobody else can use what is open. */
	bool (*claim)(struct database *db, char *error, size_t error_len);
	/* database_peek() of upkeep.h; NULL: it cannot. */
	struct store *(*peek)(const char *location, char *error, size_t error_len);
	/* database_lend() and database_take_back(); NULL: another process cannot have it. */
	void (*lend)(struct database *db);
	bool (*take_back)(struct database *db, char *error, size_t error_len);
	void (*close)(struct database *db); /* also closes the writer */
};

/* The first member of the struct of every backend. */
struct database {
	const struct backend *backend;
	struct store *writer; /* NULL while it is lent */
};

extern const struct backend memory_backend;
extern const struct backend sqlite_backend;

#endif
