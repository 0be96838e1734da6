/*
 * What removes and adds whole jobs, and the rows that outlive them: pruning by bytes, removing
 * ended jobs, imports, the rows of days.  Run over each store.
 */
#include "store_kit.h"

static uint64_t json_len(void)
{
	return an_event(1).json.len;
}

static struct job_row job_in(struct store *s, const char *id)
{
	struct job_row row = { 0 };

	OK(s->ops->job_get(s, id, &row));
	job_row_finish(&row);
	return row;
}

static bool count_event(void *context, const struct event_row *row)
{
	(void)row;
	++*(uint64_t *)context;
	return true;
}

static uint64_t events_of(struct store *s, int64_t key)
{
	uint64_t count = 0;

	s->ops->events(s, key, 0, false, SIZE_MAX, count_event, &count);
	return count;
}

/* ---- bytes ---- */

static enum store_result prune_bytes(struct store *s, uint64_t bytes, size_t budget)
{
	struct prune_limits limits = limits_of(0, 0, UINT64_MAX);

	limits.max_bytes = bytes;
	return s->ops->prune(s, &limits, budget);
}

static void a_log_of_just_as_many_bytes_as_allowed_stays(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;

	OK(w->ops->begin(w));
	int64_t key = job_with_events(w, "j", 10, 100);
	NONE(prune_bytes(w, 10 * json_len(), 100));
	assert_int_equal(events_of(w, key), 10);
	OK(prune_bytes(w, 10 * json_len() - 1, 100));
	struct job_row row = job_in(w, "j");
	assert_int_equal(row.first, 2);
	assert_int_equal(row.pruned, json_len());
	assert_int_equal(row.bytes, 10 * json_len());
	assert_int_equal(events_of(w, key), 9);
	NONE(prune_bytes(w, 10 * json_len() - 1, 100));
	OK(w->ops->commit(w));
}

static void the_oldest_events_go_until_few_enough_bytes_are_left(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;

	OK(w->ops->begin(w));
	int64_t key = job_with_events(w, "j", 10, 100);
	OK(prune_bytes(w, 3 * json_len(), 4)); /* in steps */
	assert_int_equal(job_in(w, "j").first, 5);
	OK(prune_bytes(w, 3 * json_len(), 4));
	assert_int_equal(job_in(w, "j").first, 8);
	assert_int_equal(events_of(w, key), 3);
	NONE(prune_bytes(w, 3 * json_len(), 4));
	OK(prune_bytes(w, 1, 100));
	assert_int_equal(job_in(w, "j").first, 10); /* never the last event */
	NONE(prune_bytes(w, 1, 100));
	OK(w->ops->commit(w));
}

static void the_bytes_of_a_job_that_goes_on_do_not_matter(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;

	OK(w->ops->begin(w));
	job_with_events(w, "j", 10, 0);
	NONE(prune_bytes(w, 1, 100));
	NONE(w->ops->prune_oldest(w, 100));
	OK(w->ops->commit(w));
}

static void pruned_bytes_are_counted_whatever_the_reason(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;

	OK(w->ops->begin(w));
	job_with_events(w, "j", 10, 100);
	OK(prune(w, 0, 0, 7, 100)); /* by count */
	assert_int_equal(job_in(w, "j").pruned, 3 * json_len());
	OK(prune(w, 0, 101, UINT64_MAX, 100)); /* by age */
	assert_int_equal(job_in(w, "j").pruned, 9 * json_len());
	OK(w->ops->commit(w));
}

static void the_log_of_the_job_that_ended_first_goes_first(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;

	OK(w->ops->begin(w));
	job_with_events(w, "second", 4, 200);
	job_with_events(w, "first", 4, 100);
	OK(w->ops->prune_oldest(w, 2));
	assert_int_equal(job_in(w, "first").first, 3);
	OK(w->ops->prune_oldest(w, 100));
	assert_int_equal(job_in(w, "first").first, 4);
	assert_int_equal(job_in(w, "second").first, 1);
	OK(w->ops->prune_oldest(w, 100));
	assert_int_equal(job_in(w, "second").first, 4);
	NONE(w->ops->prune_oldest(w, 100));
	OK(w->ops->commit(w));
}

