/*
 * What every store promises, run over each store.  What only a file can promise is tested in
 * test_store_file.c.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "store_kit.h"

/* ---- rows ---- */

static void job_comes_back_with_every_field(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct job_row in = {
		.id = "j-1",
		.epoch = "zyxwvutsrq",
		.title = "Q4 \xe2\x80\x94 report",
		.metadata = "{\"a\":[1,\"\\u0000\"]}",
		.status = JOB_HARDENING,
		.seq = 1ULL << 40,
		.first = 7,
		.tasks = 4000000000u,
		.deliverables = 4000000001u,
		.silence_ms = 86400000,
		.created = 1770318000000,
		.updated = 1770318000001,
		.ended = 0,
		.bytes = 1ULL << 50,
		.creator = "aaaaaaaaaaaa",
	};
	struct job_row out = { 0 };

	OK(w->ops->begin(w));
	OK(w->ops->job_put(w, &in));
	OK(w->ops->commit(w));
	assert_true(in.key > 0);

	OK(b->reader->ops->begin(b->reader));
	OK(b->reader->ops->job_get(b->reader, "j-1", &out));
	OK(b->reader->ops->commit(b->reader));
	assert_int_equal(out.bytes, in.bytes);
	assert_string_equal(out.creator, "aaaaaaaaaaaa");
	assert_int_equal(out.key, in.key);
	assert_string_equal(out.id, in.id);
	assert_string_equal(out.epoch, in.epoch);
	assert_string_equal(out.title, in.title);
	assert_string_equal(out.metadata, in.metadata);
	assert_int_equal(out.status, in.status);
	assert_true(out.seq == in.seq);
	assert_true(out.first == in.first);
	assert_int_equal(out.tasks, in.tasks);
	assert_int_equal(out.deliverables, in.deliverables);
	assert_int_equal(out.silence_ms, in.silence_ms);
	assert_true(out.created == in.created && out.updated == in.updated &&
	            out.ended == in.ended);
	assert_ptr_not_equal(out.title, in.title);
	job_row_finish(&out);
}

static void job_is_changed_in_every_field(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	struct job_row row = a_job("j"), out = { 0 };

	OK(w->ops->begin(w));
	OK(w->ops->job_put(w, &row));
	row.title = "another";
	row.metadata = "{\"b\":2}";
	row.status = JOB_FAILED;
	row.seq = 9;
	row.first = 3;
	row.tasks = 2;
	row.deliverables = 4;
	row.silence_ms = 5;
	row.created = 10;
	row.updated = 11;
	row.ended = 12;
	row.bytes = 13;
	snprintf(row.epoch, sizeof row.epoch, "aaaaaaaaaa");
	OK(w->ops->job_put(w, &row));
	OK(w->ops->job_get(w, "j", &out));
	OK(w->ops->commit(w));
	assert_string_equal(out.title, "another");
	assert_string_equal(out.metadata, "{\"b\":2}");
	assert_string_equal(out.epoch, "aaaaaaaaaa");
	assert_int_equal(out.status, JOB_FAILED);
	assert_int_equal(out.bytes, 13);
	assert_true(out.seq == 9 && out.first == 3 && out.tasks == 2 && out.deliverables == 4);
	assert_int_equal(out.silence_ms, 5);
	assert_true(out.created == 10 && out.updated == 11 && out.ended == 12);
	job_row_finish(&out);
}

static void task_comes_back_with_every_field(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	struct job_row job = a_job("j");
	struct task_row in = {
		.id = "t3",
		.title = "Render",
		.note = "page 42",
		.status = TASK_BLOCKED,
		.progress = 42.5,
		.attempt = 0,
		.silence_ms = 0,
		.stalled = true,
		.stall_at = 1770318000005,
		.position = 0,
		.created = 1,
		.updated = 2,
		.started = 3,
		.ended = 4,
	};
	struct task_row out = { 0 };

	OK(w->ops->begin(w));
	OK(w->ops->job_put(w, &job));
	OK(w->ops->task_put(w, job.key, &in));
	OK(w->ops->task_get(w, job.key, "t3", &out));
	OK(w->ops->commit(w));
	assert_string_equal(out.id, "t3");
	assert_string_equal(out.title, "Render");
	assert_string_equal(out.note, "page 42");
	assert_int_equal(out.status, TASK_BLOCKED);
	assert_true(out.progress == 42.5);
	assert_int_equal(out.attempt, 0);
	assert_int_equal(out.silence_ms, 0);
	assert_true(out.stalled && out.stall_at == 1770318000005);
	assert_int_equal(out.position, 0);
	assert_true(out.created == 1 && out.updated == 2 && out.started == 3 && out.ended == 4);
	task_row_finish(&out);
}

/* Reads what an operation on the task "t" of the job "j" is expected to need, as the engine does.
 */
static void begin_as_the_engine(struct store *w)
{
	struct expected_job job = { .id = "j" };
	struct expected_task task = { .job = "j", .id = slice_of("t") };
	struct expected rows = { .jobs = &job, .tasks = &task, .job_count = 1, .task_count = 1 };

	OK(w->ops->begin(w));
	assert_in_range(w->ops->expect(w, &rows), STORE_OK,
	                STORE_NONE); /* NONE: it reads nothing before */
}

enum { JOB_FIELDS = 14, TASK_FIELDS = 12 };

/* Strings that it puts into the row are constants. */
static void change_job(struct job_row *row, int field)
{
	switch (field) {
	case 0:
		row->title = "another";
		break;
	case 1:
		row->metadata = "{\"a\":1}";
		break;
	case 2:
		row->status = JOB_REVISIONS;
		break;
	case 3:
		row->seq = 7;
		break;
	case 4:
		row->first = 2;
		break;
	case 5:
		row->tasks = 3;
		break;
	case 6:
		row->deliverables = 4;
		break;
	case 7:
		row->silence_ms = 5000;
		break;
	case 8:
		row->created = 11;
		break;
	case 9:
		row->updated = 12;
		break;
	case 10:
		row->bytes = 99;
		break;
	case 11:
		row->pruned = 98;
		break;
	case 12:
		row->imported = 13;
		break;
	default:
		row->ended = 14;
	}
}

static void change_task(struct task_row *row, int field)
{
	switch (field) {
	case 0:
		row->title = "another";
		break;
	case 1:
		row->note = "a note";
		break;
	case 2:
		row->status = TASK_BLOCKED;
		break;
	case 3:
		row->progress = 12.5;
		break;
	case 4:
		row->attempt = 3;
		break;
	case 5:
		row->silence_ms = 5000;
		break;
	case 6:
		row->stalled = true;
		break;
	case 7:
		row->stall_at = 77;
		break;
	case 8:
		row->created = 11;
		break;
	case 9:
		row->updated = 12;
		break;
	case 10:
		row->started = 13;
		break;
	default:
		row->ended = 14;
	}
}

static void assert_same_job(const struct job_row *a, const struct job_row *b)
{
	assert_string_equal(a->title, b->title);
	assert_string_equal(a->metadata, b->metadata);
	assert_true(a->status == b->status && a->seq == b->seq && a->first == b->first);
	assert_true(a->tasks == b->tasks && a->deliverables == b->deliverables);
	assert_true(a->silence_ms == b->silence_ms && a->created == b->created);
	assert_true(a->updated == b->updated && a->ended == b->ended);
	assert_true(a->imported == b->imported && a->bytes == b->bytes && a->pruned == b->pruned);
}

static void assert_same_task(const struct task_row *a, const struct task_row *b)
{
	assert_string_equal(a->title, b->title);
	assert_true(a->note && b->note ? strcmp(a->note, b->note) == 0 : a->note == b->note);
	assert_true(a->progress == b->progress || (isnan(a->progress) && isnan(b->progress)));
	assert_true(a->status == b->status && a->attempt == b->attempt);
	assert_true(a->silence_ms == b->silence_ms && a->stalled == b->stalled);
	assert_true(a->stall_at == b->stall_at && a->created == b->created);
	assert_true(a->updated == b->updated && a->started == b->started && a->ended == b->ended);
}

