/*
 * The copy of a job into another database, and the digest that compares both: from memory to a file
 * and back.  tests/cluster/test_db_copy.py has PostgreSQL.
 */
#include "store_kit.h"

#include "faulty_store.h"
#include "joblight/core/job_copy.h"
#include "joblight/core/job_digest.h"

#define EVENTS 40
#define SHIFT 5000

struct pair {
	struct bench from, to;
};

static void side_open(struct bench *b, bool in_memory)
{
	bench_directory(b);
	if (in_memory)
		snprintf(b->location, sizeof b->location, ":memory:");
	else
		snprintf(b->location, sizeof b->location, "%s/jobs.db", b->directory);
	bench_open(b);
}

static bool from_memory;

static int setup(void **state)
{
	struct pair *p = xcalloc(1, sizeof *p);

	side_open(&p->from, from_memory);
	side_open(&p->to, !from_memory);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct pair *p = *state;

	bench_close(&p->from);
	bench_close(&p->to);
	bench_remove(&p->from);
	bench_remove(&p->to);
	free(p);
	return 0;
}

/* ---- a job with rows of every kind ---- */

static void put_tasks(struct store *w, int64_t job)
{
	struct task_row task = a_task("first", 0);

	task.note = "";
	task.progress = 33.333333333333336;
	task.attempt = 3;
	task.stall_at = 1000000;
	task.status = TASK_IN_PROGRESS;
	OK(w->ops->task_put(w, job, &task));
	task = a_task("second", 1);
	task.title = "\xd0\x96 \xe6\x9d\xb1 \xf0\x9f\x9a\x80 \xf3\xa0\x84\x80"; /* four planes */
	task.stalled = true;
	task.silence_ms = 0;
	OK(w->ops->task_put(w, job, &task));
	task = a_task("third", 2);
	task.stall_at = 2000000;
	OK(w->ops->task_put(w, job, &task));
}

static void put_job_answer(struct store *w, int64_t job, const char *key, char *body)
{
	char scope[ID_MAX + 1];

	job_scope(job, scope);
	struct idempotency_row answer = an_answer(scope, key, 77);
	answer.body = body;
	answer.seq_first = 3;
	answer.seq_last = 4;
	memset(answer.fingerprint, 0xff, sizeof answer.fingerprint);
	OK(w->ops->idempotency_put(w, &answer));
}

/* Its log was pruned: it begins with event 11. */
static struct job_row put_job(struct store *w)
{
	struct deliverable_row z = { "z", "first", "https://example.org/", NULL, 1 },
	                       a = { "a", "second", NULL, "text/plain", 2 };
	struct job_row row = a_job("copied");

	row.first = 11;
	row.seq = 10 + EVENTS;
	row.tasks = 3;
	row.deliverables = 2;
	row.silence_ms = 60000;
	row.imported = 5;
	row.bytes = (10 + EVENTS) * an_event(1).json.len;
	row.pruned = 10 * an_event(1).json.len;
	snprintf(row.creator, sizeof row.creator, "someone");
	OK(w->ops->job_put(w, &row));
	for (uint64_t seq = row.first; seq <= row.seq; seq++) {
		struct event_row event = an_event(seq);
		OK(w->ops->event_add(w, row.key, &event));
	}
	put_tasks(w, row.key);
	OK(w->ops->deliverable_put(w, row.key, &z));
	OK(w->ops->deliverable_put(w, row.key, &a));
	put_job_answer(w, row.key, "k1", "an answer");
	put_job_answer(w, row.key, "k2", NULL);
	return row;
}

static struct job_row put_original(struct pair *p)
{
	struct store *w = p->from.writer;

	OK(w->ops->begin(w));
	struct job_row row = put_job(w);
	OK(w->ops->commit(w));
	return row;
}

static struct job_digest digest_of(struct store *s, const char *id)
{
	struct job_row row = { 0 };
	struct job_digest d;

	OK(s->ops->begin(s));
	OK(s->ops->job_get(s, id, &row));
	OK(job_digest(s, &row, &d));
	s->ops->rollback(s);
	job_row_finish(&row);
	return d;
}

static bool is_there(struct store *s, const char *id)
{
	struct job_row row = { 0 };

	OK(s->ops->begin(s));
	enum store_result r = s->ops->job_get(s, id, &row);
	s->ops->rollback(s);
	job_row_finish(&row);
	return r == STORE_OK;
}

/* ---- copying ---- */