/* The whole log of a job that was imported is kept as long as if it had ended then. */
static void the_time_of_an_imported_job_counts_from_its_import(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	struct job_row row = a_job("j");
	struct buf seen = { 0 };

	row.status = JOB_COMPLETED;
	row.ended = 100;
	row.imported = 500;
	row.seq = 2;
	OK(w->ops->begin(w));
	OK(w->ops->job_put(w, &row));
	for (uint64_t seq = 1; seq <= 2; seq++) {
		struct event_row event = an_event(seq);
		OK(w->ops->event_add(w, row.key, &event));
	}
	NONE(prune(w, 0, 500, UINT64_MAX, 100));
	OK(prune(w, 0, 501, UINT64_MAX, 100));
	OK(w->ops->commit(w));
	buf_finish(&seen);
}

/* ---- ended jobs ---- */

static bool add_id(void *context, const char *id)
{
	buf_format(context, "%s ", id);
	return true;
}

static bool add_one_id(void *context, const char *id)
{
	add_id(context, id);
	return false;
}

static const char *ended(struct store *s, int64_t before, size_t limit)
{
	static struct buf seen;

	seen.len = 0;
	enum store_result r = s->ops->ended_jobs(s, before, limit, add_id, &seen);
	assert_int_equal(r, seen.len ? STORE_OK : STORE_NONE);
	return buf_string(&seen);
}

static void ended_jobs_are_listed_from_the_oldest(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	struct job_row imported = a_job("imported");
	struct buf seen = { 0 };

	imported.status = JOB_FAILED;
	imported.ended = 10;
	imported.imported = 250;
	OK(w->ops->begin(w));
	job_with_events(w, "c", 1, 300);
	job_with_events(w, "a", 1, 100);
	job_with_events(w, "open", 1, 0);
	job_with_events(w, "b", 1, 200);
	OK(w->ops->job_put(w, &imported));
	assert_string_equal(ended(w, 100, 10), "");
	assert_string_equal(ended(w, 101, 10), "a ");
	assert_string_equal(ended(w, INT64_MAX, 10), "a b imported c ");
	assert_string_equal(ended(w, INT64_MAX, 2), "a b ");
	OK(w->ops->ended_jobs(w, INT64_MAX, 10, add_one_id, &seen));
	assert_string_equal(buf_string(&seen), "a ");
	struct job_row a = job_in(w, "a");
	OK(w->ops->job_delete(w, &a));
	assert_string_equal(ended(w, 201, 10), "b ");
	OK(w->ops->commit(w));
	buf_finish(&seen);
}

/* ---- imports ---- */

static bool add_job(void *context, const struct job_row *row)
{
	buf_format(context, "%s ", row->id);
	return true;
}

static const char *jobs(struct store *s)
{
	static struct buf seen;

	seen.len = 0;
	s->ops->jobs(s, -1, 0, SIZE_MAX, add_job, &seen);
	return buf_string(&seen);
}

/* Writes a task, an event and a deliverable of a job that is being imported. */
static int64_t an_import(struct store *s)
{
	struct task_row task = a_task("t", 0);
	struct deliverable_row d = { "d", "title", NULL, NULL, 1 };
	struct event_row event = an_event(1);
	int64_t key;

	OK(s->ops->import_begin(s, &key));
	OK(s->ops->task_put(s, key, &task));
	OK(s->ops->event_add(s, key, &event));
	OK(s->ops->deliverable_put(s, key, &d));
	return key;
}

static void an_import_is_not_seen_before_its_end(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer, *r = b->reader;
	struct job_row row = a_job("j"), found = { 0 };
	struct task_row task = { 0 };

	OK(w->ops->begin(w));
	int64_t key = an_import(w);
	OK(w->ops->commit(w));
	OK(r->ops->begin(r));
	assert_string_equal(jobs(r), "");
	NONE(r->ops->job_get(r, "j", &found));
	assert_string_equal(ended(r, INT64_MAX, 10), "");
	OK(r->ops->commit(r));

	OK(w->ops->begin(w));
	while (prune(w, INT64_MAX, INT64_MAX, 1, 100) == STORE_OK)
		; /* an import is no deleted job */
	OK(w->ops->task_get(w, key, "t", &task));
	task_row_finish(&task);
	row.seq = 1;
	OK(w->ops->import_end(w, key, &row));
	assert_int_equal(row.key, key);
	OK(w->ops->commit(w));
	OK(r->ops->begin(r));
	assert_string_equal(jobs(r), "j ");
	assert_int_equal(job_in(r, "j").key, key);
	assert_int_equal(events_of(r, key), 1);
	OK(r->ops->commit(r));
}

