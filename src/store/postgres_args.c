#include "postgres_args.h"

#include <assert.h>
#include <endian.h>
#include <math.h>

/* The types of PostgreSQL, which pg_type.h of the server has. */
#define OID_BOOL 16
#define OID_BYTEA 17
#define OID_INT8 20
#define OID_TEXT 25
#define OID_XID 28
#define OID_FLOAT8 701

/* ---- parameters ---- */

void pg_args_clear(struct pg_args *a)
{
	a->count = 0;
	a->bytes.len = 0;
}

void pg_args_finish(struct pg_args *a)
{
	buf_finish(&a->bytes);
	a->count = 0;
}

static void begin(struct pg_args *a, size_t len)
{
	assert(a->count < PG_ARGS_MAX);
	a->at[a->count] = a->bytes.len;
	a->lengths[a->count++] = (int)len;
}

void pg_arg_bytes(struct pg_args *a, const void *bytes, size_t len)
{
	begin(a, len);
	buf_reserve(&a->bytes, len + 1); /* a value that is empty has an address too */
	buf_add(&a->bytes, bytes, len);
}

void pg_arg_i64(struct pg_args *a, int64_t value)
{
	uint64_t wire = htobe64((uint64_t)value);

	pg_arg_bytes(a, &wire, sizeof(wire));
}

