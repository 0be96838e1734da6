/*
 * The operations on rows.  Each row takes one statement and one step.  Texts are bound without a
 * copy (SQLITE_STATIC) and read from SQLite's memory, so a row costs no allocation here.  Every
 * operation resets its statement.
 */
#include "sqlite_row.h"

/*
 * Parameters are numbered in the order of the columns here, after the key of the table, so that
 * inserts and updates bind in the same way.
 */
#define JOB_COLUMNS                                                                                \
	"key, id, epoch, status, seq, first, tasks, deliverables, heartbeat_ms, created, "         \
	"updated, ended, "                                                                         \
	"title, metadata, bytes, pruned, imported, creator"
#define TASK_COLUMNS                                                                               \
	"position, id, status, progress, attempt, heartbeat_ms, stalled, stall_at, created, "      \
	"updated, started, ended, "                                                                \
	"title, note"
#define DELIVERABLE_COLUMNS "id, created, title, url, media_type"
#define EVENT_COLUMNS "seq, type, time, json"

/* ---- jobs ---- */

/* Borrows the texts; false when the row is invalid. */
static bool job_from(sqlite3_stmt *st, struct job_row *row)
{
	int status = sqlite3_column_int(st, 3);

	*row = (struct job_row){
		.key = sqlite3_column_int64(st, 0),
		.status = (enum job_status)status,
		.seq = (uint64_t)sqlite3_column_int64(st, 4),
		.first = (uint64_t)sqlite3_column_int64(st, 5),
		.tasks = (uint32_t)sqlite3_column_int64(st, 6),
		.deliverables = (uint32_t)sqlite3_column_int64(st, 7),
		.silence_ms = sqlite3_column_int64(st, 8),
		.created = sqlite3_column_int64(st, 9),
		.updated = sqlite3_column_int64(st, 10),
		.ended = sqlite3_column_int64(st, 11),
		.title = text_at(st, 12),
		.metadata = text_at(st, 13),
		.bytes = (uint64_t)sqlite3_column_int64(st, 14),
		.pruned = (uint64_t)sqlite3_column_int64(st, 15),
		.imported = sqlite3_column_int64(st, 16),
	};
	copy_at(st, 17, row->creator, sizeof row->creator);
	copy_at(st, 1, row->id, sizeof row->id);
	copy_at(st, 2, row->epoch, sizeof row->epoch);
	return status >= 0 && status < JOB_STATUS_COUNT && row->title && row->metadata;
}

SQL(sql_job_get, "SELECT " JOB_COLUMNS " FROM jobs WHERE id = ?1");

enum store_result sqlite_job_get(struct store *base, const char *id, struct job_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, &sql_job_get);
	bool intact = true;
	int code;

	if (s->failed)
		return s->failed;
	bind_text(st, 1, id);
	code = sqlite3_step(st);
	if (code == SQLITE_ROW && (intact = job_from(st, row))) {
		row->title = own(row->title);
		row->metadata = own(row->metadata);
	}
	return sqlite_walked(s, st, code, code == SQLITE_ROW, intact);
}

static void bind_job(sqlite3_stmt *st, const struct job_row *row)
{
	bind_text(st, 3, row->epoch);
	bind_number(st, 4, row->status);
	bind_u64(st, 5, row->seq);
	bind_u64(st, 6, row->first);
	bind_number(st, 7, row->tasks);
	bind_number(st, 8, row->deliverables);
	bind_number(st, 9, row->silence_ms);
	bind_number(st, 10, row->created);
	bind_number(st, 11, row->updated);
	bind_number(st, 12, row->ended);
	bind_text(st, 13, row->title);
	bind_text(st, 14, row->metadata);
	bind_u64(st, 15, row->bytes);
	bind_u64(st, 16, row->pruned);
	bind_number(st, 17, row->imported);
}

SQL(sql_job_insert,
    "INSERT INTO jobs (key, id, epoch, status, seq, first, tasks, deliverables, heartbeat_ms, "
    "created, updated, ended, title, metadata, bytes, pruned, imported, creator) "
    "VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18)");

enum store_result sqlite_job_insert(struct sqlite_session *s, int64_t key, struct job_row *row)
{
	sqlite3_stmt *st = sqlite_statement(s, &sql_job_insert);
	enum store_result r;

