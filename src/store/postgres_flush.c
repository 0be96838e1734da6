/* Writes what a transaction has kept: one statement for each table, or for PG_PART_ROWS rows of it.
 * Rows are written in the order of their keys, so that two nodes cannot wait for each other.
 *
 * The statements that most transactions execute take their values from the arrays by index.
 * unnest() of many arrays costs the server a tenth of an update more, because it stores each value
 * of each array once more (docs/figures.md).  The server skips all texts before the one that it
 * looks for in an array, so these statements are executed for PG_PART_ROWS rows at a time. */
#include "postgres.h"

/* The function of the second is expected to have few rows, so that a plan that is made while the
 * table is small looks for them by their keys, too. */
#define ROWS_OF(array) "FROM generate_series(1, cardinality(" array ")) AS i "
#define KEYS_OF(array) "FROM unnest(" array ") WITH ORDINALITY AS x(key, i) "

/* ---- jobs ---- */

static void put_job(struct pg_rows *r, const struct job_row *row)
{
	bool ended = row->ended > 0;

	pg_put_i64(r, row->key);
	pg_put_text(r, row->id);
	pg_put_text(r, row->epoch);
	pg_put_i64(r, row->status);
	pg_put_u64(r, row->seq);
	pg_put_u64(r, row->first);
	pg_put_i64(r, row->tasks);
	pg_put_i64(r, row->deliverables);
	pg_put_i64(r, row->silence_ms);
	pg_put_i64(r, row->created);
	pg_put_i64(r, row->updated);
	pg_put_i64(r, row->ended);
	pg_put_i64(r, row->imported);
	pg_put_u64(r, row->bytes);
	pg_put_u64(r, row->pruned);
	pg_put_i64(r, ended ? job_kept_since(row) : 0);
	pg_put_u64(r, ended && row->seq > row->first ? row->seq - row->first : 0);
	pg_put_u64(r, ended && row->bytes > row->pruned ? row->bytes - row->pruned : 0);
	pg_put_text(r, row->creator);
	pg_put_text(r, row->title);
	pg_put_text(r, row->metadata);
}

#define JOB_TYPES "ittiiiiiiiiiiiiiiittt"
#define JOB_ROWS                                                                                   \
	"unnest($1::int8[], $2::text[], $3::text[], $4::int8[], $5::int8[], $6::int8[], "          \
	"$7::int8[], $8::int8[], $9::int8[], $10::int8[], $11::int8[], $12::int8[], "              \
	"$13::int8[], $14::int8[], $15::int8[], $16::int8[], $17::int8[], $18::int8[], "           \
	"$19::text[], $20::text[], $21::text[]) AS x(key, id, epoch, status, seq, first, tasks, "  \
	"deliverables, heartbeat_ms, created, updated, ended, imported, bytes, pruned, "           \
	"kept_since, log_events, log_bytes, creator, title, metadata) "

PG_SQL(sql_jobs_insert,
       "INSERT INTO jobs (key, id, epoch, status, seq, first, tasks, deliverables, heartbeat_ms, "
       "created, updated, ended, imported, bytes, pruned, kept_since, log_events, log_bytes, "
       "creator, title, metadata) SELECT key, id, epoch, status::int2, seq, first, tasks, "
       "deliverables, heartbeat_ms, created, updated, ended, imported, bytes, pruned, "
       "kept_since, log_events, log_bytes, creator, title, metadata FROM " JOB_ROWS "ORDER BY id");
PG_SQL(sql_jobs_update,
       "UPDATE jobs j SET epoch = x.epoch, status = x.status::int2, seq = x.seq, first = x.first, "
       "tasks = x.tasks, deliverables = x.deliverables, heartbeat_ms = x.heartbeat_ms, "
       "created = x.created, updated = x.updated, ended = x.ended, imported = x.imported, "
       "bytes = x.bytes, pruned = x.pruned, kept_since = x.kept_since, "
       "log_events = x.log_events, log_bytes = x.log_bytes, title = x.title, "
       "metadata = x.metadata FROM " JOB_ROWS "WHERE j.key = x.key");

/* What most updates change.  A row with few columns costs half of one with all of them. */
#define COUNT_JOBS                                                                                 \
	"UPDATE jobs j SET seq = ($2::int8[])[i], bytes = ($3::int8[])[i], "                       \
	"updated = ($4::int8[])[i] " KEYS_OF("$1::int8[]") "WHERE j.key = x.key "
PG_SQL(sql_jobs_count, COUNT_JOBS);