static int64_t bounded(uint64_t value)
{
	return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

void pg_arg_u64(struct pg_args *a, uint64_t value)
{
	pg_arg_i64(a, bounded(value));
}

void pg_arg_text(struct pg_args *a, const char *text)
{
	pg_arg_bytes(a, text ? text : "", text ? strlen(text) : 0);
	if (!text)
		a->lengths[a->count - 1] = -1;
}

void pg_arg_bool(struct pg_args *a, bool value)
{
	char wire = (char)value;

	pg_arg_bytes(a, &wire, 1);
}

/* ---- rows ---- */

void pg_rows_clear(struct pg_rows *r)
{
	for (unsigned i = 0; i < PG_COLUMNS_MAX; i++) {
		r->columns[i].bytes.len = 0;
		r->columns[i].has_null = false;
	}
	r->next = 0;
	r->count = 0;
}

void pg_rows_finish(struct pg_rows *r)
{
	for (unsigned i = 0; i < PG_COLUMNS_MAX; i++)
		buf_finish(&r->columns[i].bytes);
	r->count = 0;
}

static void add_u32(struct buf *b, uint32_t value)
{
	uint32_t wire = htobe32(value);

	buf_add(b, &wire, sizeof(wire));
}

static void put(struct pg_rows *r, char type, const void *bytes, size_t len)
{
	struct buf *column = &r->columns[r->next].bytes;

	assert(r->types[r->next] == type);
	add_u32(column, (uint32_t)len);
	buf_add(column, bytes, len);
	if (r->types[++r->next])
		return;
	r->next = 0;
	r->count++;
}

void pg_put_i64(struct pg_rows *r, int64_t value)
{
	uint64_t wire = htobe64((uint64_t)value);

	put(r, 'i', &wire, sizeof(wire));
}

void pg_put_u64(struct pg_rows *r, uint64_t value)
{
	pg_put_i64(r, bounded(value));
}

void pg_put_bytes(struct pg_rows *r, const void *bytes, size_t len)
{
	put(r, 'b', bytes, len);
}

void pg_put_slice(struct pg_rows *r, struct slice text)
{
	put(r, 't', text.ptr, text.len);
}

void pg_put_text(struct pg_rows *r, const char *text)
{
	if (text)
		pg_put_slice(r, slice_of(text));
	else
		pg_put_null(r);
}

void pg_put_bool(struct pg_rows *r, bool value)
{
	char wire = (char)value;

	put(r, 'o', &wire, 1);
}

void pg_put_xid(struct pg_rows *r, uint32_t value)
{
	uint32_t wire = htobe32(value);

	put(r, 'x', &wire, sizeof(wire));
}

void pg_put_f64(struct pg_rows *r, double value)
{
	uint64_t wire;

	if (isnan(value)) {
		pg_put_null(r);
		return;
	}
	memcpy(&wire, &value, sizeof(wire));
	wire = htobe64(wire);
	put(r, 'f', &wire, sizeof(wire));
}

void pg_put_null(struct pg_rows *r)
{
	struct buf *column = &r->columns[r->next].bytes;
	size_t at = column->len;

	r->columns[r->next].has_null = true;
	put(r, r->types[r->next], "", 0);
	memset(column->ptr + at, 0xff, sizeof(uint32_t)); /* the length -1 */
}

static uint32_t oid_of(char type)
{
	switch (type) {
	case 'i':
		return OID_INT8;
	case 't':
		return OID_TEXT;
	case 'b':
		return OID_BYTEA;
	case 'f':
		return OID_FLOAT8;
	case 'x':
		return OID_XID;
	default:
		return OID_BOOL;
	}
}

/* What array_recv() of the server reads. */
static void add_array(struct pg_args *a, const struct pg_rows *r, unsigned column, uint32_t count,
                      struct slice values)
{
	size_t at = a->bytes.len;

	begin(a, 0);
	add_u32(&a->bytes, count ? 1 : 0); /* dimensions */
	add_u32(&a->bytes, r->columns[column].has_null);
	add_u32(&a->bytes, oid_of(r->types[column]));
	if (count) {
		add_u32(&a->bytes, count);
		add_u32(&a->bytes, 1); /* the index of the first */
		buf_slice(&a->bytes, values);
	}
	a->lengths[a->count - 1] = (int)(a->bytes.len - at);
}

void pg_args_rows(struct pg_args *a, const struct pg_rows *r)
{
	assert(!r->next);
	for (unsigned i = 0; r->types[i]; i++)
		add_array(a, r, i, r->count, buf_as_slice(&r->columns[i].bytes));
}

/* How many bytes the next values of a column have, with their lengths. */
static size_t measure(const struct buf *column, size_t from, uint32_t count)
{
	size_t at = from;

	while (count--) {
		uint32_t len;
		memcpy(&len, column->ptr + at, sizeof(len));
		at += sizeof(len) + (len == UINT32_MAX ? 0 : be32toh(len));
	}
	return at - from;
}

bool pg_args_part(struct pg_args *a, const struct pg_rows *r, struct pg_part *part)
{
	uint32_t left = r->count - part->row, count = left < PG_PART_ROWS ? left : PG_PART_ROWS;

	assert(!r->next);
	for (unsigned i = 0; count && r->types[i]; i++) {
		const struct buf *column = &r->columns[i].bytes;
		size_t len = measure(column, part->at[i], count);
		add_array(a, r, i, count, (struct slice){ column->ptr + part->at[i], len });
		part->at[i] += len;
	}
	part->row += count;
	return count > 0;
}

/* ---- results ---- */

int64_t pg_i64(const PGresult *result, int row, int column)
{
	const char *value = PQgetvalue(result, row, column);
	uint64_t wide;
	uint32_t half;
	uint16_t quarter;

	switch (PQgetlength(result, row, column)) {
	case sizeof(wide):
		memcpy(&wide, value, sizeof(wide));
		return (int64_t)be64toh(wide);
	case sizeof(half):
		memcpy(&half, value, sizeof(half));
		return (int32_t)be32toh(half);
	case sizeof(quarter):
		memcpy(&quarter, value, sizeof(quarter));
		return (int16_t)be16toh(quarter);
	default:
		return 0;
	}
}

uint64_t pg_u64(const PGresult *result, int row, int column)
{
	return (uint64_t)pg_i64(result, row, column);
}

double pg_f64(const PGresult *result, int row, int column)
{
	uint64_t bits = (uint64_t)pg_i64(result, row, column);
	double value;

	memcpy(&value, &bits, sizeof(value));
	return PQgetisnull(result, row, column) ? NAN : value;
}

bool pg_bool(const PGresult *result, int row, int column)
{
	return PQgetlength(result, row, column) && PQgetvalue(result, row, column)[0];
}

char *pg_text(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column);
}

void pg_copy(const PGresult *result, int row, int column, char *out, size_t size)
{
	size_t len = (size_t)PQgetlength(result, row, column);

	len = len < size ? len : size - 1;
	memcpy(out, PQgetvalue(result, row, column), len);
	out[len] = '\0';
}

bool pg_is_plain(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] <= 0)
			return false;
	return true;
}