/* One field in each transaction, alone and before another change of the row in the same one. */
static void a_change_of_any_one_field_is_kept(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer, *r = b->reader;
	struct job_row job = a_job("j"), read_job;
	struct task_row task = a_task("t", 0), read_task;

	OK(w->ops->begin(w));
	OK(w->ops->job_put(w, &job));
	OK(w->ops->task_put(w, job.key, &task));
	OK(w->ops->commit(w));
	for (int i = 0; i < JOB_FIELDS + TASK_FIELDS; i++) {
		begin_as_the_engine(w);
		if (i < JOB_FIELDS)
			change_job(&job, i);
		else
			change_task(&task, i - JOB_FIELDS);
		OK(w->ops->job_put(w, &job));
		OK(w->ops->task_put(w, job.key, &task));
		if (i % 2 == 0) {
			job.seq++;
			task.updated++;
			OK(w->ops->job_put(w, &job));
			OK(w->ops->task_put(w, job.key, &task));
		}
		OK(w->ops->commit(w));
		OK(r->ops->begin(r));
		OK(r->ops->job_get(r, "j", &read_job));
		OK(r->ops->task_get(r, job.key, "t", &read_task));
		OK(r->ops->commit(r));
		assert_same_job(&job, &read_job);
		assert_same_task(&task, &read_task);
		job_row_finish(&read_job);
		task_row_finish(&read_task);
	}
}

static void task_without_note_progress_attempt_and_heartbeat_stays_without(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	struct job_row job = a_job("j");
	struct task_row row = a_task("t", 0), out = { 0 };

	row.note = "to be cleared";
	row.progress = 0;
	row.attempt = 5;
	row.silence_ms = 5000;
	row.stalled = true;
	OK(w->ops->begin(w));
	OK(w->ops->job_put(w, &job));
	OK(w->ops->task_put(w, job.key, &row));
	row.note = NULL;
	row.progress = NAN;
	row.attempt = -1;
	row.silence_ms = -1;
	row.stalled = false;
	OK(w->ops->task_put(w, job.key, &row));
	OK(w->ops->task_get(w, job.key, "t", &out));
	OK(w->ops->commit(w));
	assert_null(out.note);
	assert_true(isnan(out.progress));
	assert_int_equal(out.attempt, -1);
	assert_int_equal(out.silence_ms, -1);
	assert_true(!out.stalled && !out.stall_at);
	task_row_finish(&out);
}

/* ---- tasks with a deadline ---- */

static bool append_names(void *context, const char *job_id, const char *task_id)
{
	buf_format(context, "%s/%s ", job_id, task_id);
	return true;
}

static bool append_first_name(void *context, const char *job_id, const char *task_id)
{
	append_names(context, job_id, task_id);
	return false;
}

static const char *stalled(struct store *s, int64_t now, size_t limit)
{
	static struct buf seen;
	enum store_result r;

	seen.len = 0;
	r = s->ops->overdue_tasks(s, now, limit, append_names, &seen);
	assert_int_equal(r, seen.len ? STORE_OK : STORE_NONE);
	return buf_string(&seen);
}

static void wait_for_task(struct store *s, int64_t job, const char *id, uint32_t position,
                          int64_t stall_at)
{
	struct task_row row = a_task(id, position);

	row.stall_at = stall_at;
	OK(s->ops->task_put(s, job, &row));
}

static void silent_tasks_are_found_when_their_time_has_come(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct job_row j = a_job("j"), k = a_job("k");
	struct buf seen = { 0 };

	OK(w->ops->begin(w));
	OK(w->ops->job_put(w, &j));
	OK(w->ops->job_put(w, &k));
	wait_for_task(w, j.key, "soon", 0, 100);
	wait_for_task(w, j.key, "never", 1, 0);
	wait_for_task(w, k.key, "later", 0, 200);
	assert_string_equal(stalled(w, 99, 10), "");
	assert_string_equal(stalled(w, 100, 10), "j/soon ");
	assert_int_equal(strlen(stalled(w, 200, 10)), strlen("j/soon k/later "));
	assert_true(strstr(stalled(w, 200, 10), "k/later ") != NULL);
	assert_true(strlen(stalled(w, INT64_MAX, 1)) < strlen("j/soon k/later "));
	OK(w->ops->overdue_tasks(w, 200, 10, append_first_name, &seen));
	assert_true(seen.len < strlen("j/soon k/later "));
	OK(w->ops->commit(w));
	buf_finish(&seen);
	OK(b->reader->ops->begin(b->reader));
	assert_string_equal(stalled(b->reader, 100, 10), "j/soon ");
	OK(b->reader->ops->commit(b->reader));
}

static void a_task_that_is_not_waited_for_any_more_is_not_found(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	struct job_row j = a_job("j"), gone = a_job("gone");

	OK(w->ops->begin(w));
	OK(w->ops->job_put(w, &j));
	OK(w->ops->job_put(w, &gone));
	wait_for_task(w, j.key, "a", 0, 100);
	wait_for_task(w, gone.key, "b", 0, 50);
	OK(w->ops->commit(w));

	OK(w->ops->begin(w));
	wait_for_task(w, j.key, "a", 0, 300);
	OK(w->ops->job_delete(w, &gone));
	assert_string_equal(stalled(w, 200, 10), "");
	wait_for_task(w, j.key, "a", 0, 0);
	wait_for_task(w, j.key, "c", 1, 10);
	assert_string_equal(stalled(w, 1000, 10), "j/c ");
	w->ops->rollback(w);

	OK(w->ops->begin(w));
	assert_int_equal(strlen(stalled(w, 100, 10)), strlen("j/a gone/b "));
	wait_for_task(w, j.key, "a", 0, 0);
	OK(w->ops->job_delete(w, &gone));
	OK(w->ops->commit(w));
	OK(w->ops->begin(w));
	assert_string_equal(stalled(w, 1000, 10), "");
	OK(w->ops->commit(w));
}

static bool append_task(void *context, const struct task_row *row)
{
	buf_format(context, "%u:%s ", row->position, row->id);
	return true;
}

static void put_counted(struct store *s, int64_t job, uint32_t position, enum task_status status,
                        double progress)
{
	char id[16];

	snprintf(id, sizeof id, "t%u", position);
	struct task_row row = a_task(id, position);
	row.status = status;
	row.progress = progress;
	OK(s->ops->task_put(s, job, &row));
}

static void tasks_are_counted(void **state)
{
	struct bench *b = *state;
	struct store *s = b->writer;
	struct task_counts c;

	OK(s->ops->begin(s));
	int64_t job = job_with_events(s, "j", 1, 0), other = job_with_events(s, "other", 1, 0);
	OK(s->ops->task_counts(s, job, &c));
	assert_int_equal(c.total, 0);
	assert_true(task_counts_progress(&c) == 0);
	put_counted(s, job, 0, TASK_COMPLETED, 10);
	put_counted(s, job, 1, TASK_FAILED, NAN);
	put_counted(s, job, 2, TASK_IN_PROGRESS, 50);
	put_counted(s, job, 3, TASK_PENDING, NAN);
	put_counted(s, job, 4, TASK_CANCELLED, 90);
	put_counted(s, job, 5, TASK_BLOCKED, 25);
	put_counted(s, job, 6, TASK_IN_PROGRESS, NAN);
	put_counted(s, other, 0, TASK_COMPLETED, NAN);
	OK(s->ops->task_counts(s, job, &c));
	OK(s->ops->commit(s));
	assert_int_equal(c.total, 7);
	assert_int_equal(c.completed, 1);
	assert_int_equal(c.failed, 1);
	assert_int_equal(c.in_progress, 2);
	assert_int_equal(c.cancelled, 1);
	assert_true(c.done == 275);
	assert_true(task_counts_progress(&c) == 45.83);
}

static void tasks_are_listed_by_position_whatever_the_order_of_writing(void **state)
{
	static const uint32_t order[] = { 2, 0, 3, 1 };
	struct store *w = ((struct bench *)*state)->writer;
	struct job_row job = a_job("j"), other = a_job("k");
	struct task_row row = a_task("other", 0);
	struct buf seen = { 0 };

	OK(w->ops->begin(w));
	OK(w->ops->job_put(w, &job));
	OK(w->ops->job_put(w, &other));
	OK(w->ops->task_put(w, other.key, &row));
	for (size_t i = 0; i < 4; i++) {
		char id[16];
		snprintf(id, sizeof id, "t%u", order[i]);
		row = a_task(id, order[i]);
		OK(w->ops->task_put(w, job.key, &row));
	}
	OK(w->ops->tasks(w, job.key, 0, append_task, &seen));
	OK(w->ops->commit(w));
	assert_string_equal(buf_string(&seen), "0:t0 1:t1 2:t2 3:t3 ");
	seen.len = 0;
	OK(w->ops->begin(w));
	OK(w->ops->tasks(w, job.key, 2, append_task, &seen));
	NONE(w->ops->tasks(w, job.key, 4, append_task, &seen));
	OK(w->ops->commit(w));
	assert_string_equal(buf_string(&seen), "2:t2 3:t3 ");
	buf_finish(&seen);
}

