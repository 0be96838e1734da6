/*
 * The size of the tables.  PostgreSQL does not make its files smaller: the room of rows that were
 * removed is used by later ones, after a vacuum.  What counts is therefore the rows that there are,
 * wherever the files end; otherwise a limit would be exceeded for as long as the files are large,
 * and everything be removed.
 *
 * They are estimated from the rows in a part of the pages.  It is the same part each time, so that
 * the estimate changes with the rows only, and the pages stay in memory.  While events are removed
 * because there are too many, they are subtracted, so that not every step has to look again.
 */
#include "postgres.h"

#include "joblight/base/clock.h"

#define CURRENT_MS 5000
#define EVENT_BYTES 96 /* of an event besides its JSON, as in ROWS_OF("job_activity") */

/* Bytes of a table that are looked at, in a sample or as a whole. */
#define MUCH "2097152"
#define LITTLE "262144"

/*
 * A term of the sum: what the rows of a table take.  `bytes` is what one row does: its header and
 * its columns, its entries in the indexes, and what `fillfactor` keeps free beside it.
 */
#define ROWS_OF(table, sample, bytes)                                                              \
	"(SELECT coalesce(sum(" bytes "), 0)::float8 * "                                           \
	"greatest(1, pg_relation_size('" table "') / " sample ".0) FROM " table                    \
	" TABLESAMPLE SYSTEM (least(100, 100.0 * " sample                                          \
	" / greatest(1, pg_relation_size('" table "')))) REPEATABLE (1))"

#define TEXT(column, times) "coalesce(pg_column_size(" column "), 0) * " times

#define EVENTS ROWS_OF("job_activity", MUCH, "96 + " TEXT("json", "1"))
#define TASKS                                                                                      \
	ROWS_OF("tasks", LITTLE,                                                                   \
	        "320 + " TEXT("note", "1.7") " + " TEXT("title", "1.7") " + " TEXT("id", "3"))
#define JOBS                                                                                       \
	ROWS_OF("jobs", LITTLE,                                                                    \
	        "600 + " TEXT("metadata", "1.7") " + " TEXT("title", "1.7") " + " TEXT("id", "3"))
#define ANSWERS                                                                                    \
	ROWS_OF("idempotency", LITTLE,                                                             \
	        "200 + " TEXT("scope", "2") " + " TEXT("key", "2") " + " TEXT("body", "1"))
#define DAYS ROWS_OF("job_days", LITTLE, "280 + " TEXT("id", "1.7"))
#define DELIVERABLES                                                                               \
	ROWS_OF("deliverables", LITTLE,                                                            \
	        "120 + " TEXT("id", "2") " + " TEXT("title", "1") " + " TEXT("url", "1"))

#define FILES                                                                                      \
	"(SELECT sum(pg_total_relation_size(t)) FROM unnest(ARRAY['job_activity', 'tasks', "       \
	"'jobs', 'idempotency', 'job_days', 'deliverables']::regclass[]) t)"

PG_SQL(sql_space, "SELECT (" EVENTS " + " TASKS " + " JOBS " + " ANSWERS " + " DAYS
                  " + " DELIVERABLES ")::int8, " FILES "::int8");

void pg_space_removed(struct pg_session *s, uint64_t events, uint64_t bytes)
{
	struct store_space *last = &s->space.last;
	uint64_t size = events * EVENT_BYTES + bytes;

	size = size < last->used ? size : last->used;
	last->used -= size;
	last->free += size;
	s->space.is_current = true;
}

static enum store_result estimate(struct pg_session *s)
{
	PGresult *result;
	enum store_result r = pg_query(s, &sql_space, NULL, &result);

	if (r == STORE_OK) {
		uint64_t used = pg_u64(result, 0, 0), all = pg_u64(result, 0, 1);
		s->space.last.used = used;
		s->space.last.free = all > used ? all - used : 0;
		s->space.until_ms = clock_monotonic_ms() + CURRENT_MS;
	}
	PQclear(result);
	return r;
}

enum store_result postgres_space(struct store *base, struct store_space *space)
{
	struct pg_session *s = pg_session(base);
	bool known = s->space.is_current && clock_monotonic_ms() < s->space.until_ms;

	if (s->failed)
		return s->failed;
	s->space.is_current = known;
	enum store_result r = known ? STORE_OK : estimate(s);
	if (r == STORE_OK)
		*space = s->space.last;
	return r;
}

/* A vacuum makes room in the files, and does not shorten them but at their ends. */
enum store_result postgres_give_back(struct store *base, size_t pages)
{
	(void)base;
	(void)pages;
	return STORE_NONE;
}
