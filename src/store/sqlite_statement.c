#include "sqlite.h"

#define JOB_COLUMNS                                                                                \
	"key, id, epoch, status, seq, first, tasks, deliverables, heartbeat_ms, created, "         \
	"updated, ended, "                                                                         \
	"title, metadata"
#define TASK_COLUMNS                                                                               \
	"position, id, status, progress, attempt, heartbeat_ms, stalled, stall_at, created, "      \
	"updated, started, ended, "                                                                \
	"title, note"
#define DELIVERABLE_COLUMNS "id, created, title, url, media_type"
#define EVENT_COLUMNS "seq, type, time, json"
#define ACCESS_KEY_COLUMNS "id, hash, rights, name, jobs, created, expires, revoked"
#define ANSWER_COLUMNS "scope, key, fingerprint, time, outcome, seq_first, seq_last, epoch, body"

#define STATEMENT(name, sql) sql,
static const char *const texts[] = {
#include "sqlite_statements.def"
};
#undef STATEMENT

int sqlite_statements_prepare(struct sqlite_session *s)
{
	int code = SQLITE_OK;

	for (int i = 0; i < STATEMENT_COUNT && code == SQLITE_OK; i++)
		code = sqlite3_prepare_v3(s->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
		                          &s->statements[i], NULL);
	return code;
}

void sqlite_statements_finish(struct sqlite_session *s)
{
	for (int i = 0; i < STATEMENT_COUNT; i++) {
		sqlite3_finalize(s->statements[i]);
		s->statements[i] = NULL;
	}
}

enum store_result sqlite_spoil(struct sqlite_session *s, int code, const char *doing)
{
	s->failed = sqlite_failed(s, code, doing);
	return s->failed;
}

static enum store_result settle(struct sqlite_session *s, sqlite3_stmt *st, int code)
{
	enum store_result r = STORE_OK;

	if (code != SQLITE_ROW && code != SQLITE_DONE)
		r = sqlite_spoil(
		    s, code, s->writer ? "writing" : "reading"); /* a reset clears the message */
	sqlite3_reset(st);
	return r;
}

enum store_result sqlite_run(struct sqlite_session *s, sqlite3_stmt *st)
{
	return settle(s, st, sqlite3_step(st));
}

enum store_result sqlite_walked(struct sqlite_session *s, sqlite3_stmt *st, int code, size_t rows,
                                bool intact)
{
	enum store_result r = settle(s, st, code);

	if (r == STORE_OK && !intact)
		return sqlite_spoil(s, SQLITE_CORRUPT, "reading a row");
	return r == STORE_OK && !rows ? STORE_NONE : r;
}