static bool append_deliverable(void *context, const struct deliverable_row *row)
{
	buf_format(context, "%s=%s,%s,%s,%lld ", row->id, row->title, row->url ? row->url : "-",
	           row->media_type ? row->media_type : "-", (long long)row->created);
	return true;
}

static void deliverables_keep_their_order_when_changed(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	struct job_row job = a_job("j");
	struct deliverable_row z = { "z", "first", "https://a/", "text/plain", 1 };
	struct deliverable_row a = { "a", "second", NULL, NULL, 2 };
	struct buf seen = { 0 };

	OK(w->ops->begin(w));
	OK(w->ops->job_put(w, &job));
	OK(w->ops->deliverable_put(w, job.key, &z));
	OK(w->ops->deliverable_put(w, job.key, &a));
	z.title = "changed";
	z.url = NULL;
	OK(w->ops->deliverable_put(w, job.key, &z));
	OK(w->ops->deliverables(w, job.key, append_deliverable, &seen));
	OK(w->ops->commit(w));
	assert_string_equal(buf_string(&seen), "z=changed,-,text/plain,1 a=second,-,-,2 ");
	buf_finish(&seen);
}

static void deliverable_is_found_by_its_id(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer, *r = b->reader;
	struct job_row job = a_job("j"), other = a_job("k");
	struct deliverable_row in = { "d1", "report.pdf", "/files/1", "application/pdf",
		                      1770318000000 };
	struct deliverable_row bare = { "d2", "a word", NULL, NULL, 2 }, out = { 0 };

	OK(w->ops->begin(w));
	OK(w->ops->job_put(w, &job));
	OK(w->ops->job_put(w, &other));
	NONE(w->ops->deliverable_get(w, job.key, "d1", &out));
	OK(w->ops->deliverable_put(w, job.key, &in));
	OK(w->ops->deliverable_put(w, job.key, &bare));
	NONE(w->ops->deliverable_get(w, other.key, "d1", &out));
	OK(w->ops->commit(w));

	OK(r->ops->begin(r));
	OK(r->ops->deliverable_get(r, job.key, "d1", &out));
	assert_string_equal(out.id, "d1");
	assert_string_equal(out.title, "report.pdf");
	assert_string_equal(out.url, "/files/1");
	assert_string_equal(out.media_type, "application/pdf");
	assert_true(out.created == 1770318000000);
	deliverable_row_finish(&out);
	OK(r->ops->deliverable_get(r, job.key, "d2", &out));
	assert_true(!out.url && !out.media_type);
	deliverable_row_finish(&out);
	OK(r->ops->commit(r));
}

static bool keep_json(void *context, const struct event_row *row)
{
	buf_slice(context, row->json);
	assert_int_equal(row->type, EVENT_COMMAND);
	assert_int_equal(row->time, 1770318000000);
	return true;
}

static void event_comes_back_with_the_same_bytes(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct job_row job = a_job("j");
	struct buf json = { 0 }, seen = { 0 };
	struct event_row row = { 1, EVENT_COMMAND, 1770318000000, { 0 } };

	buf_text(&json, "{\"note\":\"");
	while (json.len < 100000)
		buf_text(&json, "\xf0\x9f\x92\xa1 caf\xc3\xa9 ");
	buf_text(&json, "\"}");
	row.json = buf_as_slice(&json);
	OK(w->ops->begin(w));
	OK(w->ops->job_put(w, &job));
	OK(w->ops->event_add(w, job.key, &row));
	OK(w->ops->commit(w));
	OK(b->reader->ops->begin(b->reader));
	OK(b->reader->ops->events(b->reader, job.key, 0, false, 10, keep_json, &seen));
	OK(b->reader->ops->commit(b->reader));
	assert_int_equal(seen.len, json.len);
	assert_memory_equal(seen.ptr, json.ptr, json.len);
	buf_finish(&json);
	buf_finish(&seen);
}

static void what_is_not_there_is_none(void **state)
{
	struct store *r = ((struct bench *)*state)->reader;
	struct job_row job;
	struct task_row task;
	struct deliverable_row deliverable;
	struct idempotency_row answer;

	OK(r->ops->begin(r));
	NONE(r->ops->job_get(r, "nobody", &job));
	NONE(r->ops->task_get(r, 1, "t", &task));
	NONE(r->ops->idempotency_get(r, "", "k", &answer));
	NONE(r->ops->jobs(r, -1, 0, 10, dump_job, NULL));
	NONE(r->ops->tasks(r, 1, 0, dump_task, NULL));
	NONE(r->ops->deliverables(r, 1, dump_deliverable, NULL));
	NONE(r->ops->deliverable_get(r, 1, "d", &deliverable));
	NONE(r->ops->overdue_tasks(r, INT64_MAX, 10, append_names, NULL));
	NONE(r->ops->events(r, 1, 0, false, 10, dump_event, NULL));
	OK(r->ops->commit(r));
}

/* ---- walks ---- */

static bool append_seq(void *context, const struct event_row *row)
{
	buf_format(context, "%llu ", (unsigned long long)row->seq);
	return true;
}

static bool append_two(void *context, const struct event_row *row)
{
	append_seq(context, row);
	return row->seq != 2;
}

static const char *events(struct store *s, int64_t job, uint64_t from, bool descending,
                          size_t limit)
{
	static struct buf seen;
	enum store_result r;

	seen.len = 0;
	r = s->ops->events(s, job, from, descending, limit, append_seq, &seen);
	assert_int_equal(r, seen.len ? STORE_OK : STORE_NONE);
	return buf_string(&seen);
}

static void events_are_walked_both_ways_within_limits(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	struct buf seen = { 0 };
	int64_t job;

	OK(w->ops->begin(w));
	job_with_events(w, "before", 3, 0);
	job = job_with_events(w, "j", 6, 0);
	job_with_events(w, "after", 3, 0);
	assert_string_equal(events(w, job, 0, false, 100), "1 2 3 4 5 6 ");
	assert_string_equal(events(w, job, 4, false, 100), "5 6 ");
	assert_string_equal(events(w, job, 2, false, 3), "3 4 5 ");
	assert_string_equal(events(w, job, 6, false, 100), "");
	assert_string_equal(events(w, job, UINT64_MAX, false, 100), "");
	assert_string_equal(events(w, job, UINT64_MAX, true, 100), "6 5 4 3 2 1 ");
	assert_string_equal(events(w, job, UINT64_MAX, true, 2), "6 5 ");
	assert_string_equal(events(w, job, 4, true, 100), "3 2 1 ");
	assert_string_equal(events(w, job, 1, true, 100), "");
	assert_string_equal(events(w, job, 0, true, 100), "");
	OK(w->ops->events(w, job, 0, false, 100, append_two, &seen));
	assert_string_equal(buf_string(&seen), "1 2 ");
	OK(w->ops->commit(w));
	buf_finish(&seen);
}

static bool append_job(void *context, const struct job_row *row)
{
	buf_format(context, "%s ", row->id);
	return true;
}

static const char *jobs(struct store *s, int status, int64_t below, size_t limit)
{
	static struct buf seen;

	seen.len = 0;
	s->ops->jobs(s, status, below, limit, append_job, &seen);
	return buf_string(&seen);
}

static void jobs_are_listed_newest_first_and_by_status(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	int64_t keys[6];

	OK(w->ops->begin(w));
	for (int i = 0; i < 6; i++) {
		char id[16];
		snprintf(id, sizeof id, "j%d", i);
		struct job_row row = a_job(id);
		row.status = i % 2 ? JOB_REVISIONS : JOB_PENDING;
		OK(w->ops->job_put(w, &row));
		keys[i] = row.key;
	}
	OK(w->ops->commit(w));
	OK(w->ops->begin(w));
	assert_string_equal(jobs(w, -1, 0, 100), "j5 j4 j3 j2 j1 j0 ");
	assert_string_equal(jobs(w, -1, 0, 2), "j5 j4 ");
	assert_string_equal(jobs(w, -1, keys[4], 2), "j3 j2 ");
	assert_string_equal(jobs(w, JOB_REVISIONS, 0, 100), "j5 j3 j1 ");
	assert_string_equal(jobs(w, JOB_REVISIONS, keys[3], 100), "j1 ");
	assert_string_equal(jobs(w, JOB_PENDING, keys[5], 1), "j4 ");
	assert_string_equal(jobs(w, JOB_FAILED, 0, 100), "");
	assert_string_equal(jobs(w, -1, keys[0], 100), "");
	OK(w->ops->commit(w));
}

