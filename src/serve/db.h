/*
 * The verbs that work on a database file: `joblight db …`, and `joblight job export|import --db`.
 * Each prints its result on standard output and its errors on standard error, and returns the exit
 * status: 0; 1: it failed; 2: it cannot be done with these arguments.
 *
 * Those that only read work on the database of a running server, the others are refused then.
 */
#ifndef JOBLIGHT_SERVE_DB_H
#define JOBLIGHT_SERVE_DB_H

#include "config.h"

int db_backup(const struct config *c, const char *file);
int db_check(const struct config *c);
int db_statistics(const struct config *c); /* the rows of jobs and days, as NDJSON */
int db_job_export(const struct config *c, const char *job_id);

/* Brings the tables up to date, or makes those of PostgreSQL, as a server does when it starts. */
int db_migrate(const struct config *c);
int db_new_epoch(const struct config *c, const char *job_id); /* NULL: all jobs */
int db_prune(const struct config *c);
int db_vacuum(const struct config *c);

/*
 * The locations are as of --db; FROM may be NULL for that of --db, and "@FILE" stands for what is
 * written in a file.  It ends early, with a message, when *stop becomes true.
 */
int db_copy(const struct config *c, const char *from, const char *to, const atomic_bool *stop);

struct db_import {
	const char *as; /* the id that the job gets; NULL: its own */
	bool replace, keep_epoch;
};
int db_job_import(const struct config *c, const struct db_import *how);

#endif
