/* Looks whether a database file is sound, while a server may use it.  Any thread; opens it
 * read-only. */
#ifndef JOBLIGHT_STORE_CHECK_H
#define JOBLIGHT_STORE_CHECK_H

#include <stddef.h>

enum database_state { DATABASE_SOUND, DATABASE_BROKEN, DATABASE_UNKNOWN };

/*
 * Runs PRAGMA quick_check, at most for `ms`.  `words` says what is wrong with it, or why that is
 * not known.
 */
enum database_state store_check(const char *path, unsigned ms, char *words, size_t size);

#endif