static void job_moves_between_the_lists_of_its_status(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	struct job_row row = a_job("j");

	OK(w->ops->begin(w));
	OK(w->ops->job_put(w, &row));
	row.status = JOB_COMPLETED;
	row.ended = 5;
	OK(w->ops->job_put(w, &row));
	assert_string_equal(jobs(w, JOB_IN_PROGRESS, 0, 10), "");
	assert_string_equal(jobs(w, JOB_COMPLETED, 0, 10), "j ");
	OK(w->ops->commit(w));
}

/* ---- transactions ---- */

static void rollback_leaves_nothing_behind(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	struct deliverable_row deliverable = { "d", "d", NULL, NULL, 1 };
	struct idempotency_row answer = an_answer("kept", "k", 100), out;
	struct job_row row = a_job("kept");
	struct task_row task = a_task("t", 0);
	struct event_row event = an_event(2);
	char *before, *after;
	int64_t ended;

	OK(w->ops->begin(w));
	row.key = job_with_events(w, "kept", 1, 0);
	ended = job_with_events(w, "ended", 5, 10);
	OK(w->ops->task_put(w, row.key, &task));
	OK(w->ops->task_put(w, ended, &task));
	OK(w->ops->idempotency_put(w, &answer));
	OK(w->ops->commit(w));
	before = dumped(w);

	OK(w->ops->begin(w));
	row.seq = 2;
	row.status = JOB_FAILED;
	row.title = "changed";
	OK(w->ops->job_put(w, &row));
	task.note = "changed";
	OK(w->ops->task_put(w, row.key, &task));
	task = a_task("t2", 1);
	OK(w->ops->task_put(w, row.key, &task));
	OK(w->ops->deliverable_put(w, row.key, &deliverable));
	OK(w->ops->event_add(w, row.key, &event));
	answer.body = "changed";
	OK(w->ops->idempotency_put(w, &answer));
	answer = an_answer("", "new", 100);
	OK(w->ops->idempotency_put(w, &answer));
	OK(prune(w, 0, 50, 100, 2));
	OK(w->ops->job_delete(w, &row));
	job_with_events(w, "kept", 3, 0);
	job_with_events(w, "new", 3, 0);
	w->ops->rollback(w);

	after = dumped(w);
	assert_string_equal(after, before);
	OK(w->ops->begin(w));
	OK(w->ops->idempotency_get(w, "kept", "k", &out));
	assert_string_equal(out.body, "an answer");
	free(out.body);
	NONE(w->ops->idempotency_get(w, "", "new", &out));
	w->ops->rollback(w);
	free(before);
	free(after);
}

#define MANY_MAX 1000

/* What an update of many rows expects: a job for each, its task, and an answer. */
struct many {
	unsigned count;
	char ids[MANY_MAX][32], keys[MANY_MAX][32];
	struct expected_job jobs[MANY_MAX];
	struct expected_task tasks[MANY_MAX];
	struct expected_answer answers[MANY_MAX];
};

static void name_many(struct many *m, unsigned count, unsigned round)
{
	m->count = count;
	for (unsigned i = 0; i < count; i++) {
		snprintf(m->ids[i], sizeof(m->ids[i]), "j%u-%u", count, i);
		snprintf(m->keys[i], sizeof(m->keys[i]), "k%u-%u", round, count - i);
		m->jobs[i] = (struct expected_job){ m->ids[i], false };
		m->tasks[i] = (struct expected_task){ m->ids[i], SLICE("t") };
		m->answers[i] = (struct expected_answer){ .job = m->ids[i], .key = m->keys[i] };
	}
}

static void make_many(struct store *s, const struct many *m)
{
	OK(s->ops->begin(s));
	for (unsigned i = 0; i < m->count; i++) {
		struct job_row job = a_job(m->ids[i]);
		struct task_row task = a_task("t", 0);
		OK(s->ops->job_put(s, &job));
		OK(s->ops->task_put(s, job.key, &task));
	}
	OK(s->ops->commit(s));
}

/* A text of its own length for each number; every seventh is NULL. */
static const char *text_of(unsigned i, char text[128])
{
	int len = snprintf(text, 128, "%u ", i);

	memset(text + len, '.', i % 100);
	text[len + (int)(i % 100)] = '\0';
	return i % 7 ? text : NULL;
}

/* Each value of each row is another one than that of its neighbours. */
static void update_one(struct store *s, const char *id, const char *key, unsigned i)
{
	char text[128], json[160];
	struct job_row job;
	struct task_row task;

	OK(s->ops->job_get(s, id, &job));
	OK(s->ops->task_get(s, job.key, "t", &task));
	free(task.note);
	const char *note = text_of(i, text);
	task.note = note ? xstrdup(note) : NULL;
	task.updated = job.updated = i + 1;
	task.progress = i % 5 ? (double)i / 1000 : NAN;
	task.stalled = i % 2;
	task.stall_at = i % 3 ? (int64_t)i : 0;
	task.status = i % 4 ? TASK_IN_PROGRESS : TASK_PENDING;
	snprintf(json, sizeof(json), "[\"%s\"]", note ? note : "");
	struct event_row event = { ++job.seq, EVENT_TASK_UPDATE, i, slice_of(json) };
	job.bytes += event.json.len;
	struct idempotency_row answer = an_answer("", key, i);
	job_scope(job.key, answer.scope);
	memset(answer.fingerprint, (int)(i % 251), sizeof(answer.fingerprint));
	answer.outcome = (int)(i % 9);
	answer.seq_first = i;
	answer.seq_last = 2 * i;
	answer.body = (char *)(uintptr_t)note;
	OK(s->ops->task_put(s, job.key, &task));
	OK(s->ops->event_add(s, job.key, &event));
	OK(s->ops->job_put(s, &job));
	OK(s->ops->idempotency_put(s, &answer));
	task_row_finish(&task);
	job_row_finish(&job);
}

static void update_many(struct store *s, struct many *m, unsigned round)
{
	struct expected rows = { m->jobs, m->tasks, m->answers, m->count, m->count, m->count, 0 };

	name_many(m, m->count, round);
	OK(s->ops->begin(s));
	assert_in_range(s->ops->expect(s, &rows), STORE_OK, STORE_NONE); /* who has no use for it */
	for (unsigned i = m->count; i-- > 0;)
		update_one(s, m->ids[i], m->keys[i], i + round);
	OK(s->ops->commit(s));
}

/* PostgreSQL writes 64 rows with a statement.  It has read those of the first update, and keeps
 * those of the next ones. */
static void a_transaction_of_many_rows_is_complete(void **state)
{
	static const unsigned counts[] = { 1, 63, 64, 65, 128, 129, MANY_MAX };
	struct database *other = open_or_fail(":memory:");
	struct store *stores[] = { ((struct bench *)*state)->writer, database_writer(other) };
	struct many *m = xcalloc(1, sizeof(*m));

	for (size_t i = 0; i < 2 * sizeof(counts) / sizeof(counts[0]); i++) {
		name_many(m, counts[i / 2], 0);
		make_many(stores[i % 2], m);
		for (unsigned round = 1; round <= 3; round++)
			update_many(stores[i % 2], m, round);
	}
	char *mine = dumped(stores[0]), *expected = dumped(stores[1]);
	assert_string_equal(mine, expected);
	free(mine);
	free(expected);
	free(m);
	database_close(other);
}

static void transaction_that_failed_cannot_be_committed(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	struct event_row event = an_event(1), next = an_event(2);
	struct job_row row = a_job("j");
	char *before, *after;
	int64_t job;

	OK(w->ops->begin(w));
	job = job_with_events(w, "j", 1, 0);
	OK(w->ops->commit(w));
	before = dumped(w);

	OK(w->ops->begin(w));
	OK(w->ops->event_add(w, job, &next));
	w->ops->event_add(w, job, &event); /* a seq is used only once */
	FAILS(w->ops->commit(w));
	assert_true(strlen(store_error(w)) > 10);
	FAILS(w->ops->commit(w));
	w->ops->rollback(w);
	OK(w->ops->begin(w));
	w->ops->job_put(w, &row); /* and so is an id */
	FAILS(w->ops->commit(w));
	w->ops->rollback(w);

	after = dumped(w);
	assert_string_equal(after, before);
	free(before);
	free(after);
}

