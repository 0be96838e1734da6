/* The size of the file. */
#include "sqlite.h"

SQL(sql_pages, "SELECT page_count, freelist_count, page_size, auto_vacuum FROM pragma_page_count, "
               "pragma_freelist_count, pragma_page_size, pragma_auto_vacuum");

enum store_result sqlite_space(struct store *base, struct store_space *space)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, &sql_pages);
	int code;

	if (s->failed)
		return s->failed;
	code = sqlite3_step(st);
	if (code == SQLITE_ROW) {
		uint64_t pages = (uint64_t)sqlite3_column_int64(st, 0),
		         unused = (uint64_t)sqlite3_column_int64(st, 1),
		         size = (uint64_t)sqlite3_column_int64(st, 2);
		*space = (struct store_space){ .used = (pages - unused) * size,
			                       .free = unused * size,
			                       .shrinks = sqlite3_column_int(st, 3) == 2 };
	}
	return sqlite_walked(s, st, code, code == SQLITE_ROW, true);
}

/* Each step moves one page, so it can stop after any. */
SQL(sql_give_back, "PRAGMA incremental_vacuum");

enum store_result sqlite_give_back(struct store *base, size_t pages)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, &sql_give_back);
	size_t given = 0;
	int code = SQLITE_DONE;

	if (s->failed)
		return s->failed;
	while (given < pages && (code = sqlite3_step(st)) == SQLITE_ROW)
		given++;
	return sqlite_walked(s, st, code, given, true);
}
