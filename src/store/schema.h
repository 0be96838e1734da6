/* The SQL files of this folder, embedded in the program. */
#ifndef JOBLIGHT_STORE_SCHEMA_H
#define JOBLIGHT_STORE_SCHEMA_H

extern const char schema_sqlite[]; /* schema_sqlite.sql, terminated by a NUL */

#endif