static void key_is_never_used_again(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	struct job_row first = a_job("j"), second = a_job("j");

	OK(w->ops->begin(w));
	OK(w->ops->job_put(w, &first));
	OK(w->ops->commit(w));
	OK(w->ops->begin(w));
	OK(w->ops->job_delete(w, &first));
	OK(w->ops->commit(w));
	OK(w->ops->begin(w));
	OK(w->ops->job_put(w, &second));
	OK(w->ops->commit(w));
	assert_true(second.key > first.key);
}

static void delete_removes_everything_of_the_job_and_nothing_else(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	struct deliverable_row deliverable = { "d", "d", NULL, NULL, 1 };
	struct idempotency_row answer = an_answer("stays", "k", 1), out;
	struct task_row task = a_task("t", 0);
	struct job_row row = a_job("gone");
	uint64_t rows;
	int steps = 0;
	char *before, *after;

	OK(w->ops->begin(w));
	for (int i = 0; i < 2; i++) {
		int64_t job = job_with_events(w, i ? "other" : "stays", 3, 0);
		OK(w->ops->task_put(w, job, &task));
		OK(w->ops->deliverable_put(w, job, &deliverable));
	}
	OK(w->ops->idempotency_put(w, &answer));
	OK(w->ops->commit(w));
	before = dumped(w);
	OK(w->ops->begin(w));
	row.key = job_with_events(w, "gone", 3, 0);
	OK(w->ops->task_put(w, row.key, &task));
	OK(w->ops->deliverable_put(w, row.key, &deliverable));
	job_scope(row.key, answer.scope);
	OK(w->ops->idempotency_put(w, &answer));
	OK(w->ops->commit(w));

	OK(w->ops->begin(w));
	OK(w->ops->job_delete(w, &row));
	NONE(w->ops->job_delete(w, &row));
	OK(w->ops->commit(w));
	after = dumped(w);
	assert_string_equal(after, before); /* at once */
	for (enum store_result r = STORE_OK; r == STORE_OK;
	     steps++) { /* its rows go step by step */
		OK(w->ops->begin(w));
		OK(prunable(w, 0, 0, 100, 100, &rows));
		r = prune(w, 0, 0, 100, 2);
		assert_int_equal(r == STORE_NONE, rows == 0);
		OK(w->ops->commit(w));
	}
	assert_in_range(steps, 4,
	                5); /* six rows, perhaps its mark, and a step that finds nothing */

	OK(w->ops->begin(w));
	NONE(w->ops->task_get(w, row.key, "t", &task));
	NONE(w->ops->deliverable_get(w, row.key, "d", &deliverable));
	assert_string_equal(events(w, row.key, 0, false, 10), "");
	NONE(w->ops->idempotency_get(w, answer.scope, "k", &out));
	OK(w->ops->idempotency_get(w, "stays", "k", &out));
	free(out.body);
	OK(prunable(w, 0, 0, 100, 100, &rows));
	assert_int_equal(rows, 0);
	OK(w->ops->commit(w));
	after = (free(after), dumped(w));
	assert_string_equal(after, before);
	free(before);
	free(after);
}

static void job_made_again_under_its_id_starts_empty(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct job_row row = a_job("j"), again = a_job("j");
	struct task_row task = a_task("t", 0), out;

	OK(w->ops->begin(w));
	row.key = job_with_events(w, "j", 3, 0);
	OK(w->ops->task_put(w, row.key, &task));
	job_with_events(w, "k", 1, 0);
	OK(w->ops->commit(w));
	OK(w->ops->begin(w));
	OK(w->ops->job_delete(w, &row));
	OK(w->ops->job_put(w, &again));
	OK(w->ops->commit(w));

	OK(b->reader->ops->begin(b->reader));
	assert_string_equal(events(b->reader, again.key, 0, false, 10), "");
	NONE(b->reader->ops->task_get(b->reader, again.key, "t", &out));
	assert_string_equal(jobs(b->reader, -1, 0, 10), "j k ");
	OK(b->reader->ops->commit(b->reader));
}

/* ---- remembered answers ---- */

static void answer_is_remembered_until_it_expires(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct idempotency_row in = an_answer("j", "key-1", 1000), out = { 0 };

	in.outcome = -7;
	in.seq_first = 41;
	in.seq_last = 1ULL << 33;
	memset(in.fingerprint, 0xa5, sizeof in.fingerprint);
	OK(w->ops->begin(w));
	OK(w->ops->idempotency_put(w, &in));
	OK(w->ops->commit(w));

	OK(b->reader->ops->begin(b->reader));
	OK(b->reader->ops->idempotency_get(b->reader, "j", "key-1", &out));
	NONE(b->reader->ops->idempotency_get(b->reader, "", "key-1", &in));
	NONE(b->reader->ops->idempotency_get(b->reader, "j", "key-", &in));
	OK(b->reader->ops->commit(b->reader));
	assert_string_equal(out.scope, "j");
	assert_string_equal(out.key, "key-1");
	assert_string_equal(out.epoch, "0123456789");
	assert_string_equal(out.body, "an answer");
	assert_memory_equal(out.fingerprint, in.fingerprint, DIGEST_LEN);
	assert_true(out.time == 1000 && out.outcome == -7 && out.seq_first == 41 &&
	            out.seq_last == 1ULL << 33);
	free(out.body);

	OK(w->ops->begin(w));
	NONE(prune(w, 1000, 0, UINT64_MAX, 10)); /* not older than its own time */
	OK(w->ops->idempotency_get(w, "j", "key-1", &out));
	free(out.body);
	OK(prune(w, 1001, 0, UINT64_MAX, 10));
	NONE(w->ops->idempotency_get(w, "j", "key-1", &out));
	OK(w->ops->commit(w));
}

static void answer_may_be_replaced_and_empty(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	struct idempotency_row row = an_answer("", "k", 1), out = { 0 };

	OK(w->ops->begin(w));
	OK(w->ops->idempotency_put(w, &row));
	row.body = NULL;
	row.outcome = 3;
	OK(w->ops->idempotency_put(w, &row));
	OK(w->ops->idempotency_get(w, "", "k", &out));
	OK(w->ops->commit(w));
	assert_null(out.body);
	assert_int_equal(out.outcome, 3);
}

/* ---- pruning ---- */

static uint64_t first_of(struct store *s, const char *id)
{
	struct job_row row = { 0 };

	OK(s->ops->job_get(s, id, &row));
	job_row_finish(&row);
	return row.first;
}

static void prune_takes_bounded_steps_and_raises_first(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	int64_t job;

	OK(w->ops->begin(w));
	job = job_with_events(w, "ended", 10, 100);
	OK(w->ops->commit(w));

	OK(w->ops->begin(w));
	NONE(prune(w, 0, 100, UINT64_MAX, 4)); /* it ended at 100, not before */
	OK(prune(w, 0, 101, UINT64_MAX, 4));
	assert_true(first_of(w, "ended") == 5);
	assert_string_equal(events(w, job, 0, false, 100), "5 6 7 8 9 10 ");
	OK(prune(w, 0, 101, UINT64_MAX, 4));
	OK(prune(w, 0, 101, UINT64_MAX, 4));
	assert_true(first_of(w, "ended") == 10);
	NONE(prune(w, 0, 101, UINT64_MAX, 4)); /* never the last event */
	assert_string_equal(events(w, job, 0, false, 100), "10 ");
	OK(w->ops->commit(w));
}

static void prune_keeps_the_newest_of_a_long_log(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	int64_t long_one, short_one;

	OK(w->ops->begin(w));
	short_one = job_with_events(w, "short", 3, 100);
	long_one = job_with_events(w, "long", 9, 100);
	OK(prune(w, 0, 0, 3, 100));
	assert_string_equal(events(w, long_one, 0, false, 100), "7 8 9 ");
	assert_string_equal(events(w, short_one, 0, false, 100), "1 2 3 ");
	assert_true(first_of(w, "long") == 7 && first_of(w, "short") == 1);
	NONE(prune(w, 0, 0, 3, 100));
	OK(prune(w, 0, 0, 1, 100));
	assert_string_equal(events(w, long_one, 0, false, 100), "9 ");
	NONE(prune(w, 0, 0, 0, 100));
	OK(w->ops->commit(w));
}