/* In transactions of so many rows; returns how many. */
static unsigned copy_in_pieces(struct pair *p, const struct job_row *row, size_t rows)
{
	struct store *from = p->from.reader, *to = p->to.writer;
	unsigned pieces = 0;
	bool done = false;

	OK(from->ops->begin(from));
	struct job_copy *copy = job_copy_begin(from, row, SHIFT, NULL);
	while (!done) {
		struct copy_room room = { rows, SIZE_MAX };
		assert_false(is_there(p->to.reader, row->id));
		OK(to->ops->begin(to));
		OK(job_copy_piece(copy, to, &room, &done));
		OK(to->ops->commit(to));
		pieces++;
	}
	assert_true(job_copy_key(copy) > 0);
	job_copy_free(copy);
	from->ops->rollback(from);
	return pieces;
}

static void expect_same(struct pair *p)
{
	struct job_digest original = digest_of(p->from.reader, "copied"),
	                  copy = digest_of(p->to.reader, "copied");

	assert_int_equal(original.events, EVENTS);
	assert_int_equal(original.rows, 1 + EVENTS + 3 + 2 + 2);
	assert_int_equal(original.waited_for, 2);
	assert_true(job_digest_same(&original, &copy, SHIFT, 0));
	assert_false(job_digest_same(&original, &copy, SHIFT + 1, 0));
	assert_false(job_digest_same(&original, &copy, SHIFT - 1, 0));
	assert_true(job_digest_same(&original, &copy, SHIFT + 1, 1));
	assert_false(job_digest_same(&original, &copy, SHIFT + 2, 1));
}

static void a_job_is_copied_in_pieces_and_appears_with_the_last(void **state)
{
	struct pair *p = *state;
	struct job_row row = put_original(p);

	assert_in_range(copy_in_pieces(p, &row, 3), (EVENTS + 7) / 3, EVENTS);
	expect_same(p);
}

static void a_piece_ends_when_its_bytes_are_used_up(void **state)
{
	struct pair *p = *state;
	struct job_row row = put_original(p);
	struct store *from = p->from.reader, *to = p->to.writer;
	struct copy_room room = { SIZE_MAX, 3 * an_event(1).json.len };
	uint64_t rows = 0;
	bool done;

	OK(from->ops->begin(from));
	struct job_copy *copy = job_copy_begin(from, &row, 0, NULL);
	OK(to->ops->begin(to));
	OK(job_copy_piece(copy, to, &room, &done));
	to->ops->rollback(to);
	job_copy_free(copy);
	from->ops->rollback(from);
	rows = SIZE_MAX - room.rows;
	assert_false(done);
	assert_int_equal(rows, 3);
}

static void a_job_that_fits_is_copied_at_once(void **state)
{
	struct pair *p = *state;
	struct job_row row = put_original(p);
	struct store *from = p->from.reader, *to = p->to.writer;
	struct copy_room little = { 1 + EVENTS + 3 + 2 + 1, SIZE_MAX }, few_bytes = { 1000, 100 },
	                 enough = { 1 + EVENTS + 3 + 2 + 2 + 5, row.bytes };
	bool fits, done;

	OK(from->ops->begin(from));
	OK(job_copy_fits(from, &row, &little, &fits)); /* not with its answers */
	assert_false(fits);
	OK(job_copy_fits(from, &row, &few_bytes, &fits));
	assert_false(fits);
	OK(job_copy_fits(from, &row, &enough, &fits));
	assert_true(fits);
	assert_int_equal(enough.rows, 5);
	assert_int_equal(enough.bytes, row.pruned);
	struct job_copy *copy = job_copy_begin(from, &row, SHIFT, NULL);
	OK(to->ops->begin(to));
	OK(job_copy_piece(copy, to, NULL, &done));
	OK(to->ops->commit(to));
	assert_true(done);
	job_copy_free(copy);
	from->ops->rollback(from);
	expect_same(p);
}

static void a_copy_takes_the_place_of_an_older_one(void **state)
{
	struct pair *p = *state;
	struct job_row row = put_original(p), old;
	struct store *from = p->from.reader, *to = p->to.writer;

	for (int whole = 0; whole < 2; whole++) {
		struct copy_room room = { 1000, SIZE_MAX };
		bool done;
		OK(to->ops->begin(to));
		if (!whole)
			job_with_events(to, "copied", 2, 0);
		OK(to->ops->job_get(to, "copied", &old));
		OK(from->ops->begin(from));
		struct job_copy *copy = job_copy_begin(from, &row, SHIFT, &old);
		OK(job_copy_piece(copy, to, whole ? NULL : &room, &done));
		OK(to->ops->commit(to));
		from->ops->rollback(from);
		assert_true(done && job_copy_key(copy) != old.key);
		job_copy_free(copy);
		job_row_finish(&old);
		expect_same(p);
	}
}

/* ---- failures ---- */