/* The same for kept rows, which need no lock before.  The text that is not a number ends the
 * transaction: see pg_queue_begin(). */
PG_SQL(sql_jobs_count_kept,
       "WITH counted AS (" COUNT_JOBS "AND j.xmin = ($5::xid[])[i] RETURNING 1) "
       "SELECT CASE WHEN count(*) = cardinality($1::int8[]) THEN 0 ELSE ('" PG_JOBS_SHARED
       "' || cardinality($1::int8[]) - count(*))::int8 END FROM counted");

static void put_job_count(struct pg_rows *r, const struct pg_job *job, bool kept)
{
	pg_put_i64(r, job->row.key);
	pg_put_u64(r, job->row.seq);
	pg_put_u64(r, job->row.bytes);
	pg_put_i64(r, job->row.updated);
	if (kept)
		pg_put_xid(r, job->version);
}

bool pg_flush_checks(const struct pg_cache *c)
{
	for (const struct pg_job *job = c->jobs; job; job = job->hh.next)
		if (job->state != PG_STORED || !job->dirty || job->whole)
			return false;
	return true;
}

/* Of which one comes first. */
static int by_key(const struct pg_job *a, const struct pg_job *b)
{
	return (a->row.key > b->row.key) - (a->row.key < b->row.key);
}

static void send_job_counts(struct pg_cache *c, struct pg_link *l, bool kept)
{
	struct pg_rows rows = { .types = kept ? "iiiix" : "iiii" };

	HASH_SORT(c->jobs, by_key);
	for (struct pg_job *job = c->jobs; job; job = job->hh.next) {
		if (!job->dirty || job->whole || job->state != PG_STORED)
			continue;
		put_job_count(&rows, job, kept);
		job->dirty = false;
		job->written = true;
	}
	pg_link_add_parts(l, kept ? &sql_jobs_count_kept : &sql_jobs_count, &rows);
	pg_rows_finish(&rows);
}

static void send_jobs(struct pg_cache *c, struct pg_link *l, const struct pg_sql *sql,
                      enum pg_state which)
{
	struct pg_rows rows = { .types = JOB_TYPES };

	for (struct pg_job *job = c->jobs; job; job = job->hh.next) {
		if (!job->dirty || job->state != which)
			continue;
		put_job(&rows, &job->row);
		job->dirty = job->whole = false;
		job->written = true;
		job->state = PG_STORED;
	}
	pg_link_add_rows(l, sql, &rows);
	pg_rows_finish(&rows);
}

/* ---- tasks ---- */

static void put_optional(struct pg_rows *r, int64_t value)
{
	if (value < 0)
		pg_put_null(r);
	else
		pg_put_i64(r, value);
}

static void put_task(struct pg_rows *r, int64_t job, const struct task_row *row)
{
	pg_put_i64(r, job);
	pg_put_i64(r, row->position);
	pg_put_text(r, row->id);
	pg_put_i64(r, row->status);
	pg_put_f64(r, row->progress);
	put_optional(r, row->attempt);
	put_optional(r, row->silence_ms);
	pg_put_bool(r, row->stalled);
	pg_put_i64(r, row->stall_at);
	pg_put_i64(r, row->created);
	pg_put_i64(r, row->updated);
	pg_put_i64(r, row->started);
	pg_put_i64(r, row->ended);
	pg_put_text(r, row->title);
	pg_put_text(r, row->note);
}

/* Two tasks of a job cannot have the same position: then the id is not the same, and it fails. */
PG_SQL(sql_tasks_put,
       "INSERT INTO tasks AS t (job, position, id, status, progress, attempt, heartbeat_ms, "
       "stalled, stall_at, created, updated, started, ended, title, note) SELECT job, position, "
       "id, status::int2, progress, attempt, heartbeat_ms, stalled, stall_at, created, updated, "
       "started, ended, title, note FROM unnest($1::int8[], $2::int8[], $3::text[], $4::int8[], "
       "$5::float8[], $6::int8[], $7::int8[], $8::bool[], $9::int8[], $10::int8[], $11::int8[], "
       "$12::int8[], $13::int8[], $14::text[], $15::text[]) AS x(job, position, id, status, "
       "progress, attempt, heartbeat_ms, stalled, stall_at, created, updated, started, ended, "
       "title, note) ORDER BY job, position ON CONFLICT (job, id) DO UPDATE SET "
       "status = excluded.status, progress = excluded.progress, attempt = excluded.attempt, "
       "heartbeat_ms = excluded.heartbeat_ms, stalled = excluded.stalled, "
       "stall_at = excluded.stall_at, created = excluded.created, updated = excluded.updated, "
       "started = excluded.started, ended = excluded.ended, title = excluded.title, "
       "note = excluded.note");

