/*
 * Parameters of statements in PostgreSQL's binary format: single values, and columns of a set of
 * rows, which are arrays.
 */
#ifndef JOBLIGHT_STORE_POSTGRES_ARGS_H
#define JOBLIGHT_STORE_POSTGRES_ARGS_H

#include <libpq-fe.h>

#include "joblight/base/buf.h"

#define PG_ARGS_MAX 24

/* `{0}` is valid and has no parameters.  The values are copied. */
struct pg_args {
	int count;
	size_t at[PG_ARGS_MAX];
	int lengths[PG_ARGS_MAX]; /* -1: NULL */
	struct buf bytes;
};

void pg_args_clear(struct pg_args *a); /* keeps the memory */
void pg_args_finish(struct pg_args *a);
void pg_arg_i64(struct pg_args *a, int64_t value);
void pg_arg_u64(struct pg_args *a, uint64_t value); /* at most INT64_MAX */
void pg_arg_bytes(struct pg_args *a, const void *bytes, size_t len);
void pg_arg_text(struct pg_args *a, const char *text); /* NULL: NULL */
void pg_arg_bool(struct pg_args *a, bool value);

/*
 * A set of rows.  `types` has a letter for each column: i for an integer, t for a text, b for
 * bytes, f for a number, o for a truth value, x for the number of a transaction.  A row is put
 * value after value.
 */
#define PG_COLUMNS_MAX 21
struct pg_rows {
	const char *types;
	unsigned next; /* column */
	uint32_t count;
	struct {
		struct buf bytes;
		bool has_null;
	} columns[PG_COLUMNS_MAX];
};

void pg_rows_clear(struct pg_rows *r);
void pg_rows_finish(struct pg_rows *r);
void pg_put_i64(struct pg_rows *r, int64_t value);
void pg_put_u64(struct pg_rows *r, uint64_t value);
void pg_put_text(struct pg_rows *r, const char *text); /* NULL: NULL */
void pg_put_slice(struct pg_rows *r, struct slice text);
void pg_put_bytes(struct pg_rows *r, const void *bytes, size_t len);
void pg_put_f64(struct pg_rows *r, double value); /* NAN: NULL */
void pg_put_bool(struct pg_rows *r, bool value);
void pg_put_xid(struct pg_rows *r, uint32_t value);
void pg_put_null(struct pg_rows *r);

/* One parameter for each column. */
void pg_args_rows(struct pg_args *a, const struct pg_rows *r);

/* `{0}` is the beginning.  The same for the next PG_PART_ROWS rows; false: there are no more. */
#define PG_PART_ROWS 64
struct pg_part {
	uint32_t row;
	size_t at[PG_COLUMNS_MAX];
};
bool pg_args_part(struct pg_args *a, const struct pg_rows *r, struct pg_part *part);

/* Values of results; NULL is 0, or NULL. */
int64_t pg_i64(const PGresult *result, int row, int column);
uint64_t pg_u64(const PGresult *result, int row, int column);
double pg_f64(const PGresult *result, int row, int column); /* NAN */
bool pg_bool(const PGresult *result, int row, int column);
char *pg_text(const PGresult *result, int row, int column);
void pg_copy(const PGresult *result, int row, int column, char *out, size_t size);

/* Whether the text can be an id, a scope or a key that is stored: ASCII. */
bool pg_is_plain(struct slice text);

#endif
