/* The rows of remembered answers. */
#include "postgres.h"

#include <stdio.h>

void pg_answer_from(const PGresult *r, int row, struct idempotency_row *answer)
{
	*answer = (struct idempotency_row){
		.time = pg_i64(r, row, 3),
		.outcome = (int32_t)pg_i64(r, row, 4),
		.seq_first = pg_u64(r, row, 5),
		.seq_last = pg_u64(r, row, 6),
		.body = pg_text(r, row, 8),
	};
	pg_copy(r, row, 0, answer->scope, sizeof(answer->scope));
	pg_copy(r, row, 1, answer->key, sizeof(answer->key));
	pg_copy(r, row, 7, answer->epoch, sizeof(answer->epoch));
	if (PQgetlength(r, row, 2) == DIGEST_LEN)
		memcpy(answer->fingerprint, PQgetvalue(r, row, 2), DIGEST_LEN);
}

PG_SQL(sql_answer_get,
       "SELECT " PG_ANSWER_COLUMNS " FROM idempotency a WHERE a.scope = $1 AND a.key = $2");

static enum store_result read_answer(struct pg_session *s, const char *scope, const char *key,
                                     struct idempotency_row *row)
{
	struct pg_args args = { 0 };
	struct idempotency_row borrowed;
	PGresult *result;

	pg_arg_text(&args, scope);
	pg_arg_text(&args, key);
	enum store_result r = pg_look(s, &sql_answer_get, &args, &result);
	if (r == STORE_OK && !PQntuples(result))
		r = STORE_NONE;
	if (r == STORE_OK) {
		pg_answer_from(result, 0, &borrowed);
		pg_copy_answer(row, &borrowed);
	}
	PQclear(result);
	pg_args_finish(&args);
	return r;
}

/* What was looked for is kept, because the row is put only if it was not there. */
static enum store_result find_answer(struct pg_session *s, const char *scope, const char *key,
                                     struct idempotency_row *row)
{
	const struct pg_answer *answer = pg_cache_answer(&s->cache, scope, key);
	struct idempotency_row found;
	enum store_result r;

	if (!answer) {
		r = read_answer(s, scope, key, &found);
		if (r == STORE_OK)
			pg_cache_put_answer(&s->cache, &found);
		else if (r == STORE_NONE)
			pg_cache_no_answer(&s->cache, scope, key);
		else
			return r;
		answer = pg_cache_answer(&s->cache, scope, key);
	}
	if (answer->absent)
		return STORE_NONE;
	pg_copy_answer(row, &answer->row);
	return STORE_OK;
}

enum store_result postgres_idempotency_get(struct store *base, const char *scope, const char *key,
                                           struct idempotency_row *row)
{
	struct pg_session *s = pg_session(base);

	if (s->failed)
		return s->failed;
	if (!pg_is_plain(slice_of(scope)) || !pg_is_plain(slice_of(key)))
		return STORE_NONE;
	return s->writer ? find_answer(s, scope, key, row) : read_answer(s, scope, key, row);
}

/* ---- walks ---- */

#define WALK_ROWS 256 /* that are read at once */

PG_SQL(sql_answers, "SELECT " PG_ANSWER_COLUMNS " FROM idempotency a WHERE a.scope = $1 AND "
                    "a.key > $2 ORDER BY a.key LIMIT $3");

/* In two parts, so that the answers of jobs between them are not read. */
#define LASTING(condition)                                                                         \
	"(SELECT " PG_ANSWER_COLUMNS " FROM idempotency a WHERE (a.scope, a.key) > ($1, $2) AND "  \
	"a.scope " condition " ORDER BY a.scope, a.key LIMIT $3)"
PG_SQL(sql_lasting_answers,
       LASTING("< '#'") " UNION ALL " LASTING(">= '$'") " ORDER BY scope, key LIMIT $3");

/* The last row that was visited. */
struct place {
	char scope[ID_MAX + 1], key[KEY_MAX + 1];
};

static enum store_result read_answers(struct pg_session *s, const struct pg_sql *which,
                                      const struct place *after, size_t rows, PGresult **result)
{
	struct pg_args args = { 0 };
	enum store_result r;

	pg_arg_text(&args, after->scope);
	pg_arg_text(&args, after->key);
	pg_arg_u64(&args, rows);
	r = pg_query(s, which, &args, result);
	pg_args_finish(&args);
	return r;
}

/* False: the walk is to end. */
static bool visit_answers(const PGresult *result, struct place *after, idempotency_visit *visit,
                          void *context)
{
	for (int i = 0; i < PQntuples(result); i++) {
		struct idempotency_row row;
		pg_answer_from(result, i, &row);
		memcpy(after->scope, row.scope, sizeof(after->scope));
		memcpy(after->key, row.key, sizeof(after->key));
		if (!visit(context, &row))
			return false;
	}
	return true;
}

static enum store_result walk_answers(struct store *base, const struct pg_sql *which,
                                      struct place *after, size_t limit, idempotency_visit *visit,
                                      void *context)
{
	struct pg_session *s = pg_session(base);
	bool more = true, some = false;

	while (more && limit) {
		size_t asked = limit < WALK_ROWS ? limit : WALK_ROWS;
		PGresult *result;
		enum store_result r = read_answers(s, which, after, asked, &result);
		if (r == STORE_OK) {
			size_t rows = (size_t)PQntuples(result);
			some |= rows > 0;
			limit -= rows;
			more = visit_answers(result, after, visit, context) && rows == asked;
		}
		PQclear(result);
		if (r != STORE_OK)
			return r;
	}
	return some ? STORE_OK : STORE_NONE;
}

static void set_place(struct place *p, const char *scope, const char *key)
{
	snprintf(p->scope, sizeof(p->scope), "%s", scope);
	snprintf(p->key, sizeof(p->key), "%s", key);
}

enum store_result postgres_answers(struct store *base, const char *scope, const char *key,
                                   size_t limit, idempotency_visit *visit, void *context)
{
	struct place after;

	set_place(&after, scope, key);
	return walk_answers(base, &sql_answers, &after, limit, visit, context);
}

enum store_result postgres_lasting_answers(struct store *base, const char *scope, const char *key,
                                           size_t limit, idempotency_visit *visit, void *context)
{
	struct place after;

	set_place(&after, scope, key);
	return walk_answers(base, &sql_lasting_answers, &after, limit, visit, context);
}

enum store_result postgres_idempotency_put(struct store *base, const struct idempotency_row *row)
{
	struct pg_session *s = pg_session(base);
	struct idempotency_row copy;

	if (s->failed)
		return s->failed;
	pg_copy_answer(&copy, row);
	pg_cache_put_answer(&s->cache, &copy)->dirty = true;
	s->cache.dirty = true;
	return STORE_OK;
}
