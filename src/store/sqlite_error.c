/* What a result code of SQLite means to the caller of a store. */
#include "sqlite.h"

#include <errno.h>
#include <stdio.h>

enum store_result sqlite_result_of(int code)
{
	int cause = errno;

	switch (code & 0xff) {
	case SQLITE_FULL:
		return STORE_FULL;
	case SQLITE_IOERR:
		return cause == ENOSPC || cause == EDQUOT || cause == EFBIG ? STORE_FULL
		                                                            : STORE_BUSY;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_CANTOPEN: /* out of file descriptors */
	case SQLITE_NOMEM:
	case SQLITE_INTERRUPT:
		return STORE_BUSY;
	default: /* CORRUPT, NOTADB, READONLY, and codes that only a bug can cause */
		return STORE_BROKEN;
	}
}

const char *sqlite_words_for(sqlite3 *db, int code)
{
	return db && code == sqlite3_extended_errcode(db) ? sqlite3_errmsg(db)
	                                                  : sqlite3_errstr(code);
}

enum store_result sqlite_failed(struct sqlite_session *s, int code, const char *doing)
{
	enum store_result r = sqlite_result_of(code);

	snprintf(s->base.error, sizeof s->base.error, "%s: %s (SQLite %d)", doing,
	         sqlite_words_for(s->db, code), code);
	return r;
}
