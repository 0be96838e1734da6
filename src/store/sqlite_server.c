/* The rows of the server itself: remembered answers, access keys, the clock. */
#include "sqlite_row.h"

#define ANSWER_COLUMNS "scope, key, fingerprint, time, outcome, seq_first, seq_last, epoch, body"
#define ACCESS_KEY_COLUMNS "id, hash, rights, name, jobs, created, expires, revoked"

/* ---- remembered answers ---- */

/* Borrows the body. */
static bool answer_from(sqlite3_stmt *st, struct idempotency_row *row)
{
	const void *fingerprint = sqlite3_column_blob(st, 2);

	if (!fingerprint || sqlite3_column_bytes(st, 2) != DIGEST_LEN)
		return false;
	*row = (struct idempotency_row){
		.time = sqlite3_column_int64(st, 3),
		.outcome = sqlite3_column_int(st, 4),
		.seq_first = (uint64_t)sqlite3_column_int64(st, 5),
		.seq_last = (uint64_t)sqlite3_column_int64(st, 6),
		.body = text_at(st, 8),
	};
	memcpy(row->fingerprint, fingerprint, DIGEST_LEN);
	copy_at(st, 0, row->scope, sizeof row->scope);
	copy_at(st, 1, row->key, sizeof row->key);
	copy_at(st, 7, row->epoch, sizeof row->epoch);
	return true;
}

SQL(sql_answer_get, "SELECT " ANSWER_COLUMNS " FROM idempotency WHERE scope = ?1 AND key = ?2");

enum store_result sqlite_idempotency_get(struct store *base, const char *scope, const char *key,
                                         struct idempotency_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, &sql_answer_get);
	bool intact = true;
	int code;

	if (s->failed)
		return s->failed;
	bind_text(st, 1, scope);
	bind_text(st, 2, key);
	code = sqlite3_step(st);
	if (code == SQLITE_ROW)
		intact = answer_from(st, row);
	if (code == SQLITE_ROW && intact)
		row->body = own(row->body);
	return sqlite_walked(s, st, code, code == SQLITE_ROW, intact);
}

SQL(sql_answer_put, "INSERT OR REPLACE INTO idempotency (" ANSWER_COLUMNS ") "
                    "VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)");

enum store_result sqlite_idempotency_put(struct store *base, const struct idempotency_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, &sql_answer_put);

	if (s->failed)
		return s->failed;
	bind_text(st, 1, row->scope);
	bind_text(st, 2, row->key);
	sqlite3_bind_blob(st, 3, row->fingerprint, DIGEST_LEN, SQLITE_STATIC);
	bind_number(st, 4, row->time);
	bind_number(st, 5, row->outcome);
	bind_u64(st, 6, row->seq_first);
	bind_u64(st, 7, row->seq_last);
	bind_text(st, 8, row->epoch);
	bind_text(st, 9, row->body);
	return sqlite_run(s, st);
}

static enum store_result walk_answers(struct store *base, const struct sql *which,
                                      const char *scope, const char *key, size_t limit,
                                      idempotency_visit *visit, void *context)
{
	struct sqlite_session *s = sqlite_session(base);
	struct walk walk = { .st = sqlite_statement(s, which) };
	struct idempotency_row row;

	if (s->failed)
		return s->failed;
	bind_text(walk.st, 1, scope);
	bind_text(walk.st, 2, key);
	bind_u64(walk.st, 3, limit);
	while (walk_step(&walk) && walk_takes(&walk, answer_from(walk.st, &row)) &&
	       visit(context, &row))
		;
	return walk_end(s, &walk);
}

SQL(sql_answers, "SELECT " ANSWER_COLUMNS " FROM idempotency WHERE scope = ?1 AND key > ?2 "
                 "ORDER BY key LIMIT ?3");

enum store_result sqlite_answers(struct store *base, const char *scope, const char *key,
                                 size_t limit, idempotency_visit *visit, void *context)
{
	return walk_answers(base, &sql_answers, scope, key, limit, visit, context);
}

SQL(sql_lasting_answers,
    "SELECT " ANSWER_COLUMNS " FROM idempotency WHERE (scope, key) > (?1, ?2) AND "
    "(scope < '#' OR scope >= '$') ORDER BY scope, key LIMIT ?3");

enum store_result sqlite_lasting_answers(struct store *base, const char *scope, const char *key,
                                         size_t limit, idempotency_visit *visit, void *context)
{
	return walk_answers(base, &sql_lasting_answers, scope, key, limit, visit, context);
}

SQL(sql_access_key_put,
    "INSERT INTO access_keys (" ACCESS_KEY_COLUMNS ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8) "
    "ON CONFLICT (id) DO UPDATE SET rights = ?3, name = ?4, jobs = ?5, expires = ?7, "
    "revoked = ?8");

