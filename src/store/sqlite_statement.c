#include "sqlite.h"

#include <stdlib.h>

#include "joblight/base/xalloc.h"

/* The linker names the ends of a section whose name is a C identifier. */
extern struct sql *const __start_sqlite_sql[], *const __stop_sqlite_sql[];

static unsigned count_statements(void)
{
	/* cppcheck-suppress comparePointers ; the linker puts both around one section */
	return (unsigned)(__stop_sqlite_sql - __start_sqlite_sql);
}

int sqlite_statements_prepare(struct sqlite_session *s)
{
	unsigned count = count_statements();
	int code = SQLITE_OK;

	s->statements = xcalloc(count, sizeof(*s->statements));
	for (unsigned i = 0; i < count && code == SQLITE_OK; i++) {
		__start_sqlite_sql[i]->index = i;
		code = sqlite3_prepare_v3(s->db, __start_sqlite_sql[i]->text, -1,
		                          SQLITE_PREPARE_PERSISTENT, &s->statements[i], NULL);
	}
	return code;
}

void sqlite_statements_finish(struct sqlite_session *s)
{
	for (unsigned i = 0; s->statements && i < count_statements(); i++)
		sqlite3_finalize(s->statements[i]);
	free(s->statements);
	s->statements = NULL;
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
