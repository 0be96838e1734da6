/* The rows of the server itself: access keys, tokens, clocks. */
#include "postgres.h"

/* ---- access keys ---- */

/* Who changes keys does it alone: what a change depends on is then still so when it commits. */
PG_SQL(sql_keys_lock, "SELECT pg_advisory_xact_lock(1785489012, 2)");

static enum store_result lock_keys(struct pg_session *s)
{
	if (!s->writer || pg_may_send(s) != STORE_OK)
		return s->failed;
	pg_queue_begin(s);
	pg_link_add(&s->link, &sql_keys_lock, NULL);
	return STORE_OK;
}

PG_SQL(sql_keys_changed, "UPDATE keys_version SET version = version + 1");

/* Whoever has an older version reads them again when this transaction commits.  The keys are locked
 * before the row of the version, on every node. */
static enum store_result note_change(struct pg_session *s, enum store_result r)
{
	if (r == STORE_OK)
		r = lock_keys(s);
	return r == STORE_OK ? pg_queue(s, &sql_keys_changed, NULL) : r;
}

/* A session of a pooler does not notice that the database is being copied. */
PG_SQL(sql_keys_version, "SELECT version, (SELECT version > 0 FROM joblight) FROM keys_version");

enum store_result postgres_keys_version(struct store *base, int64_t *version)
{
	struct pg_session *s = pg_session(base);
	PGresult *result;

	lock_keys(s);
	enum store_result r = pg_query(s, &sql_keys_version, NULL, &result);
	if (r == STORE_OK && !PQntuples(result))
		r = pg_spoil(s, STORE_BROKEN, "the version of the keys is gone");
	if (r == STORE_OK && s->db->settled && !s->db->any && !pg_bool(result, 0, 1))
		r = pg_spoil(s, STORE_BUSY, DATABASE_UNFINISHED);
	if (r == STORE_OK)
		*version = pg_i64(result, 0, 0);
	PQclear(result);
	return r;
}

PG_SQL(sql_access_key_put,
       "INSERT INTO access_keys (id, hash, rights, name, jobs, created, expires, revoked) "
       "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET "
       "rights = excluded.rights, name = excluded.name, jobs = excluded.jobs, "
       "expires = excluded.expires, revoked = excluded.revoked");

enum store_result postgres_access_key_put(struct store *base, const struct access_key_row *row)
{
	struct pg_args args = { 0 };
	enum store_result r;

	pg_arg_text(&args, row->id);
	pg_arg_bytes(&args, row->hash, DIGEST_LEN);
	pg_arg_i64(&args, row->rights);
	pg_arg_text(&args, row->name);
	pg_arg_text(&args, row->jobs);
	pg_arg_i64(&args, row->created);
	pg_arg_i64(&args, row->expires);
	pg_arg_i64(&args, row->revoked);
	r = pg_queue(pg_session(base), &sql_access_key_put, &args);
	pg_args_finish(&args);
	return note_change(pg_session(base), r);
}

static void access_key_from(const PGresult *r, int row, struct access_key_row *key)
{
	*key = (struct access_key_row){
		.rights = (uint32_t)pg_i64(r, row, 2),
		.name = pg_text(r, row, 3),
		.jobs = pg_text(r, row, 4),
		.created = pg_i64(r, row, 5),
		.expires = pg_i64(r, row, 6),
		.revoked = pg_i64(r, row, 7),
	};
	pg_copy(r, row, 0, key->id, sizeof(key->id));
	if (PQgetlength(r, row, 1) == DIGEST_LEN)
		memcpy(key->hash, PQgetvalue(r, row, 1), DIGEST_LEN);
}

PG_SQL(sql_access_keys, "SELECT id, hash, rights, name, jobs, created, expires, revoked "
                        "FROM access_keys ORDER BY number");

enum store_result postgres_access_keys(struct store *base, access_key_visit *visit, void *context)
{
	struct pg_session *s = pg_session(base);
	PGresult *result;

	lock_keys(s);
	enum store_result r = pg_query(s, &sql_access_keys, NULL, &result);
	int rows = r == STORE_OK ? PQntuples(result) : 0;
	for (int i = 0; i < rows; i++) {
		struct access_key_row row;
		access_key_from(result, i, &row);
		if (!visit(context, &row))
			break;
	}
	PQclear(result);
	return r == STORE_OK && !rows ? STORE_NONE : r;
}

/* ---- tokens ---- */

PG_SQL(sql_signing_key_get, "SELECT id, secret FROM signing_key");

enum store_result postgres_signing_key_get(struct store *base, struct signing_key_row *row)
{
	struct pg_session *s = pg_session(base);
	PGresult *result;

	lock_keys(s);
	enum store_result r = pg_query(s, &sql_signing_key_get, NULL, &result);
	if (r == STORE_OK && !PQntuples(result))
		r = STORE_NONE;
	if (r == STORE_OK && PQgetlength(result, 0, 1) != SIGNING_SECRET_LEN)
		r = pg_spoil(s, STORE_BROKEN, "the signing key is not one");
	if (r == STORE_OK) {
		pg_copy(result, 0, 0, row->id, sizeof(row->id));
		memcpy(row->secret, PQgetvalue(result, 0, 1), SIGNING_SECRET_LEN);
	}
	PQclear(result);
	return r;
}

