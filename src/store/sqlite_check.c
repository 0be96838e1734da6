/* Checks what only SQLite can see: its pages, and rows that no operation reaches. */
#include "joblight/base/buf.h"
#include "joblight/store/upkeep.h"
#include "sqlite.h"

#define OF_NO_JOB                                                                                  \
	" WHERE job NOT IN (SELECT key FROM jobs UNION ALL SELECT key FROM deleted_jobs UNION "    \
	"ALL SELECT key FROM imports)"

/* Each gives a number that must be 0. */
static const struct {
	const char *sql, *words;
} counts[] = {
	{ "SELECT count(*) FROM tasks" OF_NO_JOB, "tasks belong to no job" },
	{ "SELECT count(*) FROM deliverables" OF_NO_JOB, "deliverables belong to no job" },
	{ "SELECT count(*) FROM job_activity" OF_NO_JOB, "events belong to no job" },
	{ "SELECT count(*) FROM job_activity a JOIN jobs j ON j.key = a.job WHERE a.seq > j.seq OR "
	  "a.seq < j.first",
	  "events are outside of the log of their job" },
	{ "SELECT count(*) FROM jobs WHERE (ended > 0) <> (status >= 4) OR pruned > bytes",
	  "jobs have an end without a status that says so, or more pruned than there was" },
	{ "SELECT count(*) FROM jobs WHERE key IN (SELECT key FROM deleted_jobs UNION ALL SELECT "
	  "key FROM imports)",
	  "jobs are also deleted or being imported" },
};

/* False: stop. */
static bool check_count(struct sqlite_session *s, size_t which, database_fault *report,
                        void *context, int *code)
{
	sqlite3_stmt *st = NULL;
	int64_t count = 0;

	*code = sqlite3_prepare_v2(s->db, counts[which].sql, -1, &st, NULL);
	if (*code == SQLITE_OK)
		*code = sqlite3_step(st);
	if (*code == SQLITE_ROW)
		count = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	if (*code != SQLITE_ROW)
		return false;
	*code = SQLITE_OK;
	if (!count)
		return true;
	struct buf words = { 0 };
	buf_format(&words, "%lld %s", (long long)count, counts[which].words);
	bool go_on = report(context, buf_string(&words));
	buf_finish(&words);
	return go_on;
}

static bool check_pages(struct sqlite_session *s, database_fault *report, void *context, int *code)
{
	sqlite3_stmt *st = NULL;
	bool go_on = true;

	*code = sqlite3_prepare_v2(s->db, "PRAGMA integrity_check", -1, &st, NULL);
	if (*code != SQLITE_OK)
		return false;
	while (go_on && (*code = sqlite3_step(st)) == SQLITE_ROW) {
		const char *words = (const char *)sqlite3_column_text(st, 0);
		if (sqlite3_stricmp(words, "ok") != 0)
			go_on = report(context, words);
	}
	sqlite3_finalize(st);
	if (*code == SQLITE_ROW || *code == SQLITE_DONE)
		*code = SQLITE_OK;
	return go_on && *code == SQLITE_OK;
}

enum store_result database_check_file(struct store *base, database_fault *report, void *context)
{
	if (base->ops->rewrite !=
	    sqlite_rewrite) /* it is on a server, which checks its own files */
		return STORE_OK;
	struct sqlite_session *s = sqlite_session(base);
	int code;
	bool go_on = check_pages(s, report, context, &code);

	for (size_t i = 0; go_on && i < sizeof counts / sizeof *counts; i++)
		go_on = check_count(s, i, report, context, &code);
	return code == SQLITE_OK ? STORE_OK : sqlite_failed(s, code, "checking");
}