static void prune_never_touches_a_job_that_goes_on(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	int64_t job;

	OK(w->ops->begin(w));
	job = job_with_events(w, "active", 5, 0);
	NONE(prune(w, INT64_MAX, INT64_MAX, 1, 100));
	assert_string_equal(events(w, job, 0, false, 100), "1 2 3 4 5 ");
	OK(w->ops->commit(w));
}

static void prune_counts_keys_and_events_in_one_budget(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;

	OK(w->ops->begin(w));
	job_with_events(w, "a", 3, 100);
	job_with_events(w, "b", 3, 100);
	for (int i = 0; i < 3; i++) {
		char key[16];
		snprintf(key, sizeof key, "k%d", i);
		struct idempotency_row row = an_answer("", key, i);
		OK(w->ops->idempotency_put(w, &row));
	}
	OK(prune(w, 3, 101, UINT64_MAX, 4)); /* three keys and an event */
	assert_true(first_of(w, "a") + first_of(w, "b") == 3);
	OK(prune(w, 3, 101, UINT64_MAX, 4));
	assert_true(first_of(w, "a") == 3 && first_of(w, "b") == 3);
	NONE(prune(w, 3, 101, UINT64_MAX, 4));
	OK(w->ops->commit(w));
}

/* ---- concurrent sessions ---- */

#define COMMITS 300

struct watching {
	struct store *reader;
	atomic_bool done;
	atomic_int snapshots, torn;
};

struct counted {
	uint64_t events, last;
};

static bool count_event(void *context, const struct event_row *row)
{
	struct counted *c = context;

	c->events++;
	c->last = row->seq;
	return true;
}

static bool look_at_task(void *context, const struct task_row *row)
{
	*(int64_t *)context = row->updated;
	return true;
}

/*
 * The writer changes job, task and log in one transaction, so a reader that sees a part of it must
 * see all of it.
 */
static bool snapshot_is_whole(struct store *s)
{
	struct job_row row = { 0 }, again = { 0 };
	struct counted log = { 0 };
	int64_t task = 0;
	bool whole = s->ops->begin(s) == STORE_OK && s->ops->job_get(s, "j", &row) == STORE_OK &&
	             s->ops->tasks(s, row.key, 0, look_at_task, &task) == STORE_OK &&
	             s->ops->events(s, row.key, 0, false, SIZE_MAX, count_event, &log) ==
	                 STORE_OK &&
	             s->ops->job_get(s, "j", &again) == STORE_OK && row.seq == again.seq &&
	             log.events == row.seq && log.last == row.seq && task == (int64_t)row.seq;

	s->ops->rollback(s);
	job_row_finish(&row);
	job_row_finish(&again);
	return whole;
}

static void *watch(void *context)
{
	struct watching *w = context;

	while (!w->done) {
		if (!snapshot_is_whole(w->reader))
			w->torn++;
		w->snapshots++;
	}
	return NULL;
}

static void write_event(struct store *w, struct job_row *job, bool keep)
{
	struct event_row event = an_event(job->seq + 1);
	struct task_row task = a_task("t", 0);
	struct job_row row = *job;

	row.seq++;
	task.updated = (int64_t)row.seq;
	OK(w->ops->begin(w));
	OK(w->ops->event_add(w, job->key, &event));
	OK(w->ops->task_put(w, job->key, &task));
	OK(w->ops->job_put(w, &row));
	if (keep) {
		OK(w->ops->commit(w));
		job->seq++;
	} else {
		w->ops->rollback(w);
	}
}

static void readers_see_whole_transactions_while_the_writer_commits(void **state)
{
	struct bench *b = *state;
	struct watching watching = { .reader = b->reader };
	struct job_row job = a_job("j");
	pthread_t thread;
	int at_start;

	OK(b->writer->ops->begin(b->writer));
	OK(b->writer->ops->job_put(b->writer, &job));
	OK(b->writer->ops->commit(b->writer));
	write_event(b->writer, &job, true);
	assert_int_equal(pthread_create(&thread, NULL, watch, &watching), 0);
	for (int i = 0; i < COMMITS; i++) {
		write_event(b->writer, &job, i % 3 != 2);
		if (i % 50 == 49)
			assert_in_range(b->writer->ops->checkpoint(b->writer), STORE_OK,
			                STORE_NONE);
	}
	at_start = watching.snapshots;
	while (watching.snapshots < at_start + 3) /* it also sees the last one */
		sched_yield();
	watching.done = true;
	pthread_join(thread, NULL);
	assert_int_equal(watching.torn, 0);
}

static void put_job_of(struct store *w, const char *id, const char *creator, int64_t ended)
{
	struct job_row row = a_job(id);

	snprintf(row.creator, sizeof row.creator, "%s", creator);
	row.ended = ended;
	OK(w->ops->job_put(w, &row));
}

static uint64_t open_jobs(struct store *s, const char *creator, uint64_t limit)
{
	uint64_t count = UINT64_MAX;

	OK(s->ops->open_jobs(s, creator, limit, &count));
	return count;
}

static void open_jobs_are_counted_by_creator(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	struct job_row row = { 0 };

	OK(w->ops->begin(w));
	assert_int_equal(open_jobs(w, "aaaaaaaaaaaa", 9), 0);
	put_job_of(w, "a1", "aaaaaaaaaaaa", 0);
	put_job_of(w, "a2", "aaaaaaaaaaaa", 0);
	put_job_of(w, "a3", "aaaaaaaaaaaa", 5);
	put_job_of(w, "b1", "bbbbbbbbbbbb", 0);
	put_job_of(w, "n1", "", 0);
	assert_int_equal(open_jobs(w, "aaaaaaaaaaaa", 9), 2);
	assert_int_equal(open_jobs(w, "aaaaaaaaaaaa", 1), 1);
	assert_int_equal(open_jobs(w, "bbbbbbbbbbbb", 9), 1);
	assert_int_equal(open_jobs(w, "", 9), 0);
	OK(w->ops->job_get(w, "a1", &row));
	row.ended = 7;
	OK(w->ops->job_put(w, &row));
	assert_int_equal(open_jobs(w, "aaaaaaaaaaaa", 9), 1);
	job_row_finish(&row);
	OK(w->ops->job_get(w, "a2", &row));
	OK(w->ops->job_delete(w, &row));
	assert_int_equal(open_jobs(w, "aaaaaaaaaaaa", 9), 0);
	job_row_finish(&row);
	OK(w->ops->commit(w));
}

static void closing_a_session_rolls_back(void **state)
{
	struct bench *b = *state;
	struct store *reader = database_reader(b->db);

	OK(reader->ops->begin(reader));
	NONE(reader->ops->jobs(reader, -1, 0, 1, append_job, NULL));
	reader->ops->close(reader);
	OK(b->writer->ops->begin(b->writer)); /* no session holds a lock */
	OK(b->writer->ops->commit(b->writer));
}

static bool list_revoked(void *context, const struct revoked_token_row *row)
{
	buf_format(context, "%s %lld\n", row->id, (long long)row->expires);
	return true;
}

static bool take_one(void *context, const struct revoked_token_row *row)
{
	(void)row;
	++*(int *)context;
	return false;
}

static struct revoked_token_row a_revoked_token(char name, int64_t expires)
{
	struct revoked_token_row row = { .expires = expires };

	memset(row.id, name, TOKEN_ID_LEN);
	return row;
}

static void signing_key_comes_back_and_is_replaced(void **state)
{
	struct bench *b = *state;
	struct signing_key_row row = { .id = "AAAA-_09", .secret = { 0, 1, 0xff } }, read = { 0 };

	OK(b->writer->ops->begin(b->writer));
	NONE(b->writer->ops->signing_key_get(b->writer, &read));
	OK(b->writer->ops->signing_key_put(b->writer, &row));
	OK(b->writer->ops->commit(b->writer));
	for (int i = 0; i < 2; i++) {
		OK(b->reader->ops->begin(b->reader));
		OK(b->reader->ops->signing_key_get(b->reader, &read));
		b->reader->ops->rollback(b->reader);
		assert_string_equal(read.id, row.id);
		assert_memory_equal(read.secret, row.secret, SIGNING_SECRET_LEN);
		row.secret[31] = 7;
		OK(b->writer->ops->begin(b->writer));
		OK(b->writer->ops->signing_key_put(b->writer, &row));
		OK(b->writer->ops->commit(b->writer));
	}
}