/* What most updates change. */
#define PUT_PROGRESS                                                                               \
	"UPDATE tasks t SET status = ($3::int8[])[i]::int2, progress = ($4::float8[])[i], "        \
	"stalled = ($5::bool[])[i], stall_at = ($6::int8[])[i], updated = ($7::int8[])[i], "       \
	"note = ($8::text[])[i] " KEYS_OF(                                                         \
	    "$1::int8[]") "WHERE t.job = x.key AND t.id = ($2::text[])[i] "
PG_SQL(sql_tasks_progress, PUT_PROGRESS);

/* The same for rows of which some were not read, but have a version (postgres_own.h). */
PG_SQL(sql_tasks_progress_own,
       "WITH written AS (" PUT_PROGRESS
       "AND (t.xmin = ($9::xid[])[i] OR ($9::xid[])[i] = 0) RETURNING 1) "
       "SELECT CASE WHEN count(*) = cardinality($1::int8[]) THEN 0 ELSE ('" PG_TASKS_SHARED
       "' || cardinality($1::int8[]) - count(*))::int8 END FROM written");

/* The same of rows that are not written, or not by that statement. */
PG_SQL(sql_tasks_check,
       "SELECT CASE WHEN count(*) = cardinality($1::int8[]) THEN 0 ELSE ('" PG_TASKS_SHARED
       "' || cardinality($1::int8[]) - count(*))::int8 END FROM unnest($1::int8[], $2::text[], "
       "$3::xid[]) AS x(job, id, version) JOIN tasks t ON t.job = x.job AND t.id = x.id AND "
       "t.xmin = x.version");

static void put_task_check(struct pg_rows *r, struct pg_task *task)
{
	pg_put_i64(r, task->job);
	pg_put_text(r, task->row.id);
	pg_put_xid(r, task->unchecked);
	task->unchecked = 0;
}

static void send_task_checks(struct pg_cache *c, struct pg_link *l, bool of_written)
{
	struct pg_rows rows = { .types = "itx" };

	for (struct pg_task *task = c->tasks; task; task = task->hh.next)
		if (task->unchecked && (!of_written || (task->dirty && task->whole)))
			put_task_check(&rows, task);
	pg_link_add_rows(l, &sql_tasks_check, &rows);
	pg_rows_finish(&rows);
}

void pg_queue_task_checks(struct pg_session *s)
{
	if (s->owns)
		send_task_checks(&s->cache, &s->link, false);
}

static void put_task_progress(struct pg_rows *r, struct pg_task *task, bool some_own)
{
	const struct task_row *row = &task->row;

	pg_put_i64(r, task->job);
	pg_put_text(r, row->id);
	pg_put_i64(r, row->status);
	pg_put_f64(r, row->progress);
	pg_put_bool(r, row->stalled);
	pg_put_i64(r, row->stall_at);
	pg_put_i64(r, row->updated);
	pg_put_text(r, row->note);
	if (some_own)
		pg_put_xid(r, task->unchecked);
	task->unchecked = 0;
}

static bool some_are_own(const struct pg_cache *c)
{
	for (const struct pg_task *task = c->tasks; task; task = task->hh.next)
		if (task->dirty && !task->whole && task->unchecked)
			return true;
	return false;
}

static void send_tasks(struct pg_cache *c, struct pg_link *l)
{
	bool own = some_are_own(c);
	struct pg_rows whole = { .types = "iitifiioiiiiitt" };
	struct pg_rows progress = { .types = own ? "itifoiitx" : "itifoiit" };

	send_task_checks(c, l, true);
	for (struct pg_task *task = c->tasks; task; task = task->hh.next) {
		if (task->dirty && task->whole)
			put_task(&whole, task->job, &task->row);
		else if (task->dirty)
			put_task_progress(&progress, task, own);
		task->is_read |= task->dirty;
		task->written |= task->dirty;
		task->dirty = task->whole = false;
	}
	pg_link_add_parts(l, own ? &sql_tasks_progress_own : &sql_tasks_progress, &progress);
	pg_link_add_rows(l, &sql_tasks_put, &whole);
	pg_rows_finish(&progress);
	pg_rows_finish(&whole);
}

/* ---- events and days ---- */

