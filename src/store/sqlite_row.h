/* How rows are read from the statements of the SQLite store. */
#ifndef JOBLIGHT_STORE_SQLITE_ROW_H
#define JOBLIGHT_STORE_SQLITE_ROW_H

#include "joblight/base/xalloc.h"
#include "sqlite.h"

static inline char *text_at(sqlite3_stmt *st, int at) /* valid until the next step */
{
	return (char *)sqlite3_column_text(st, at);
}

static inline void copy_at(sqlite3_stmt *st, int at, char *out, size_t size)
{
	const char *text = text_at(st, at);
	size_t len = text ? strnlen(text, size - 1) : 0;

	if (len)
		memcpy(out, text, len);
	out[len] = '\0';
}

static inline char *own(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

/* A walk over the rows of a statement. */
struct walk {
	sqlite3_stmt *st; /* bound */
	size_t rows;
	int code;
	bool torn; /* the last row was invalid */
};

static inline bool walk_step(struct walk *w)
{
	w->code = sqlite3_step(w->st);
	return w->code == SQLITE_ROW;
}

static inline bool walk_takes(struct walk *w, bool intact)
{
	w->torn = !intact;
	w->rows += intact;
	return intact;
}

static inline enum store_result walk_end(struct sqlite_session *s, const struct walk *w)
{
	return sqlite_walked(s, w->st, w->code, w->rows, !w->torn);
}

#endif