static void token_is_revoked_once(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct revoked_token_row a = a_revoked_token('a', 100), c = a_revoked_token('c', 200);
	struct buf text = { 0 };
	int seen = 0;

	OK(w->ops->begin(w));
	NONE(w->ops->revoked_tokens(w, list_revoked, &text));
	OK(w->ops->revoked_token_put(w, &a));
	NONE(w->ops->revoked_token_put(w, &a));
	a.expires = 999;
	NONE(w->ops->revoked_token_put(w, &a)); /* the first one stays */
	OK(w->ops->revoked_tokens(w, list_revoked, &text));
	assert_string_equal(buf_string(&text), "aaaaaaaaaaaaaaaaaaaaaa 100\n");
	OK(w->ops->commit(w));
	OK(w->ops->begin(w));
	OK(w->ops->revoked_token_put(w, &c));
	OK(w->ops->revoked_tokens(w, take_one, &seen));
	assert_int_equal(seen, 1);
	w->ops->rollback(w);
	OK(w->ops->begin(w));
	OK(w->ops->revoked_token_put(w, &c)); /* it had been rolled back */
	OK(w->ops->commit(w));
	buf_finish(&text);
}

static void revoked_tokens_are_pruned_by_their_end(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct buf text = { 0 };

	OK(w->ops->begin(w));
	OK(w->ops->revoked_tokens_prune(w, 1000));
	for (char name = 'a'; name <= 'c'; name++) {
		struct revoked_token_row row = a_revoked_token(name, 100 + name - 'a');
		OK(w->ops->revoked_token_put(w, &row));
	}
	OK(w->ops->commit(w));
	OK(w->ops->begin(w));
	OK(w->ops->revoked_tokens_prune(w, 1000));
	w->ops->rollback(w);
	OK(w->ops->begin(w));
	OK(w->ops->revoked_tokens_prune(w, 102));
	OK(w->ops->commit(w));
	OK(w->ops->begin(w));
	OK(w->ops->revoked_tokens(w, list_revoked, &text));
	w->ops->rollback(w);
	assert_string_equal(buf_string(&text), "cccccccccccccccccccccc 102\n");
	struct revoked_token_row again = a_revoked_token('a', 500);
	OK(w->ops->begin(w));
	OK(w->ops->revoked_token_put(w, &again));
	OK(w->ops->commit(w));
	buf_finish(&text);
}

/* ---- walks that are ended ---- */

/* Each walk ends at the second row. */
static bool second(void *context)
{
	return ++*(int *)context < 2;
}

#define ENDS(name, ...)                                                                            \
	static bool name(void *context, __VA_ARGS__)                                               \
	{                                                                                          \
		return second(context);                                                            \
	}
ENDS(end_job, const struct job_row *row __attribute__((unused)))
ENDS(end_task, const struct task_row *row __attribute__((unused)))
ENDS(end_overdue, const char *job __attribute__((unused)), const char *task __attribute__((unused)))
ENDS(end_deliverable, const struct deliverable_row *row __attribute__((unused)))
ENDS(end_event, const struct event_row *row __attribute__((unused)))
ENDS(end_key, const struct access_key_row *row __attribute__((unused)))
ENDS(end_revoked, const struct revoked_token_row *row __attribute__((unused)))

static int64_t put_three_of_each(struct store *w)
{
	int64_t job = 0;

	for (int i = 0; i < 3; i++) {
		char name[ID_MAX + 1];
		snprintf(name, sizeof name, "n%d", i);
		job = job_with_events(w, name, 3, 0);
	}
	for (int i = 0; i < 3; i++) {
		char name[ID_MAX + 1];
		snprintf(name, sizeof name, "n%d", i);
		struct task_row task = a_task(name, (uint32_t)i);
		struct deliverable_row deliverable = { .title = "D", .url = "https://a/" };
		struct access_key_row key = { .name = "n", .jobs = "*" };
		struct revoked_token_row revoked = a_revoked_token((char)('a' + i), 1);
		task.stall_at = 1;
		memcpy(deliverable.id, name, sizeof name);
		snprintf(key.id, sizeof key.id, "key-%08d", i);
		OK(w->ops->task_put(w, job, &task));
		OK(w->ops->deliverable_put(w, job, &deliverable));
		OK(w->ops->access_key_put(w, &key));
		OK(w->ops->revoked_token_put(w, &revoked));
	}
	return job;
}

/* ---- what only several nodes need ---- */

static void a_node_gets_a_lease_that_nobody_has_and_renews_it(void **state)
{
	struct bench *b = *state;
	const struct store_ops *ops = b->writer->ops;

	for (int i = 0; i < 3; i++) {
		OK(ops->begin(b->writer));
		OK(ops->lease_take(b->writer, "chores", 60000));
		OK(ops->lease_take(b->writer, "other", 60000));
		OK(ops->commit(b->writer));
	}
}

static void a_used_ticket_is_remembered_where_there_may_be_other_nodes(void **state)
{
	struct bench *b = *state;
	const struct store_ops *ops = b->writer->ops;
	enum store_result again = ops->exclusive ? STORE_OK : STORE_NONE;

	OK(ops->begin(b->writer));
	assert_int_equal(ops->used_ticket_get(b->writer, "t"), again);
	OK(ops->used_ticket_put(b->writer, "t", 60000));
	assert_int_equal(ops->used_ticket_put(b->writer, "t", 60000), again);
	OK(ops->commit(b->writer));
	OK(ops->begin(b->reader));
	OK(ops->used_ticket_get(b->reader, "t"));
	ops->rollback(b->reader);
	OK(ops->begin(b->writer));
	OK(ops->used_ticket_delete(b->writer, "t"));
	OK(ops->used_ticket_delete(b->writer, "never"));
	OK(ops->used_ticket_put(b->writer, "t", 60000));
	OK(ops->commit(b->writer));
}

static int64_t keys_version(struct store *s)
{
	int64_t version = 0;

	OK(s->ops->begin(s));
	assert_int_equal(s->ops->keys_version(s, &version),
	                 s->ops->exclusive ? STORE_NONE : STORE_OK);
	s->ops->rollback(s);
	return version;
}

/* What is committed while `change` is put, or rolled back. */
static int64_t version_after(struct bench *b, int change, bool commits)
{
	const struct store_ops *ops = b->writer->ops;
	struct access_key_row key = { .id = "abcdefghijkl", .name = "", .jobs = "*" };
	struct signing_key_row signing = { .id = "12345678" };
	struct revoked_token_row token = a_revoked_token((char)('k' + change), 100);

	OK(ops->begin(b->writer));
	if (change == 0)
		OK(ops->access_key_put(b->writer, &key));
	else if (change == 1)
		OK(ops->signing_key_put(b->writer, &signing));
	else
		OK(ops->revoked_token_put(b->writer, &token));
	if (commits)
		OK(ops->commit(b->writer));
	else
		ops->rollback(b->writer);
	return keys_version(b->reader);
}

static void the_version_of_the_keys_grows_with_every_change(void **state)
{
	struct bench *b = *state;
	int64_t before = keys_version(b->reader);

	for (int change = 0; change < 3; change++) {
		assert_true(version_after(b, change, false) == before);
		int64_t after = version_after(b, change, true);
		assert_true(b->writer->ops->exclusive ? after == before : after > before);
		before = after;
	}
	assert_true(keys_version(b->writer) == before);
}

static void a_walk_ends_when_its_visitor_says_so(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	int seen[8] = { 0 };

	OK(w->ops->begin(w));
	int64_t job = put_three_of_each(w);
	OK(w->ops->jobs(w, -1, 0, SIZE_MAX, end_job, &seen[0]));
	OK(w->ops->tasks(w, job, 0, end_task, &seen[1]));
	OK(w->ops->overdue_tasks(w, 1, 9, end_overdue, &seen[2]));
	OK(w->ops->deliverables(w, job, end_deliverable, &seen[3]));
	OK(w->ops->events(w, job, 0, false, 9, end_event, &seen[4]));
	OK(w->ops->events(w, job, 4, true, 9, end_event, &seen[5]));
	OK(w->ops->access_keys(w, end_key, &seen[6]));
	OK(w->ops->revoked_tokens(w, end_revoked, &seen[7]));
	for (size_t i = 0; i < sizeof seen / sizeof *seen; i++)
		assert_int_equal(seen[i], 2);
	OK(w->ops->commit(w));
}

static bool append_head(void *context, const struct job_head *head)
{
	buf_format(context, "%s %s %llu %d;", head->job_id, head->epoch,
	           (unsigned long long)head->seq, head->status);
	return strcmp(head->job_id, "last") != 0;
}