	if (key)
		bind_number(st, 1, key);
	else
		sqlite3_bind_null(st, 1);
	bind_text(st, 2, row->id);
	bind_job(st, row);
	bind_text(st, 18, row->creator); /* never changes */
	r = sqlite_run(s, st);
	if (r == STORE_OK)
		row->key = sqlite3_last_insert_rowid(s->db);
	return r;
}

static enum store_result job_update(struct sqlite_session *s, const struct sql *which,
                                    const struct job_row *row)
{
	sqlite3_stmt *st = sqlite_statement(s, which);
	enum store_result r;

	bind_number(st, 1, row->key);
	bind_job(st, row);
	r = sqlite_run(s, st);
	return r == STORE_OK && !sqlite3_changes(s->db) ? STORE_NONE : r;
}

/*
 * The usual update, which does not change indexed columns and therefore writes one row of one tree.
 */
SQL(sql_job_touch, "UPDATE jobs SET epoch=?3, seq=?5, first=?6, tasks=?7, deliverables=?8, "
                   "heartbeat_ms=?9, created=?10, updated=?11, title=?13, metadata=?14, bytes=?15, "
                   "pruned=?16, imported=?17 WHERE key=?1 AND status=?4 AND ended=?12");
SQL(sql_job_move,
    "UPDATE jobs SET epoch=?3, status=?4, seq=?5, first=?6, tasks=?7, deliverables=?8, "
    "heartbeat_ms=?9, created=?10, updated=?11, ended=?12, title=?13, metadata=?14, "
    "bytes=?15, pruned=?16, imported=?17 WHERE key=?1");

enum store_result sqlite_job_put(struct store *base, struct job_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	enum store_result r;

	if (s->failed)
		return s->failed;
	if (!row->key)
		return sqlite_job_insert(s, 0, row);
	r = job_update(s, &sql_job_touch, row);
	return r == STORE_NONE ? job_update(s, &sql_job_move, row) : r;
}

static enum store_result run_with_key(struct sqlite_session *s, const struct sql *which,
                                      int64_t key)
{
	bind_number(sqlite_statement(s, which), 1, key);
	return sqlite_run(s, sqlite_statement(s, which));
}

SQL(sql_job_delete, "DELETE FROM jobs WHERE key = ?1");
SQL(sql_job_doom, "INSERT INTO deleted_jobs (key) VALUES (?1)");

/*
 * Deletes only the row of the job: sqlite_prune() removes the others step by step, and they cannot
 * be found without it.
 */
enum store_result sqlite_job_delete(struct store *base, const struct job_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	enum store_result r;

	if (s->failed)
		return s->failed;
	r = run_with_key(s, &sql_job_delete, row->key);
	if (r == STORE_OK && !sqlite3_changes(s->db))
		return STORE_NONE;
	return r == STORE_OK ? run_with_key(s, &sql_job_doom, row->key) : r;
}

SQL(sql_jobs, "SELECT " JOB_COLUMNS " FROM jobs WHERE key < ?1 ORDER BY key DESC LIMIT ?2");
SQL(sql_jobs_with, "SELECT " JOB_COLUMNS " FROM jobs WHERE key < ?1 AND status = ?3 "
                   "ORDER BY key DESC LIMIT ?2");

enum store_result sqlite_jobs(struct store *base, int status, int64_t below_key, size_t limit,
                              job_visit *visit, void *context)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, status < 0 ? &sql_jobs : &sql_jobs_with);
	struct walk walk = { .st = st };
	struct job_row row;

	if (s->failed)
		return s->failed;
	bind_number(st, 1, below_key ? below_key : INT64_MAX);
	bind_u64(st, 2, limit);
	if (status >= 0)
		bind_number(st, 3, status);
	while (walk_step(&walk) && walk_takes(&walk, job_from(st, &row)) && visit(context, &row))
		;
	return walk_end(s, &walk);
}

SQL(sql_job_head, "SELECT id, epoch, seq, status FROM jobs WHERE id = ?1");

static bool head_from(sqlite3_stmt *st, struct job_head *head)
{
	int status = sqlite3_column_int(st, 3);

	*head = (struct job_head){
		.seq = (uint64_t)sqlite3_column_int64(st, 2),
		.status = (enum job_status)status,
	};
	copy_at(st, 0, head->job_id, sizeof head->job_id);
	copy_at(st, 1, head->epoch, sizeof head->epoch);
	return status >= 0 && status < JOB_STATUS_COUNT;
}

static enum store_result head_get(struct sqlite_session *s, const char *id, struct job_head *head)
{
	struct walk walk = { .st = sqlite_statement(s, &sql_job_head) };