static void an_import_ends_once(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	struct job_row row = a_job("j"), other = a_job("k");

	OK(w->ops->begin(w));
	int64_t key = an_import(w);
	OK(w->ops->import_end(w, key, &row));
	NONE(w->ops->import_end(w, key, &other));
	NONE(w->ops->import_end(w, key, NULL));
	NONE(w->ops->import_end(w, key + 1, NULL));
	OK(w->ops->commit(w));
}

static void a_dropped_import_is_removed_like_a_deleted_job(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	struct task_row task = { 0 };
	uint64_t rows;

	OK(w->ops->begin(w));
	int64_t key = an_import(w);
	OK(w->ops->commit(w));
	OK(w->ops->begin(w));
	OK(w->ops->import_end(w, key, NULL));
	OK(w->ops->commit(w));
	OK(w->ops->begin(w));
	OK(prunable(w, 0, 0, 100, 100, &rows));
	assert_true(rows > 0);
	for (enum store_result r = STORE_OK; r == STORE_OK;) {
		r = prune(w, 0, 0, 100, 1);
		OK(w->ops->commit(w));
		OK(w->ops->begin(w));
	}
	NONE(w->ops->task_get(w, key, "t", &task));
	assert_int_equal(events_of(w, key), 0);
	OK(prunable(w, 0, 0, 100, 100, &rows));
	assert_int_equal(rows, 0);
	OK(w->ops->commit(w));
}

static void an_import_that_is_rolled_back_was_never_there(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	struct job_row row = a_job("j"), found = { 0 };

	OK(w->ops->begin(w));
	int64_t key = an_import(w);
	OK(w->ops->commit(w));
	OK(w->ops->begin(w));
	OK(w->ops->import_end(w, key, &row));
	OK(w->ops->job_get(w, "j", &found));
	job_row_finish(&found);
	w->ops->rollback(w);

	OK(w->ops->begin(w)); /* it can still be ended */
	NONE(w->ops->job_get(w, "j", &found));
	OK(w->ops->import_end(w, key, &row));
	OK(w->ops->commit(w));
	OK(w->ops->begin(w));
	an_import(w);
	w->ops->rollback(w);
	OK(w->ops->begin(w));
	assert_string_equal(jobs(w), "j ");
	OK(w->ops->commit(w));
}

static void an_import_cannot_take_the_id_of_a_job(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	struct job_row row = a_job("j");

	OK(w->ops->begin(w));
	job_with_events(w, "j", 1, 0);
	int64_t key = an_import(w);
	FAILS(w->ops->import_end(w, key, &row));
	FAILS(w->ops->commit(w));
	w->ops->rollback(w);
}

/* ---- days ---- */

static void put_day(struct store *s, int64_t day, int64_t job, uint64_t events)
{
	struct job_day_row row = { .day = day,
		                   .job = job,
		                   .status = JOB_FAILED,
		                   .created = 1,
		                   .ended = 2,
		                   .events = events,
		                   .bytes = 1ULL << 40,
		                   .tasks = 3,
		                   .completed = 4,
		                   .failed = 5,
		                   .cancelled = 6,
		                   .deliverables = 7 };

	snprintf(row.id, sizeof row.id, "j%d", (int)job);
	OK(s->ops->job_day_put(s, &row));
}

static bool add_day(void *context, const struct job_day_row *r)
{
	buf_format(context, "%d/%s/%d ", (int)r->day, r->id, (int)r->events);
	return true;
}

static const char *days(struct store *s, int64_t day, int64_t job, size_t limit)
{
	static struct buf seen;

	seen.len = 0;
	enum store_result r = s->ops->job_days(s, day, job, limit, add_day, &seen);
	assert_int_equal(r, seen.len ? STORE_OK : STORE_NONE);
	return buf_string(&seen);
}

static bool keep_day(void *context, const struct job_day_row *row)
{
	*(struct job_day_row *)context = *row;
	return false;
}

static void a_day_comes_back_with_every_field(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	struct job_day_row r;

	OK(w->ops->begin(w));
	put_day(w, 20000, 9, 8);
	OK(w->ops->job_days(w, 0, 0, 10, keep_day, &r));
	OK(w->ops->commit(w));
	assert_int_equal(r.day, 20000);
	assert_int_equal(r.job, 9);
	assert_string_equal(r.id, "j9");
	assert_int_equal(r.status, JOB_FAILED);
	assert_true(r.created == 1 && r.ended == 2 && r.events == 8 && r.bytes == 1ULL << 40);
	assert_true(r.tasks == 3 && r.completed == 4 && r.failed == 5 && r.cancelled == 6);
	assert_int_equal(r.deliverables, 7);
}