/* ---- access keys ---- */

enum store_result sqlite_access_key_put(struct store *base, const struct access_key_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, &sql_access_key_put);

	if (s->failed)
		return s->failed;
	bind_text(st, 1, row->id);
	sqlite3_bind_blob(st, 2, row->hash, DIGEST_LEN, SQLITE_STATIC);
	bind_number(st, 3, row->rights);
	bind_text(st, 4, row->name);
	bind_text(st, 5, row->jobs);
	bind_number(st, 6, row->created);
	bind_number(st, 7, row->expires);
	bind_number(st, 8, row->revoked);
	return sqlite_run(s, st);
}

static bool access_key_from(sqlite3_stmt *st, struct access_key_row *row)
{
	*row = (struct access_key_row){
		.rights = (uint32_t)sqlite3_column_int64(st, 2),
		.name = (char *)(uintptr_t)sqlite3_column_text(st, 3),
		.jobs = (char *)(uintptr_t)sqlite3_column_text(st, 4),
		.created = sqlite3_column_int64(st, 5),
		.expires = sqlite3_column_int64(st, 6),
		.revoked = sqlite3_column_int64(st, 7),
	};
	if (sqlite3_column_bytes(st, 0) != ACCESS_KEY_ID_LEN ||
	    sqlite3_column_bytes(st, 1) != DIGEST_LEN || !row->name || !row->jobs)
		return false;
	copy_at(st, 0, row->id, sizeof row->id);
	memcpy(row->hash, sqlite3_column_blob(st, 1), DIGEST_LEN);
	return true;
}

SQL(sql_access_keys, "SELECT " ACCESS_KEY_COLUMNS " FROM access_keys ORDER BY rowid");

enum store_result sqlite_access_keys(struct store *base, access_key_visit *visit, void *context)
{
	struct sqlite_session *s = sqlite_session(base);
	struct walk walk = { .st = sqlite_statement(s, &sql_access_keys) };
	struct access_key_row row;

	if (s->failed)
		return s->failed;
	while (walk_step(&walk) && walk_takes(&walk, access_key_from(walk.st, &row)) &&
	       visit(context, &row))
		;
	return walk_end(s, &walk);
}

SQL(sql_clock_get, "SELECT boot, monotonic, boottime, wall, steady, trusted FROM clock");

/* ---- the clock ---- */

enum store_result sqlite_clock_get(struct store *base, struct clock_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, &sql_clock_get);
	int code;

	if (s->failed)
		return s->failed;
	code = sqlite3_step(st);
	if (code == SQLITE_ROW) {
		*row = (struct clock_row){
			.monotonic = sqlite3_column_int64(st, 1),
			.boottime = sqlite3_column_int64(st, 2),
			.wall = sqlite3_column_int64(st, 3),
			.steady = sqlite3_column_int64(st, 4),
			.trusted = sqlite3_column_int64(st, 5),
		};
		copy_at(st, 0, row->boot, sizeof row->boot);
	}
	return sqlite_walked(s, st, code, code == SQLITE_ROW, true);
}

SQL(sql_clock_put, "INSERT OR REPLACE INTO clock VALUES (1,?1,?2,?3,?4,?5,?6)");

enum store_result sqlite_clock_put(struct store *base, const struct clock_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, &sql_clock_put);

	if (s->failed)
		return s->failed;
	bind_text(st, 1, row->boot);
	bind_number(st, 2, row->monotonic);
	bind_number(st, 3, row->boottime);
	bind_number(st, 4, row->wall);
	bind_number(st, 5, row->steady);
	bind_number(st, 6, row->trusted);
	return sqlite_run(s, st);
}

/* ---- what only matters to several nodes ---- */

enum store_result sqlite_expect(struct store *base, const struct expected *rows)
{
	(void)base;
	(void)rows;
	return STORE_NONE;
}

enum store_result sqlite_now(struct store *base, int64_t *ms)
{
	(void)base;
	(void)ms;
	return STORE_NONE;
}

/* ---- what only several nodes need ---- */

enum store_result sqlite_keys_version(struct store *base, int64_t *version)
{
	(void)base;
	(void)version;
	return STORE_NONE;
}

enum store_result sqlite_used_ticket_put(struct store *base, const char *id, uint64_t keep_ms)
{
	(void)base;
	(void)id;
	(void)keep_ms;
	return STORE_OK;
}

enum store_result sqlite_used_ticket_get(struct store *base, const char *id)
{
	(void)base;
	(void)id;
	return STORE_OK;
}

enum store_result sqlite_used_ticket_delete(struct store *base, const char *id)
{
	(void)base;
	(void)id;
	return STORE_OK;
}

enum store_result sqlite_lease_take(struct store *base, const char *name, uint64_t ms)
{
	(void)base;
	(void)name;
	(void)ms;
	return STORE_OK;
}