	bind_text(walk.st, 1, id);
	if (walk_step(&walk))
		walk_takes(&walk, head_from(walk.st, head));
	return walk_end(s, &walk);
}

/* A statement for each, because SQLite has no way to it that would be shorter. */
enum store_result sqlite_job_heads(struct store *base, const char (*ids)[ID_MAX + 1], size_t count,
                                   job_head_visit *visit, void *context)
{
	struct sqlite_session *s = sqlite_session(base);
	enum store_result r = s->failed, found = STORE_NONE;
	struct job_head head;

	for (size_t i = 0; i < count && (r == STORE_OK || r == STORE_NONE); i++) {
		r = head_get(s, ids[i], &head);
		if (r != STORE_OK)
			continue;
		found = STORE_OK;
		if (!visit(context, &head))
			break;
	}
	return r == STORE_OK || r == STORE_NONE ? found : r;
}

SQL(sql_open_jobs, "SELECT count(*) FROM (SELECT 1 FROM jobs WHERE creator = ?1 AND creator <> '' "
                   "AND ended = 0 LIMIT ?2)");

enum store_result sqlite_open_jobs(struct store *base, const char *creator, uint64_t limit,
                                   uint64_t *count)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, &sql_open_jobs);
	int code;

	if (s->failed)
		return s->failed;
	bind_text(st, 1, creator);
	bind_u64(st, 2, limit);
	code = sqlite3_step(st);
	if (code == SQLITE_ROW)
		*count = (uint64_t)sqlite3_column_int64(st, 0);
	return sqlite_walked(s, st, code, code == SQLITE_ROW, true);
}

/* ---- tasks ---- */

/* Optional numbers of a task: -1 in a row, NULL in the table. */
static int64_t number_or_none(sqlite3_stmt *st, int at)
{
	return sqlite3_column_type(st, at) == SQLITE_NULL ? -1 : sqlite3_column_int64(st, at);
}

static void bind_number_or_none(sqlite3_stmt *st, int at, int64_t value)
{
	if (value < 0)
		sqlite3_bind_null(st, at);
	else
		bind_number(st, at, value);
}

static bool task_from(sqlite3_stmt *st, struct task_row *row)
{
	int status = sqlite3_column_int(st, 2);

	*row = (struct task_row){
		.position = (uint32_t)sqlite3_column_int64(st, 0),
		.status = (enum task_status)status,
		.progress = sqlite3_column_type(st, 3) == SQLITE_NULL
		                ? NAN
		                : sqlite3_column_double(st, 3),
		.attempt = number_or_none(st, 4),
		.silence_ms = number_or_none(st, 5),
		.stalled = sqlite3_column_int(st, 6) != 0,
		.stall_at = sqlite3_column_int64(st, 7),
		.created = sqlite3_column_int64(st, 8),
		.updated = sqlite3_column_int64(st, 9),
		.started = sqlite3_column_int64(st, 10),
		.ended = sqlite3_column_int64(st, 11),
		.title = text_at(st, 12),
		.note = text_at(st, 13),
	};
	copy_at(st, 1, row->id, sizeof row->id);
	return status >= 0 && status < TASK_STATUS_COUNT && row->title;
}

SQL(sql_task_get, "SELECT " TASK_COLUMNS " FROM tasks WHERE job = ?1 AND id = ?2");

enum store_result sqlite_task_get(struct store *base, int64_t job, const char *id,
                                  struct task_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, &sql_task_get);
	bool intact = true;
	int code;

	if (s->failed)
		return s->failed;
	bind_number(st, 1, job);
	bind_text(st, 2, id);
	code = sqlite3_step(st);
	if (code == SQLITE_ROW && (intact = task_from(st, row))) {
		row->title = own(row->title);
		row->note = own(row->note);
	}
	return sqlite_walked(s, st, code, code == SQLITE_ROW, intact);
}

SQL(sql_task_put, "INSERT INTO tasks (job, " TASK_COLUMNS ") "
                  "VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15) "
                  "ON CONFLICT (job, position) DO UPDATE SET status=?4, progress=?5, "
                  "attempt=?6, heartbeat_ms=?7, stalled=?8, stall_at=?9, created=?10, "
                  "updated=?11, started=?12, ended=?13, title=?14, note=?15 WHERE id = ?3");

