/*
 * The address of a database of PostgreSQL, as --db and --bus have it, for the module of PostgreSQL
 * (joblight/base/module.h).  Its password, and messages of libpq that could have a part of it, are
 * never shown.
 */
#ifndef JOBLIGHT_BASE_POSTGRES_PLACE_H
#define JOBLIGHT_BASE_POSTGRES_PLACE_H

#include <libpq-fe.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define PG_PLACE_OPTIONS 64

/* What PQconnectStartParams() takes. */
struct pg_place {
	const char *names[PG_PLACE_OPTIONS], *values[PG_PLACE_OPTIONS + 1];
	PQconninfoOption *parsed; /* to which they point */
	atomic_uint users;
};

/* NULL with a message that does not repeat the address; `setting` is the one that has it. */
struct pg_place *pg_place_parse(const char *location, const char *setting, char *error,
                                size_t error_len);
/* One more user, for whom it stays as it is until pg_place_free().  Any thread. */
struct pg_place *pg_place_hold(struct pg_place *p);
void pg_place_free(struct pg_place *p); /* NULL is fine */

/* How many hosts are tried one after another, and whether one of them is a name. */
unsigned pg_place_hosts(const struct pg_place *p, bool *named);

/* Sets an option; `always`: also if the address has it. */
void pg_place_set(struct pg_place *p, const char *name, const char *value, bool always);

/* A message of libpq or of the server in one line, without the password. */
void pg_place_words(const struct pg_place *p, const char *message, char *out, size_t size);

#endif
