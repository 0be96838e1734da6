#include "joblight/store/check.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "joblight/base/clock.h"

#define STEPS 10000 /* of SQLite's machine between two looks at the clock */

static int is_late(void *context)
{
	return clock_monotonic_ms() > *(const uint64_t *)context;
}

static enum database_state say(enum database_state s, const char *why, char *words, size_t size)
{
	snprintf(words, size, "%s", why);
	return s;
}

/* The first row is "ok", or the first fault. */
static enum database_state check(sqlite3 *db, char *words, size_t size)
{
	sqlite3_stmt *statement = NULL;
	enum database_state state;

	if (sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &statement, NULL) == SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW) {
		const char *row = (const char *)sqlite3_column_text(statement, 0);
		bool ok = row && strcmp(row, "ok") == 0;
		state = say(ok ? DATABASE_SOUND : DATABASE_BROKEN, row ? row : "", words, size);
	} else if (sqlite3_errcode(db) == SQLITE_INTERRUPT) {
		state = say(DATABASE_UNKNOWN, "it is too large for a quick check now", words, size);
	} else {
		int code = sqlite3_errcode(db);
		bool broken = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
		state = say(broken ? DATABASE_BROKEN : DATABASE_UNKNOWN, sqlite3_errmsg(db), words,
		            size);
	}
	sqlite3_finalize(statement);
	return state;
}

enum database_state store_check(const char *path, unsigned ms, char *words, size_t size)
{
	uint64_t until = clock_monotonic_ms() + ms;
	sqlite3 *db = NULL;
	enum database_state state;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK) {
		sqlite3_progress_handler(db, STEPS, is_late, &until);
		state = check(db, words, size);
	} else {
		state = say(DATABASE_UNKNOWN, sqlite3_errmsg(db), words, size);
	}
	sqlite3_close(db);
	return state;
}