enum store_result sqlite_task_put(struct store *base, int64_t job, const struct task_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, &sql_task_put);
	enum store_result r;

	if (s->failed)
		return s->failed;
	bind_number(st, 1, job);
	bind_number(st, 2, row->position);
	bind_text(st, 3, row->id);
	bind_number(st, 4, row->status);
	sqlite3_bind_double(st, 5, row->progress); /* NAN is NULL */
	bind_number_or_none(st, 6, row->attempt);
	bind_number_or_none(st, 7, row->silence_ms);
	bind_number(st, 8, row->stalled);
	bind_number(st, 9, row->stall_at);
	bind_number(st, 10, row->created);
	bind_number(st, 11, row->updated);
	bind_number(st, 12, row->started);
	bind_number(st, 13, row->ended);
	bind_text(st, 14, row->title);
	bind_text(st, 15, row->note);
	r = sqlite_run(s, st);
	if (r == STORE_OK && !sqlite3_changes(s->db)) /* another task has this position */
		return sqlite_spoil(s, SQLITE_CONSTRAINT, "writing a task");
	return r;
}

SQL(sql_tasks, "SELECT " TASK_COLUMNS " FROM tasks WHERE job = ?1 AND position >= ?2 "
               "ORDER BY position");

enum store_result sqlite_tasks(struct store *base, int64_t job, uint32_t from, task_visit *visit,
                               void *context)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, &sql_tasks);
	struct walk walk = { .st = st };
	struct task_row row;

	if (s->failed)
		return s->failed;
	bind_number(st, 1, job);
	bind_number(st, 2, from);
	while (walk_step(&walk) && walk_takes(&walk, task_from(st, &row)) && visit(context, &row))
		;
	return walk_end(s, &walk);
}

SQL(sql_task_counts,
    "SELECT count(*), total(status = ?2), total(status = ?3), total(status = ?4), "
    "total(status = ?5), total(CASE WHEN status IN (?2, ?3) THEN 100 WHEN status = ?5 THEN 0 "
    "ELSE ifnull(progress, 0) END) FROM tasks WHERE job = ?1");

enum store_result sqlite_task_counts(struct store *base, int64_t job, struct task_counts *counts)
{
	static const enum task_status statuses[] = { TASK_COMPLETED, TASK_FAILED, TASK_IN_PROGRESS,
		                                     TASK_CANCELLED };
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, &sql_task_counts);
	int code;

	if (s->failed)
		return s->failed;
	bind_number(st, 1, job);
	for (int i = 0; i < 4; i++)
		bind_number(st, 2 + i, statuses[i]);
	code = sqlite3_step(st);
	if (code == SQLITE_ROW)
		*counts = (struct task_counts){
			.total = (uint32_t)sqlite3_column_int64(st, 0),
			.completed = (uint32_t)sqlite3_column_int64(st, 1),
			.failed = (uint32_t)sqlite3_column_int64(st, 2),
			.in_progress = (uint32_t)sqlite3_column_int64(st, 3),
			.cancelled = (uint32_t)sqlite3_column_int64(st, 4),
			.done = sqlite3_column_double(st, 5),
		};
	return sqlite_walked(s, st, code, code == SQLITE_ROW, true);
}

SQL(sql_overdue_tasks,
    "SELECT jobs.id, tasks.id FROM tasks CROSS JOIN jobs ON jobs.key = tasks.job "
    "WHERE stall_at > 0 AND stall_at <= ?1 LIMIT ?2");

enum store_result sqlite_overdue_tasks(struct store *base, int64_t now, size_t limit,
                                       overdue_visit *visit, void *context)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, &sql_overdue_tasks);
	struct walk walk = { .st = st };

	if (s->failed)
		return s->failed;
	bind_number(st, 1, now);
	bind_u64(st, 2, limit);
	while (walk_step(&walk) && walk_takes(&walk, true) &&
	       visit(context, text_at(st, 0), text_at(st, 1)))
		;
	return walk_end(s, &walk);
}

SQL(sql_deliverable_put, "INSERT INTO deliverables (job, " DELIVERABLE_COLUMNS ") "
                         "VALUES (?1,?2,?3,?4,?5,?6) ON CONFLICT (job, id) DO UPDATE "
                         "SET created=?3, title=?4, url=?5, media_type=?6");

/* ---- deliverables ---- */