PG_SQL(sql_events_add,
       "INSERT INTO job_activity (job, seq, type, time, json) SELECT ($1::int8[])[i], "
       "($2::int8[])[i], ($3::int8[])[i]::int2, ($4::int8[])[i], ($5::text[])[i] " ROWS_OF(
           "$1::int8[]"));

/* The last one of a job and a day counts. */
PG_SQL(sql_days_put,
       "INSERT INTO job_days (day, job, id, status, created, ended, events, bytes, tasks, "
       "completed, failed, cancelled, deliverables) SELECT DISTINCT ON (day, job) day, job, id, "
       "status::int2, created, ended, events, bytes, tasks, completed, failed, cancelled, "
       "deliverables FROM unnest($1::int8[], $2::int8[], $3::text[], $4::int8[], $5::int8[], "
       "$6::int8[], $7::int8[], $8::int8[], $9::int8[], $10::int8[], $11::int8[], $12::int8[], "
       "$13::int8[]) WITH ORDINALITY AS x(day, job, id, status, created, ended, events, bytes, "
       "tasks, completed, failed, cancelled, deliverables, number) ORDER BY day, job, number DESC "
       "ON CONFLICT (day, job) DO UPDATE SET id = excluded.id, status = excluded.status, "
       "created = excluded.created, ended = excluded.ended, events = excluded.events, "
       "bytes = excluded.bytes, tasks = excluded.tasks, completed = excluded.completed, "
       "failed = excluded.failed, cancelled = excluded.cancelled, "
       "deliverables = excluded.deliverables");

/* ---- answers ---- */

#define ANSWER_ROWS                                                                                \
	"INSERT INTO idempotency (scope, key, fingerprint, time, outcome, seq_first, seq_last, "   \
	"epoch, body) SELECT ($1::text[])[i], ($2::text[])[i], ($3::bytea[])[i], "                 \
	"($4::int8[])[i], ($5::int8[])[i]::int4, ($6::int8[])[i], ($7::int8[])[i], "               \
	"($8::text[])[i], ($9::text[])[i] " ROWS_OF("$1::text[]")

/* Fails if another node has put the answer since it was looked for. */
PG_SQL(sql_answers_add, ANSWER_ROWS);
PG_SQL(sql_answers_put,
       ANSWER_ROWS "ON CONFLICT (scope, key) DO UPDATE SET fingerprint = excluded.fingerprint, "
                   "time = excluded.time, outcome = excluded.outcome, "
                   "seq_first = excluded.seq_first, seq_last = excluded.seq_last, "
                   "epoch = excluded.epoch, body = excluded.body");

static void put_answer(struct pg_rows *r, const struct idempotency_row *row)
{
	pg_put_text(r, row->scope);
	pg_put_text(r, row->key);
	pg_put_bytes(r, row->fingerprint, DIGEST_LEN);
	pg_put_i64(r, row->time);
	pg_put_i64(r, row->outcome);
	pg_put_u64(r, row->seq_first);
	pg_put_u64(r, row->seq_last);
	pg_put_text(r, row->epoch);
	pg_put_text(r, row->body);
}

static int by_scope_and_key(const struct pg_answer *a, const struct pg_answer *b)
{
	int scope = strcmp(a->row.scope, b->row.scope);

	return scope ? scope : strcmp(a->row.key, b->row.key);
}

static void send_answers(struct pg_cache *c, struct pg_link *l, const struct pg_sql *sql,
                         bool were_absent)
{
	struct pg_rows rows = { .types = "ttbiiiitt" };

	for (struct pg_answer *answer = c->answers; answer; answer = answer->hh.next) {
		if (!answer->dirty || answer->was_absent != were_absent)
			continue;
		put_answer(&rows, &answer->row);
		answer->dirty = answer->was_absent = false;
	}
	pg_link_add_parts(l, sql, &rows);
	pg_rows_finish(&rows);
}

void pg_flush(struct pg_cache *c, struct pg_link *l, bool kept)
{
	c->dirty = false;
	send_job_counts(c, l, kept);
	send_jobs(c, l, &sql_jobs_update, PG_STORED);
	send_jobs(c, l, &sql_jobs_insert, PG_NEW);
	send_tasks(c, l);
	pg_link_add_parts(l, &sql_events_add, &c->events);
	pg_link_add_rows(l, &sql_days_put, &c->days);
	pg_rows_clear(&c->events);
	pg_rows_clear(&c->days);
	HASH_SORT(c->answers, by_scope_and_key);
	send_answers(c, l, &sql_answers_put, false);
	send_answers(c, l, &sql_answers_add, true);
}
