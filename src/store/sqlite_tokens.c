/* The rows about tokens: the key that signs them, and those that were revoked. */
#include "sqlite_row.h"

SQL(sql_signing_key_get, "SELECT id, secret FROM signing_key");

enum store_result sqlite_signing_key_get(struct store *base, struct signing_key_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, &sql_signing_key_get);
	bool intact = true;
	int code;

	if (s->failed)
		return s->failed;
	code = sqlite3_step(st);
	if (code == SQLITE_ROW) {
		const void *secret = sqlite3_column_blob(st, 1);
		copy_at(st, 0, row->id, sizeof row->id);
		intact = secret && sqlite3_column_bytes(st, 1) == SIGNING_SECRET_LEN &&
		         strlen(row->id) == SIGNING_KEY_ID_LEN;
		if (intact)
			memcpy(row->secret, secret, SIGNING_SECRET_LEN);
	}
	return sqlite_walked(s, st, code, code == SQLITE_ROW, intact);
}

SQL(sql_signing_key_put, "INSERT OR REPLACE INTO signing_key VALUES (1,?1,?2)");

enum store_result sqlite_signing_key_put(struct store *base, const struct signing_key_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, &sql_signing_key_put);

	if (s->failed)
		return s->failed;
	bind_text(st, 1, row->id);
	sqlite3_bind_blob(st, 2, row->secret, SIGNING_SECRET_LEN, SQLITE_STATIC);
	return sqlite_run(s, st);
}

SQL(sql_revoked_token_put, "INSERT INTO revoked_tokens VALUES (?1,?2) ON CONFLICT DO NOTHING");

enum store_result sqlite_revoked_token_put(struct store *base, const struct revoked_token_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, &sql_revoked_token_put);
	enum store_result r;

	if (s->failed)
		return s->failed;
	bind_text(st, 1, row->id);
	bind_number(st, 2, row->expires);
	r = sqlite_run(s, st);
	return r == STORE_OK && !sqlite3_changes(s->db) ? STORE_NONE : r;
}

SQL(sql_revoked_tokens, "SELECT id, expires FROM revoked_tokens");

enum store_result sqlite_revoked_tokens(struct store *base, revoked_token_visit *visit,
                                        void *context)
{
	struct sqlite_session *s = sqlite_session(base);
	struct walk walk = { .st = sqlite_statement(s, &sql_revoked_tokens) };
	struct revoked_token_row row;

	if (s->failed)
		return s->failed;
	while (walk_step(&walk)) {
		copy_at(walk.st, 0, row.id, sizeof row.id);
		row.expires = sqlite3_column_int64(walk.st, 1);
		if (!walk_takes(&walk, strlen(row.id) == TOKEN_ID_LEN) || !visit(context, &row))
			break;
	}
	return walk_end(s, &walk);
}

SQL(sql_revoked_tokens_prune, "DELETE FROM revoked_tokens WHERE expires < ?1");

enum store_result sqlite_revoked_tokens_prune(struct store *base, int64_t before)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, &sql_revoked_tokens_prune);

	if (s->failed)
		return s->failed;
	bind_number(st, 1, before);
	return sqlite_run(s, st);
}
