/*
 * The operations on rows.  Each row takes one statement and one step.  Texts are bound without a
 * copy (SQLITE_STATIC) and read from SQLite's memory, so a row costs no allocation here.  Every
 * operation resets its statement.
 */
#include "joblight/base/xalloc.h"
#include "sqlite.h"

static char *text_at(sqlite3_stmt *st, int at) /* valid until the next step */
{
	return (char *)sqlite3_column_text(st, at);
}

static void copy_at(sqlite3_stmt *st, int at, char *out, size_t size)
{
	const char *text = text_at(st, at);
	size_t len = text ? strnlen(text, size - 1) : 0;

	if (len)
		memcpy(out, text, len);
	out[len] = '\0';
}

static char *own(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

/* ---- walks ---- */

struct walk {
	sqlite3_stmt *st; /* bound */
	size_t rows;
	int code;
	bool torn; /* the last row was invalid */
};

static bool walk_step(struct walk *w)
{
	w->code = sqlite3_step(w->st);
	return w->code == SQLITE_ROW;
}

static bool walk_takes(struct walk *w, bool intact)
{
	w->torn = !intact;
	w->rows += intact;
	return intact;
}

static enum store_result walk_end(struct sqlite_session *s, const struct walk *w)
{
	return sqlite_walked(s, w->st, w->code, w->rows, !w->torn);
}

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
	};
	copy_at(st, 1, row->id, sizeof row->id);
	copy_at(st, 2, row->epoch, sizeof row->epoch);
	return status >= 0 && status < JOB_STATUS_COUNT && row->title && row->metadata;
}

enum store_result sqlite_job_get(struct store *base, const char *id, struct job_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = s->statements[STATEMENT_JOB_GET];
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
}

static enum store_result job_insert(struct sqlite_session *s, struct job_row *row)
{
	sqlite3_stmt *st = s->statements[STATEMENT_JOB_INSERT];
	enum store_result r;

	bind_text(st, 2, row->id);
	bind_job(st, row);
	r = sqlite_run(s, st);
	if (r == STORE_OK)
		row->key = sqlite3_last_insert_rowid(s->db);
	return r;
}

static enum store_result job_update(struct sqlite_session *s, enum statement which,
                                    const struct job_row *row)
{
	sqlite3_stmt *st = s->statements[which];
	enum store_result r;

	bind_number(st, 1, row->key);
	bind_job(st, row);
	r = sqlite_run(s, st);
	return r == STORE_OK && !sqlite3_changes(s->db) ? STORE_NONE : r;
}

enum store_result sqlite_job_put(struct store *base, struct job_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	enum store_result r;

	if (s->failed)
		return s->failed;
	if (!row->key)
		return job_insert(s, row);
	r = job_update(s, STATEMENT_JOB_TOUCH, row);
	return r == STORE_NONE ? job_update(s, STATEMENT_JOB_MOVE, row) : r;
}

static enum store_result run_with_key(struct sqlite_session *s, enum statement which, int64_t key)
{
	bind_number(s->statements[which], 1, key);
	return sqlite_run(s, s->statements[which]);
}

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
	r = run_with_key(s, STATEMENT_JOB_DELETE, row->key);
	if (r == STORE_OK && !sqlite3_changes(s->db))
		return STORE_NONE;
	return r == STORE_OK ? run_with_key(s, STATEMENT_JOB_DOOM, row->key) : r;
}

enum store_result sqlite_jobs(struct store *base, int status, int64_t below_key, size_t limit,
                              job_visit *visit, void *context)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = s->statements[status < 0 ? STATEMENT_JOBS : STATEMENT_JOBS_WITH];
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