static void put_head(struct store *w, const char *id, uint64_t seq, enum job_status status)
{
	struct job_row job = a_job(id);

	job.seq = seq;
	job.status = status;
	OK(w->ops->job_put(w, &job));
}

static void heads_are_those_of_the_jobs_that_there_are(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer, *r = b->reader;
	const char ids[][ID_MAX + 1] = { "k", "none", "j", "k", "gone", "last", "j" };
	struct buf seen = { 0 };
	struct job_row gone = a_job("gone");
	char expected[256];

	OK(w->ops->begin(w));
	put_head(w, "j", UINT64_C(1) << 40, JOB_COMPLETED);
	put_head(w, "k", 7, JOB_PENDING);
	put_head(w, "last", 1, JOB_PENDING);
	OK(w->ops->job_put(w, &gone));
	OK(w->ops->job_delete(w, &gone));
	OK(w->ops->commit(w));
	OK(r->ops->begin(r));
	OK(r->ops->job_heads(r, ids, 7, append_head, &seen));
	NONE(r->ops->job_heads(r, ids + 1, 1, append_head, &seen));
	NONE(r->ops->job_heads(r, ids, 0, append_head, &seen));
	OK(r->ops->commit(r));
	snprintf(expected, sizeof(expected),
	         "k %s 7 %d;j %s 1099511627776 %d;k %s 7 %d;last %s 1 %d;", gone.epoch, JOB_PENDING,
	         gone.epoch, JOB_COMPLETED, gone.epoch, JOB_PENDING, gone.epoch, JOB_PENDING);
	assert_string_equal(buf_string(&seen), expected);
	buf_finish(&seen);
}

static bool append_answer(void *context, const struct idempotency_row *row)
{
	buf_format(context, "%s/%s=%s;", row->scope, row->key, row->body ? row->body : "none");
	return strcmp(row->key, "end") != 0;
}

static void put_answer(struct store *w, const char *scope, const char *key)
{
	struct idempotency_row row = an_answer(scope, key, 1);

	row.body = row.key;
	OK(w->ops->idempotency_put(w, &row));
}

/* In an order that is not that of any walk. */
static void put_answers(struct store *w)
{
	put_answer(w, "j", "deleted 0123456789");
	put_answer(w, "#1", "b");
	put_answer(w, "#12", "c");
	put_answer(w, "@key", "a");
	put_answer(w, "#1", "Z");
	put_answer(w, "", "x");
	put_answer(w, "#1", "a");
	put_answer(w, "j", "Y");
}

static void expect_walk(struct buf *seen, const char *expected)
{
	assert_string_equal(buf_string(seen), expected);
	seen->len = 0;
}

static void answers_are_walked_in_the_order_of_their_keys(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer, *r = b->reader;
	struct buf seen = { 0 };

	OK(w->ops->begin(w));
	put_answers(w);
	OK(w->ops->answers(w, "#1", "", 9, append_answer, &seen)); /* also what is not committed */
	expect_walk(&seen, "#1/Z=Z;#1/a=a;#1/b=b;");
	OK(w->ops->commit(w));
	OK(r->ops->begin(r));
	OK(r->ops->answers(r, "#1", "Z", 1, append_answer, &seen));
	expect_walk(&seen, "#1/a=a;");
	NONE(r->ops->answers(r, "#1", "b", 9, append_answer, &seen));
	NONE(r->ops->answers(r, "#", "", 9, append_answer, &seen));
	OK(r->ops->answers(r, "", "", 9, append_answer, &seen));
	expect_walk(&seen, "/x=x;");
	OK(r->ops->commit(r));
	buf_finish(&seen);
}

static void answers_that_outlive_jobs_are_walked_without_those_of_jobs(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer, *r = b->reader;
	struct buf seen = { 0 };

	OK(w->ops->begin(w));
	NONE(w->ops->lasting_answers(w, "", "", 9, append_answer, &seen));
	put_answers(w);
	OK(w->ops->commit(w));
	OK(r->ops->begin(r));
	OK(r->ops->lasting_answers(r, "", "", 9, append_answer, &seen));
	expect_walk(&seen, "/x=x;@key/a=a;j/Y=Y;j/deleted 0123456789=deleted 0123456789;");
	OK(r->ops->lasting_answers(r, "", "x", 2, append_answer, &seen));
	expect_walk(&seen, "@key/a=a;j/Y=Y;");
	NONE(r->ops->lasting_answers(r, "j", "e", 9, append_answer, &seen));
	OK(r->ops->commit(r));
	buf_finish(&seen);
}

static void a_walk_of_many_answers_visits_each_once(void **state)
{
	struct store *w = ((struct bench *)*state)->writer;
	struct buf seen = { 0 }, expected = { 0 };
	char key[8];

	OK(w->ops->begin(w));
	for (int i = 999; i >= 0; i--) {
		snprintf(key, sizeof key, "%03d", i);
		put_answer(w, "#7", key);
	}
	for (int i = 0; i < 1000; i++)
		buf_format(&expected, "#7/%03d=%03d;", i, i);
	put_answer(w, "#7", "end");
	put_answer(w, "#7", "ends before this one");
	buf_text(&expected, "#7/end=end;");
	OK(w->ops->answers(w, "#7", "", SIZE_MAX, append_answer, &seen));
	assert_string_equal(buf_string(&seen), buf_string(&expected));
	w->ops->rollback(w);
	buf_finish(&seen);
	buf_finish(&expected);
}

static const struct CMUnitTest promises[] = {
	STORE_TEST(job_comes_back_with_every_field),
	STORE_TEST(job_is_changed_in_every_field),
	STORE_TEST(task_comes_back_with_every_field),
	STORE_TEST(a_change_of_any_one_field_is_kept),
	STORE_TEST(task_without_note_progress_attempt_and_heartbeat_stays_without),
	STORE_TEST(tasks_are_counted),
	STORE_TEST(tasks_are_listed_by_position_whatever_the_order_of_writing),
	STORE_TEST(silent_tasks_are_found_when_their_time_has_come),
	STORE_TEST(a_task_that_is_not_waited_for_any_more_is_not_found),
	STORE_TEST(deliverables_keep_their_order_when_changed),
	STORE_TEST(deliverable_is_found_by_its_id),
	STORE_TEST(event_comes_back_with_the_same_bytes),
	STORE_TEST(what_is_not_there_is_none),
	STORE_TEST(events_are_walked_both_ways_within_limits),
	STORE_TEST(jobs_are_listed_newest_first_and_by_status),
	STORE_TEST(job_moves_between_the_lists_of_its_status),
	STORE_TEST(rollback_leaves_nothing_behind),
	STORE_TEST(a_transaction_of_many_rows_is_complete),
	STORE_TEST(transaction_that_failed_cannot_be_committed),
	STORE_TEST(key_is_never_used_again),
	STORE_TEST(delete_removes_everything_of_the_job_and_nothing_else),
	STORE_TEST(job_made_again_under_its_id_starts_empty),
	STORE_TEST(answer_is_remembered_until_it_expires),
	STORE_TEST(answer_may_be_replaced_and_empty),
	STORE_TEST(answers_are_walked_in_the_order_of_their_keys),
	STORE_TEST(answers_that_outlive_jobs_are_walked_without_those_of_jobs),
	STORE_TEST(a_walk_of_many_answers_visits_each_once),
	STORE_TEST(prune_takes_bounded_steps_and_raises_first),
	STORE_TEST(prune_keeps_the_newest_of_a_long_log),
	STORE_TEST(prune_never_touches_a_job_that_goes_on),
	STORE_TEST(prune_counts_keys_and_events_in_one_budget),
	STORE_TEST(readers_see_whole_transactions_while_the_writer_commits),
	STORE_TEST(open_jobs_are_counted_by_creator),
	STORE_TEST(closing_a_session_rolls_back),
	STORE_TEST(signing_key_comes_back_and_is_replaced),
	STORE_TEST(token_is_revoked_once),
	STORE_TEST(revoked_tokens_are_pruned_by_their_end),
	STORE_TEST(a_walk_ends_when_its_visitor_says_so),
	STORE_TEST(a_node_gets_a_lease_that_nobody_has_and_renews_it),
	STORE_TEST(a_used_ticket_is_remembered_where_there_may_be_other_nodes),
	STORE_TEST(the_version_of_the_keys_grows_with_every_change),
	STORE_TEST(heads_are_those_of_the_jobs_that_there_are),
};

int main(void)
{
	return RUN_ON_BOTH_STORES(promises);
}