PG_SQL(sql_signing_key_put, "INSERT INTO signing_key VALUES (1, $1, $2) "
                            "ON CONFLICT (one) DO UPDATE SET id = $1, secret = $2");

enum store_result postgres_signing_key_put(struct store *base, const struct signing_key_row *row)
{
	struct pg_args args = { 0 };
	enum store_result r;

	pg_arg_text(&args, row->id);
	pg_arg_bytes(&args, row->secret, SIGNING_SECRET_LEN);
	r = pg_queue(pg_session(base), &sql_signing_key_put, &args);
	pg_args_finish(&args);
	return note_change(pg_session(base), r);
}

/* Waits for another node that revokes the same token, so that it is used once. */
PG_SQL(sql_revoked_token_put, "INSERT INTO revoked_tokens VALUES ($1, $2) ON CONFLICT DO NOTHING");

enum store_result postgres_revoked_token_put(struct store *base,
                                             const struct revoked_token_row *row)
{
	struct pg_session *s = pg_session(base);
	struct pg_args args = { 0 };
	uint64_t rows;
	enum store_result r;

	lock_keys(s); /* first, as in every other change */
	pg_arg_text(&args, row->id);
	pg_arg_i64(&args, row->expires);
	r = pg_change(s, &sql_revoked_token_put, &args, &rows);
	pg_args_finish(&args);
	return r == STORE_OK && !rows ? STORE_NONE : note_change(s, r);
}

PG_SQL(sql_revoked_tokens, "SELECT id, expires FROM revoked_tokens");

enum store_result postgres_revoked_tokens(struct store *base, revoked_token_visit *visit,
                                          void *context)
{
	PGresult *result;
	enum store_result r = pg_query(pg_session(base), &sql_revoked_tokens, NULL, &result);
	int rows = r == STORE_OK ? PQntuples(result) : 0;

	for (int i = 0; i < rows; i++) {
		struct revoked_token_row row = { .expires = pg_i64(result, i, 1) };
		pg_copy(result, i, 0, row.id, sizeof(row.id));
		if (!visit(context, &row))
			break;
	}
	PQclear(result);
	return r == STORE_OK && !rows ? STORE_NONE : r;
}

PG_SQL(sql_revoked_tokens_prune, "DELETE FROM revoked_tokens WHERE id = ANY (ARRAY(SELECT id FROM "
                                 "revoked_tokens WHERE expires < $1 FOR UPDATE SKIP LOCKED))");

enum store_result postgres_revoked_tokens_prune(struct store *base, int64_t before)
{
	struct pg_args args = { 0 };
	enum store_result r;

	pg_arg_i64(&args, before);
	r = pg_queue(pg_session(base), &sql_revoked_tokens_prune, &args);
	pg_args_finish(&args);
	return r;
}

/* ---- clocks ---- */

PG_SQL(sql_now, "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::int8");

enum store_result postgres_now(struct store *base, int64_t *ms)
{
	PGresult *result;
	enum store_result r = pg_query(pg_session(base), &sql_now, NULL, &result);

	if (r == STORE_OK)
		*ms = pg_i64(result, 0, 0);
	PQclear(result);
	return r;
}

PG_SQL(sql_clock_get, "SELECT boot, monotonic, boottime, wall, steady, trusted FROM clock");

enum store_result postgres_clock_get(struct store *base, struct clock_row *row)
{
	PGresult *result;
	enum store_result r = pg_query(pg_session(base), &sql_clock_get, NULL, &result);

	if (r == STORE_OK && !PQntuples(result))
		r = STORE_NONE;
	if (r == STORE_OK) {
		*row = (struct clock_row){
			.monotonic = pg_i64(result, 0, 1),
			.boottime = pg_i64(result, 0, 2),
			.wall = pg_i64(result, 0, 3),
			.steady = pg_i64(result, 0, 4),
			.trusted = pg_i64(result, 0, 5),
		};
		pg_copy(result, 0, 0, row->boot, sizeof(row->boot));
	}
	PQclear(result);
	return r;
}

PG_SQL(sql_clock_put,
       "INSERT INTO clock VALUES (1, $1, $2, $3, $4, $5, $6) ON CONFLICT (one) DO UPDATE SET "
       "boot = $1, monotonic = $2, boottime = $3, wall = $4, steady = $5, trusted = $6");

enum store_result postgres_clock_put(struct store *base, const struct clock_row *row)
{
	struct pg_args args = { 0 };
	enum store_result r;

	pg_arg_text(&args, row->boot);
	pg_arg_i64(&args, row->monotonic);
	pg_arg_i64(&args, row->boottime);
	pg_arg_i64(&args, row->wall);
	pg_arg_i64(&args, row->steady);
	pg_arg_i64(&args, row->trusted);
	r = pg_queue(pg_session(base), &sql_clock_put, &args);
	pg_args_finish(&args);
	return r;
}