enum store_result sqlite_deliverable_put(struct store *base, int64_t job,
                                         const struct deliverable_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, &sql_deliverable_put);

	if (s->failed)
		return s->failed;
	bind_number(st, 1, job);
	bind_text(st, 2, row->id);
	bind_number(st, 3, row->created);
	bind_text(st, 4, row->title);
	bind_text(st, 5, row->url);
	bind_text(st, 6, row->media_type);
	return sqlite_run(s, st);
}

static bool deliverable_from(sqlite3_stmt *st, struct deliverable_row *row)
{
	*row = (struct deliverable_row){
		.created = sqlite3_column_int64(st, 1),
		.title = text_at(st, 2),
		.url = text_at(st, 3),
		.media_type = text_at(st, 4),
	};
	copy_at(st, 0, row->id, sizeof row->id);
	return row->title;
}

SQL(sql_deliverable_get,
    "SELECT " DELIVERABLE_COLUMNS " FROM deliverables WHERE job = ?1 AND id = ?2");

enum store_result sqlite_deliverable_get(struct store *base, int64_t job, const char *id,
                                         struct deliverable_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, &sql_deliverable_get);
	bool intact = true;
	int code;

	if (s->failed)
		return s->failed;
	bind_number(st, 1, job);
	bind_text(st, 2, id);
	code = sqlite3_step(st);
	if (code == SQLITE_ROW && (intact = deliverable_from(st, row))) {
		row->title = own(row->title);
		row->url = own(row->url);
		row->media_type = own(row->media_type);
	}
	return sqlite_walked(s, st, code, code == SQLITE_ROW, intact);
}

SQL(sql_deliverables, "SELECT " DELIVERABLE_COLUMNS " FROM deliverables WHERE job = ?1 "
                      "ORDER BY number");

enum store_result sqlite_deliverables(struct store *base, int64_t job, deliverable_visit *visit,
                                      void *context)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, &sql_deliverables);
	struct walk walk = { .st = st };
	struct deliverable_row row;

	if (s->failed)
		return s->failed;
	bind_number(st, 1, job);
	while (walk_step(&walk) && walk_takes(&walk, deliverable_from(st, &row)) &&
	       visit(context, &row))
		;
	return walk_end(s, &walk);
}

SQL(sql_event_add, "INSERT INTO job_activity (job, " EVENT_COLUMNS ") VALUES (?1,?2,?3,?4,?5)");

/* ---- events ---- */

enum store_result sqlite_event_add(struct store *base, int64_t job, const struct event_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, &sql_event_add);

	if (s->failed)
		return s->failed;
	bind_number(st, 1, job);
	bind_u64(st, 2, row->seq);
	bind_number(st, 3, row->type);
	bind_number(st, 4, row->time);
	sqlite3_bind_text64(st, 5, row->json.ptr, row->json.len, SQLITE_STATIC, SQLITE_UTF8);
	return sqlite_run(s, st);
}

/* The JSON is read as a blob; read as a text, SQLite would copy it to add a NUL. */
static bool event_from(sqlite3_stmt *st, struct event_row *row)
{
	int type = sqlite3_column_int(st, 1);

	*row = (struct event_row){
		.seq = (uint64_t)sqlite3_column_int64(st, 0),
		.type = (enum event_type)type,
		.time = sqlite3_column_int64(st, 2),
		.json.ptr = sqlite3_column_blob(st, 3),
		.json.len = (size_t)sqlite3_column_bytes(st, 3),
	};
	return type >= 0 && type < EVENT_LOGGED_COUNT && row->json.ptr;
}

SQL(sql_events_up, "SELECT " EVENT_COLUMNS " FROM job_activity WHERE job = ?1 AND seq > ?2 "
                   "ORDER BY seq LIMIT ?3");
SQL(sql_events_down, "SELECT " EVENT_COLUMNS " FROM job_activity WHERE job = ?1 AND seq < ?2 "
                     "ORDER BY seq DESC LIMIT ?3");

enum store_result sqlite_events(struct store *base, int64_t job, uint64_t from, bool descending,
                                size_t limit, event_visit *visit, void *context)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = sqlite_statement(s, descending ? &sql_events_down : &sql_events_up);
	struct walk walk = { .st = st };
	struct event_row row;

	if (s->failed)
		return s->failed;
	bind_number(st, 1, job);
	bind_u64(st, 2, from);
	bind_u64(st, 3, limit);
	while (walk_step(&walk) && walk_takes(&walk, event_from(st, &row)) && visit(context, &row))
		;
	return walk_end(s, &walk);
}