enum store_result sqlite_task_get(struct store *base, int64_t job, const char *id,
                                  struct task_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = s->statements[STATEMENT_TASK_GET];
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

enum store_result sqlite_task_put(struct store *base, int64_t job, const struct task_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = s->statements[STATEMENT_TASK_PUT];
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

enum store_result sqlite_tasks(struct store *base, int64_t job, task_visit *visit, void *context)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = s->statements[STATEMENT_TASKS];
	struct walk walk = { .st = st };
	struct task_row row;

	if (s->failed)
		return s->failed;
	bind_number(st, 1, job);
	while (walk_step(&walk) && walk_takes(&walk, task_from(st, &row)) && visit(context, &row))
		;
	return walk_end(s, &walk);
}

enum store_result sqlite_task_counts(struct store *base, int64_t job, struct task_counts *counts)
{
	static const enum task_status statuses[] = { TASK_COMPLETED, TASK_FAILED, TASK_IN_PROGRESS,
		                                     TASK_CANCELLED };
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = s->statements[STATEMENT_TASK_COUNTS];
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

enum store_result sqlite_overdue_tasks(struct store *base, int64_t now, size_t limit,
                                       overdue_visit *visit, void *context)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = s->statements[STATEMENT_OVERDUE_TASKS];
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

/* ---- deliverables ---- */

enum store_result sqlite_deliverable_put(struct store *base, int64_t job,
                                         const struct deliverable_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = s->statements[STATEMENT_DELIVERABLE_PUT];

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

enum store_result sqlite_deliverable_get(struct store *base, int64_t job, const char *id,
                                         struct deliverable_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = s->statements[STATEMENT_DELIVERABLE_GET];
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

enum store_result sqlite_deliverables(struct store *base, int64_t job, deliverable_visit *visit,
                                      void *context)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = s->statements[STATEMENT_DELIVERABLES];
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

/* ---- events ---- */

enum store_result sqlite_event_add(struct store *base, int64_t job, const struct event_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = s->statements[STATEMENT_EVENT_ADD];

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

enum store_result sqlite_events(struct store *base, int64_t job, uint64_t from, bool descending,
                                size_t limit, event_visit *visit, void *context)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = s->statements[descending ? STATEMENT_EVENTS_DOWN : STATEMENT_EVENTS_UP];
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

/* ---- remembered answers ---- */

static bool answer_from(sqlite3_stmt *st, struct idempotency_row *row)
{
	const void *fingerprint = sqlite3_column_blob(st, 2);

	if (!fingerprint || sqlite3_column_bytes(st, 2) != DIGEST_LEN)
		return false;
	*row = (struct idempotency_row){
		.time = sqlite3_column_int64(st, 3),
		.outcome = sqlite3_column_int(st, 4),
		.seq_first = (uint64_t)sqlite3_column_int64(st, 5),
		.seq_last = (uint64_t)sqlite3_column_int64(st, 6),
		.body = own(text_at(st, 8)),
	};
	memcpy(row->fingerprint, fingerprint, DIGEST_LEN);
	copy_at(st, 0, row->scope, sizeof row->scope);
	copy_at(st, 1, row->key, sizeof row->key);
	copy_at(st, 7, row->epoch, sizeof row->epoch);
	return true;
}

enum store_result sqlite_idempotency_get(struct store *base, const char *scope, const char *key,
                                         struct idempotency_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = s->statements[STATEMENT_ANSWER_GET];
	bool intact = true;
	int code;

	if (s->failed)
		return s->failed;
	bind_text(st, 1, scope);
	bind_text(st, 2, key);
	code = sqlite3_step(st);
	if (code == SQLITE_ROW)
		intact = answer_from(st, row);
	return sqlite_walked(s, st, code, code == SQLITE_ROW, intact);
}

enum store_result sqlite_idempotency_put(struct store *base, const struct idempotency_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = s->statements[STATEMENT_ANSWER_PUT];

	if (s->failed)
		return s->failed;
	bind_text(st, 1, row->scope);
	bind_text(st, 2, row->key);
	sqlite3_bind_blob(st, 3, row->fingerprint, DIGEST_LEN, SQLITE_STATIC);
	bind_number(st, 4, row->time);
	bind_number(st, 5, row->outcome);
	bind_u64(st, 6, row->seq_first);
	bind_u64(st, 7, row->seq_last);
	bind_text(st, 8, row->epoch);
	bind_text(st, 9, row->body);
	return sqlite_run(s, st);
}

/* ---- access keys ---- */

enum store_result sqlite_access_key_put(struct store *base, const struct access_key_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = s->statements[STATEMENT_ACCESS_KEY_PUT];

	if (s->failed)
		return s->failed;
	bind_text(st, 1, row->id);
	sqlite3_bind_blob(st, 2, row->hash, DIGEST_LEN, SQLITE_STATIC);
	bind_number(st, 3, row->rights);
	bind_text(st, 4, row->name);
	bind_text(st, 5, row->jobs);
	bind_number(st, 6, row->created);
	bind_number(st, 7, row->expires);
	bind_number(st, 8, row->revoked);
	return sqlite_run(s, st);
}

static bool access_key_from(sqlite3_stmt *st, struct access_key_row *row)
{
	*row = (struct access_key_row){
		.rights = (uint32_t)sqlite3_column_int64(st, 2),
		.name = (char *)(uintptr_t)sqlite3_column_text(st, 3),
		.jobs = (char *)(uintptr_t)sqlite3_column_text(st, 4),
		.created = sqlite3_column_int64(st, 5),
		.expires = sqlite3_column_int64(st, 6),
		.revoked = sqlite3_column_int64(st, 7),
	};
	if (sqlite3_column_bytes(st, 0) != ACCESS_KEY_ID_LEN ||
	    sqlite3_column_bytes(st, 1) != DIGEST_LEN || !row->name || !row->jobs)
		return false;
	copy_at(st, 0, row->id, sizeof row->id);
	memcpy(row->hash, sqlite3_column_blob(st, 1), DIGEST_LEN);
	return true;
}

enum store_result sqlite_access_keys(struct store *base, access_key_visit *visit, void *context)
{
	struct sqlite_session *s = sqlite_session(base);
	struct walk walk = { .st = s->statements[STATEMENT_ACCESS_KEYS] };
	struct access_key_row row;

	if (s->failed)
		return s->failed;
	while (walk_step(&walk) && walk_takes(&walk, access_key_from(walk.st, &row)) &&
	       visit(context, &row))
		;
	return walk_end(s, &walk);
}

/* ---- the clock ---- */

enum store_result sqlite_clock_get(struct store *base, struct clock_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = s->statements[STATEMENT_CLOCK_GET];
	int code;

	if (s->failed)
		return s->failed;
	code = sqlite3_step(st);
	if (code == SQLITE_ROW) {
		*row = (struct clock_row){
			.monotonic = sqlite3_column_int64(st, 1),
			.boottime = sqlite3_column_int64(st, 2),
			.wall = sqlite3_column_int64(st, 3),
			.steady = sqlite3_column_int64(st, 4),
			.trusted = sqlite3_column_int64(st, 5),
		};
		copy_at(st, 0, row->boot, sizeof row->boot);
	}
	return sqlite_walked(s, st, code, code == SQLITE_ROW, true);
}

enum store_result sqlite_clock_put(struct store *base, const struct clock_row *row)
{
	struct sqlite_session *s = sqlite_session(base);
	sqlite3_stmt *st = s->statements[STATEMENT_CLOCK_PUT];

	if (s->failed)
		return s->failed;
	bind_text(st, 1, row->boot);
	bind_number(st, 2, row->monotonic);
	bind_number(st, 3, row->boottime);
	bind_number(st, 4, row->wall);
	bind_number(st, 5, row->steady);
	bind_number(st, 6, row->trusted);
	return sqlite_run(s, st);
}