/* Fails at the Nth call of one of the sessions; returns false when there are fewer calls. */
static bool copy_with_fault(struct pair *p, const struct job_row *row, bool reading,
                            unsigned long fails_at)
{
	struct faulty_store faulty;
	struct store_ops ops;
	struct store *from = p->from.reader, *to = p->to.writer;
	enum store_result r = STORE_OK;
	bool done = false;

	OK(from->ops->begin(from));
	faulty_init(&faulty, reading ? from : to, &ops, true);
	faulty.how = STORE_BUSY;
	faulty.fails_at = fails_at;
	struct job_copy *copy = job_copy_begin(reading ? &faulty.base : from, row, SHIFT, NULL);
	while (r == STORE_OK && !done) {
		struct copy_room room = { 20, SIZE_MAX };
		OK(to->ops->begin(to));
		r = job_copy_piece(copy, reading ? to : &faulty.base, &room, &done);
		if (r == STORE_OK)
			OK(to->ops->commit(to));
		else
			to->ops->rollback(to);
	}
	from->ops->rollback(from);
	assert_int_equal(job_copy_read_failed(copy), reading && r != STORE_OK);
	job_copy_free(copy);
	return r != STORE_OK;
}

static void a_copy_that_fails_leaves_no_job(void **state)
{
	struct pair *p = *state;
	struct job_row row = put_original(p);
	unsigned long reads = 1, writes = 1;

	while (copy_with_fault(p, &row, true, reads)) {
		assert_false(is_there(p->to.reader, "copied"));
		reads++;
	}
	struct store *to = p->to.writer;
	struct job_row copy = { 0 };
	OK(to->ops->begin(to));
	OK(to->ops->job_get(to, "copied", &copy));
	OK(to->ops->job_delete(to, &copy));
	OK(to->ops->commit(to));
	job_row_finish(&copy);
	while (copy_with_fault(p, &row, false, writes)) {
		assert_false(is_there(p->to.reader, "copied"));
		writes++;
	}
	assert_in_range(reads, 5, 100);
	assert_in_range(writes, EVENTS + 8, 100);
	expect_same(p);
}

/* ---- the digest ---- */

/* Changes one thing in a transaction that is rolled back. */
typedef void change(struct store *w, struct job_row *job);

static void change_title(struct store *w, struct job_row *job)
{
	(void)w;
	job->title = "another";
}

static void change_bytes(struct store *w, struct job_row *job)
{
	(void)w;
	job->bytes++;
}

static void change_creator(struct store *w, struct job_row *job)
{
	(void)w;
	job->creator[0] = '\0';
}

static void change_note(struct store *w, struct job_row *job)
{
	struct task_row task = { 0 };

	OK(w->ops->task_get(w, job->key, "first", &task));
	free(task.note);
	task.note = NULL; /* it was empty, which is something else */
	OK(w->ops->task_put(w, job->key, &task));
	task_row_finish(&task);
}

static void change_progress(struct store *w, struct job_row *job)
{
	struct task_row task = { 0 };

	OK(w->ops->task_get(w, job->key, "second", &task));
	task.progress = 0; /* it was none */
	OK(w->ops->task_put(w, job->key, &task));
	task_row_finish(&task);
}

static void change_deliverable(struct store *w, struct job_row *job)
{
	struct deliverable_row a = { "a", "second", NULL, "text/html", 2 };

	OK(w->ops->deliverable_put(w, job->key, &a));
}

static void change_answer(struct store *w, struct job_row *job)
{
	put_job_answer(w, job->key, "k2", "");
}

static void change_log(struct store *w, struct job_row *job)
{
	struct event_row event = an_event(job->seq + 1);

	OK(w->ops->event_add(w, job->key, &event));
}

static void the_digest_notices_each_change(void **state)
{
	static change *const changes[] = { change_title,  change_bytes,      change_creator,
		                           change_note,   change_progress,   change_log,
		                           change_answer, change_deliverable };
	struct pair *p = *state;
	struct store *w = p->from.writer;
	struct job_row row = put_original(p);
	struct job_digest before = digest_of(p->from.reader, "copied"), after;

	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		struct job_row changed = row;
		OK(w->ops->begin(w));
		changes[i](w, &changed);
		OK(job_digest(w, &changed, &after));
		assert_false(job_digest_same(&before, &after, 0, 0));
		w->ops->rollback(w);
	}
	after = digest_of(p->from.reader, "copied");
	assert_true(job_digest_same(&before, &after, 0, 0));
}

#define PAIR_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		PAIR_TEST(a_job_is_copied_in_pieces_and_appears_with_the_last),
		PAIR_TEST(a_piece_ends_when_its_bytes_are_used_up),
		PAIR_TEST(a_job_that_fits_is_copied_at_once),
		PAIR_TEST(a_copy_takes_the_place_of_an_older_one),
		PAIR_TEST(a_copy_that_fails_leaves_no_job),
		PAIR_TEST(the_digest_notices_each_change),
	};
	from_memory = true;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	from_memory = false;
	return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
