/* Jobs that are being imported, and the end of the time of ended ones. */
#include "sqlite.h"

/* The table hands out each key once, so a row that is removed again takes one. */
SQL(sql_import_key, "INSERT INTO jobs (id, epoch, status, seq, first, tasks, deliverables, "
                    "heartbeat_ms, created, updated, ended, imported, bytes, pruned, creator, "
                    "title, metadata) VALUES (' ','',0,0,1,0,0,0,0,0,0,0,0,0,'','','')");
SQL(sql_import_take, "DELETE FROM jobs WHERE key = ?1");
SQL(sql_import_begin, "INSERT INTO imports (key) VALUES (?1)");

static enum store_result run_with_key(struct sqlite_session *s, const struct sql *which,
                                      int64_t key)
{
	bind_number(sqlite_statement(s, which), 1, key);
	return sqlite_run(s, sqlite_statement(s, which));
}

enum store_result sqlite_import_begin(struct store *base, int64_t *job)
{
	struct sqlite_session *s = sqlite_session(base);
	enum store_result r;

	if (s->failed)
		return s->failed;
	r = sqlite_run(s, sqlite_statement(s, &sql_import_key));
	if (r != STORE_OK)
		return r;
	*job = sqlite3_last_insert_rowid(s->db);
	r = run_with_key(s, &sql_import_take, *job);
	return r == STORE_OK ? run_with_key(s, &sql_import_begin, *job) : r;
}

SQL(sql_import_end, "DELETE FROM imports WHERE key = ?1");
SQL(sql_import_drop, "INSERT INTO deleted_jobs (key) VALUES (?1)");

enum store_result sqlite_import_end(struct store *base, int64_t job, struct job_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	enum store_result r;

	if (s->failed)
		return s->failed;
	r = run_with_key(s, &sql_import_end, job);
	if (r == STORE_OK && !sqlite3_changes(s->db))
		return STORE_NONE;
	if (r != STORE_OK)
		return r;
	return row ? sqlite_job_insert(s, job, row) : run_with_key(s, &sql_import_drop, job);
}

SQL(sql_ended_jobs, "SELECT id FROM jobs WHERE ended > 0 AND max(ended, imported) < ?1 "
                    "ORDER BY max(ended, imported) LIMIT ?2");

enum store_result sqlite_ended_jobs(struct store *base, int64_t before, size_t limit,
                                    ended_visit *visit, void *context)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, &sql_ended_jobs);
	size_t rows = 0;
	int code;

	if (s->failed)
		return s->failed;
	bind_number(st, 1, before);
	bind_u64(st, 2, limit);
	while ((code = sqlite3_step(st)) == SQLITE_ROW) {
		rows++;
		if (!visit(context, (const char *)sqlite3_column_text(st, 0)))
			break;
	}
	return sqlite_walked(s, st, code, rows, true);
}
