/* The rows that are added to a job: events, deliverables and days. */
#include "joblight/base/xalloc.h"
#include "postgres.h"

#define WALK_ROWS 256 /* that are read at once */

static char *own(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

/* ---- events ---- */

enum store_result postgres_event_add(struct store *base, int64_t job, const struct event_row *row)
{
	struct pg_session *s = pg_session(base);
	struct pg_rows *events = &s->cache.events;

	if (s->failed)
		return s->failed;
	pg_put_i64(events, job);
	pg_put_u64(events, row->seq);
	pg_put_i64(events, row->type);
	pg_put_i64(events, row->time);
	pg_put_slice(events, row->json);
	s->cache.dirty = true;
	return STORE_OK;
}

PG_SQL(sql_events_up, "SELECT seq, type, time, json FROM job_activity WHERE job = $1 AND seq > $2 "
                      "ORDER BY seq LIMIT $3");
PG_SQL(sql_events_down, "SELECT seq, type, time, json FROM job_activity WHERE job = $1 AND "
                        "seq < $2 ORDER BY seq DESC LIMIT $3");

static enum store_result read_events(struct pg_session *s, int64_t job, uint64_t from,
                                     bool descending, size_t rows, PGresult **result)
{
	struct pg_args args = { 0 };
	enum store_result r;

	pg_arg_i64(&args, job);
	pg_arg_u64(&args, from);
	pg_arg_u64(&args, rows);
	r = pg_query(s, descending ? &sql_events_down : &sql_events_up, &args, result);
	pg_args_finish(&args);
	return r;
}

static void event_from(const PGresult *r, int row, struct event_row *event)
{
	*event = (struct event_row){
		.seq = pg_u64(r, row, 0),
		.type = (enum event_type)pg_i64(r, row, 1),
		.time = pg_i64(r, row, 2),
		.json = { pg_text(r, row, 3), (size_t)PQgetlength(r, row, 3) },
	};
}

/* False: the walk is to end.  *from: the last event that was visited. */
static bool visit_events(const PGresult *result, uint64_t *from, event_visit *visit, void *context)
{
	for (int i = 0; i < PQntuples(result); i++) {
		struct event_row row;
		event_from(result, i, &row);
		*from = row.seq;
		if (!visit(context, &row))
			return false;
	}
	return true;
}

enum store_result postgres_events(struct store *base, int64_t job, uint64_t from, bool descending,
                                  size_t limit, event_visit *visit, void *context)
{
	struct pg_session *s = pg_session(base);
	bool more = true, some = false;

	while (more && limit) {
		size_t asked = limit < WALK_ROWS ? limit : WALK_ROWS;
		PGresult *result;
		enum store_result r = read_events(s, job, from, descending, asked, &result);
		if (r == STORE_OK) {
			size_t rows = (size_t)PQntuples(result);
			some |= rows > 0;
			limit -= rows;
			more = visit_events(result, &from, visit, context) && rows == asked;
		}
		PQclear(result);
		if (r != STORE_OK)
			return r;
	}
	return some ? STORE_OK : STORE_NONE;
}

/* ---- deliverables ---- */

PG_SQL(sql_deliverable_put,
       "INSERT INTO deliverables (job, id, created, title, url, media_type) "
       "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (job, id) DO UPDATE SET "
       "created = excluded.created, title = excluded.title, url = excluded.url, "
       "media_type = excluded.media_type");

enum store_result postgres_deliverable_put(struct store *base, int64_t job,
                                           const struct deliverable_row *row)
{
	struct pg_args args = { 0 };
	enum store_result r;

	pg_arg_i64(&args, job);
	pg_arg_text(&args, row->id);
	pg_arg_i64(&args, row->created);
	pg_arg_text(&args, row->title);
	pg_arg_text(&args, row->url);
	pg_arg_text(&args, row->media_type);
	r = pg_queue(pg_session(base), &sql_deliverable_put, &args);
	pg_args_finish(&args);
	return r;
}

static void deliverable_from(const PGresult *r, int row, struct deliverable_row *deliverable)
{
	*deliverable = (struct deliverable_row){
		.created = pg_i64(r, row, 1),
		.title = pg_text(r, row, 2),
		.url = pg_text(r, row, 3),
		.media_type = pg_text(r, row, 4),
	};
	pg_copy(r, row, 0, deliverable->id, sizeof(deliverable->id));
}

PG_SQL(sql_deliverable_get, "SELECT id, created, title, url, media_type FROM deliverables "
                            "WHERE job = $1 AND id = $2");

enum store_result postgres_deliverable_get(struct store *base, int64_t job, const char *id,
                                           struct deliverable_row *row)
{
	struct pg_args args = { 0 };
	PGresult *result;

	pg_arg_i64(&args, job);
	pg_arg_text(&args, id);
	enum store_result r = pg_query(pg_session(base), &sql_deliverable_get, &args, &result);
	if (r == STORE_OK && !PQntuples(result))
		r = STORE_NONE;
	if (r == STORE_OK) {
		deliverable_from(result, 0, row);
		row->title = own(row->title);
		row->url = own(row->url);
		row->media_type = own(row->media_type);
	}
	PQclear(result);
	pg_args_finish(&args);
	return r;
}

PG_SQL(sql_deliverables, "SELECT id, created, title, url, media_type FROM deliverables "
                         "WHERE job = $1 ORDER BY number");

enum store_result postgres_deliverables(struct store *base, int64_t job, deliverable_visit *visit,
                                        void *context)
{
	struct pg_args args = { 0 };
	struct deliverable_row row;
	PGresult *result;

	pg_arg_i64(&args, job);
	enum store_result r = pg_query(pg_session(base), &sql_deliverables, &args, &result);
	int rows = r == STORE_OK ? PQntuples(result) : 0;
	for (int i = 0; i < rows; i++) {
		deliverable_from(result, i, &row);
		if (!visit(context, &row))
			break;
	}
	PQclear(result);
	pg_args_finish(&args);
	return r == STORE_OK && !rows ? STORE_NONE : r;
}

/* ---- days ---- */

enum store_result postgres_job_day_put(struct store *base, const struct job_day_row *row)
{
	struct pg_session *s = pg_session(base);
	struct pg_rows *days = &s->cache.days;

	if (s->failed)
		return s->failed;
	pg_put_i64(days, row->day);
	pg_put_i64(days, row->job);
	pg_put_text(days, row->id);
	pg_put_i64(days, row->status);
	pg_put_i64(days, row->created);
	pg_put_i64(days, row->ended);
	pg_put_u64(days, row->events);
	pg_put_u64(days, row->bytes);
	pg_put_i64(days, row->tasks);
	pg_put_i64(days, row->completed);
	pg_put_i64(days, row->failed);
	pg_put_i64(days, row->cancelled);
	pg_put_i64(days, row->deliverables);
	s->cache.dirty = true;
	return STORE_OK;
}

PG_SQL(sql_job_days, "SELECT day, job, id, status, created, ended, events, bytes, tasks, "
                     "completed, failed, cancelled, deliverables FROM job_days "
                     "WHERE (day, job) > ($1, $2) ORDER BY day, job LIMIT $3");

static void day_from(const PGresult *r, int row, struct job_day_row *day)
{
	*day = (struct job_day_row){
		.day = pg_i64(r, row, 0),
		.job = pg_i64(r, row, 1),
		.status = (enum job_status)pg_i64(r, row, 3),
		.created = pg_i64(r, row, 4),
		.ended = pg_i64(r, row, 5),
		.events = pg_u64(r, row, 6),
		.bytes = pg_u64(r, row, 7),
		.tasks = (uint32_t)pg_i64(r, row, 8),
		.completed = (uint32_t)pg_i64(r, row, 9),
		.failed = (uint32_t)pg_i64(r, row, 10),
		.cancelled = (uint32_t)pg_i64(r, row, 11),
		.deliverables = (uint32_t)pg_i64(r, row, 12),
	};
	pg_copy(r, row, 2, day->id, sizeof(day->id));
}

static enum store_result read_days(struct pg_session *s, int64_t day, int64_t job, size_t rows,
                                   PGresult **result)
{
	struct pg_args args = { 0 };
	enum store_result r;

	pg_arg_i64(&args, day);
	pg_arg_i64(&args, job);
	pg_arg_u64(&args, rows);
	r = pg_query(s, &sql_job_days, &args, result);
	pg_args_finish(&args);
	return r;
}

/* False: the walk is to end.  *day and *job: of the last row. */
static bool visit_days(const PGresult *result, int64_t *day, int64_t *job, job_day_visit *visit,
                       void *context)
{
	for (int i = 0; i < PQntuples(result); i++) {
		struct job_day_row row;
		day_from(result, i, &row);
		*day = row.day;
		*job = row.job;
		if (!visit(context, &row))
			return false;
	}
	return true;
}

enum store_result postgres_job_days(struct store *base, int64_t day, int64_t job, size_t limit,
                                    job_day_visit *visit, void *context)
{
	struct pg_session *s = pg_session(base);
	bool more = true, some = false;

	while (more && limit) {
		size_t asked = limit < WALK_ROWS ? limit : WALK_ROWS;
		PGresult *result;
		enum store_result r = read_days(s, day, job, asked, &result);
		if (r == STORE_OK) {
			size_t rows = (size_t)PQntuples(result);
			some |= rows > 0;
			limit -= rows;
			more = visit_days(result, &day, &job, visit, context) && rows == asked;
		}
		PQclear(result);
		if (r != STORE_OK)
			return r;
	}
	return some ? STORE_OK : STORE_NONE;
}
