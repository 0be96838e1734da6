/* schema_postgres.sql, embedded in the module. */
#ifndef JOBLIGHT_STORE_SCHEMA_POSTGRES_H
#define JOBLIGHT_STORE_SCHEMA_POSTGRES_H

extern const char schema_postgres[]; /* terminated by a NUL */

#endif