static void days_are_listed_in_order_and_in_pages(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;

	OK(w->ops->begin(w));
	put_day(w, 2, 1, 1);
	put_day(w, 1, 2, 1);
	put_day(w, 1, 1, 1);
	put_day(w, 3, 1, 1);
	put_day(w, 1, 2, 9); /* replaces */
	assert_string_equal(days(w, 0, 0, 10), "1/j1/1 1/j2/9 2/j1/1 3/j1/1 ");
	assert_string_equal(days(w, 0, 0, 2), "1/j1/1 1/j2/9 ");
	assert_string_equal(days(w, 1, 2, 2), "2/j1/1 3/j1/1 ");
	assert_string_equal(days(w, 1, 1, 1), "1/j2/9 ");
	assert_string_equal(days(w, 3, 1, 10), "");
	OK(w->ops->commit(w));
}

static void days_outlive_the_job_until_their_own_time_is_over(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	struct prune_limits limits = limits_of(0, 0, 100);
	uint64_t rows;

	OK(w->ops->begin(w));
	struct job_row row = a_job("j");
	OK(w->ops->job_put(w, &row));
	for (int64_t day = 1; day <= 5; day++)
		put_day(w, day, row.key, 1);
	OK(w->ops->job_delete(w, &row));
	OK(w->ops->commit(w));
	OK(w->ops->begin(w));
	while (w->ops->prune(w, &limits, 100) == STORE_OK)
		;
	assert_int_equal(strlen(days(w, 0, 0, 10)), 5 * strlen("1/j1/1 "));
	limits.days_before = 4;
	OK(w->ops->prunable(w, &limits, 100, &rows));
	assert_int_equal(rows, 3);
	OK(w->ops->prune(w, &limits, 2));
	assert_int_equal(strlen(days(w, 0, 0, 10)), 3 * strlen("1/j1/1 "));
	OK(w->ops->prune(w, &limits, 2));
	assert_string_equal(days(w, 0, 0, 10), "4/j1/1 5/j1/1 ");
	NONE(w->ops->prune(w, &limits, 2));
	OK(w->ops->commit(w));
}

/* ---- space ---- */

static void what_is_used_grows_and_shrinks_with_the_rows(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	struct store_space before, full, after;

	OK(w->ops->begin(w));
	if (w->ops->space(w, &before) == STORE_NONE) { /* then nothing is promised */
		w->ops->rollback(w);
		return;
	}
	job_with_events(w, "j", 5000, 100);
	OK(w->ops->space(w, &full));
	OK(w->ops->commit(w));
	OK(w->ops->begin(w));
	OK(prune(w, 0, 101, UINT64_MAX, 10000));
	OK(w->ops->space(w, &after));
	OK(w->ops->commit(w));
	assert_true(full.used >= before.used + 5000 * json_len());
	assert_true(after.used < full.used - 4000 * json_len());
	OK(w->ops->begin(w));
	OK(w->ops->space(w, &full));
	w->ops->rollback(w);
	assert_int_equal(full.used, after.used);
}

static const struct CMUnitTest promises[] = {
	STORE_TEST(a_log_of_just_as_many_bytes_as_allowed_stays),
	STORE_TEST(the_oldest_events_go_until_few_enough_bytes_are_left),
	STORE_TEST(the_bytes_of_a_job_that_goes_on_do_not_matter),
	STORE_TEST(pruned_bytes_are_counted_whatever_the_reason),
	STORE_TEST(the_log_of_the_job_that_ended_first_goes_first),
	STORE_TEST(the_time_of_an_imported_job_counts_from_its_import),
	STORE_TEST(ended_jobs_are_listed_from_the_oldest),
	STORE_TEST(an_import_is_not_seen_before_its_end),
	STORE_TEST(an_import_ends_once),
	STORE_TEST(a_dropped_import_is_removed_like_a_deleted_job),
	STORE_TEST(an_import_that_is_rolled_back_was_never_there),
	STORE_TEST(an_import_cannot_take_the_id_of_a_job),
	STORE_TEST(a_day_comes_back_with_every_field),
	STORE_TEST(days_are_listed_in_order_and_in_pages),
	STORE_TEST(days_outlive_the_job_until_their_own_time_is_over),
	STORE_TEST(what_is_used_grows_and_shrinks_with_the_rows),
};

int main(void)
{
	return RUN_ON_BOTH_STORES(promises);
}
