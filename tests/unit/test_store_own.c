/*
 * The rows of tasks that only one node writes, of jobs that several nodes write: that they are not
 * read again, and that nothing is decided by one that another node has written since.  Runs with
 * PostgreSQL only.
 *
 * A job that others write is kept again after a second.  Most of these tests give it metadata that
 * are too long for that, so that time does not matter.
 */
#include "joblight/base/clock.h"
#include "nodes_kit.h"

#define SAME_MIN 4      /* so often a row is found as this node has left it; of postgres_own.c */
#define TASKS_MAX 10000 /* then all are forgotten; of the same */
#define TEXT_MAX 4096   /* bytes of the title and note of a task; of the same */
#define HELD_MAX 100    /* so many transactions have to be right; of the same */
#define LONG 5000       /* bytes of metadata; a job with so many is not kept */
#define COUNTS 400
#define STALE_MAX 16 /* of so many */

static void lengthen(struct store *w, const char *id)
{
	struct job_row row = { 0 };

	OK(w->ops->begin(w));
	OK(expect_jobs(w, &id, 1));
	OK(w->ops->job_get(w, id, &row));
	free(row.metadata);
	row.metadata = xcalloc(LONG + 1, 1);
	memset(row.metadata, ' ', LONG);
	OK(w->ops->job_put(w, &row));
	OK(w->ops->commit(w));
	job_row_finish(&row);
}

/* The row of the job is kept by this node; then it knows that another one writes it too. */
static void share_short(struct store *w, struct store *other, const char *id)
{
	OK(add_events(other, &id, 1));
	assert_int_equal(add_events(w, &id, 1), STORE_CONFLICT);
	OK(add_events(w, &id, 1));
	assert_true(w->shares);
}

/* And is never kept again. */
static void share(struct store *w, struct store *other, const char *id)
{
	share_short(w, other, id);
	lengthen(w, id);
}

/* The job j0, which both write, with the task t. */
static void open_shared(struct bench *b, struct node *other, const char *note)
{
	open_two(b, other);
	OK(put_task(b->writer, "j0", "t", note));
	share(b->writer, other->store, "j0");
}

static void put_often(struct store *w, const char *id, const char *note, unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		OK(put_task(w, "j0", id, note));
}

/* From the first time that the row was read, until it is not read any longer. */
static void make_own(struct store *w, const char *id, const char *note)
{
	put_often(w, id, note, 1 + SAME_MIN);
}

/* Whether a transaction that writes the task of j0 has read its row before. */
static bool reads_task(struct bench *b, const char *id, const char *note)
{
	struct store *w = b->writer;

	OK(w->ops->begin(w));
	OK(expect_task(w, "j0", id));
	bool read = has_read(b, "tasks");
	OK(change_task(w, "j0", id, note));
	OK(w->ops->commit(w));
	return read;
}

/* The same with such a task. */
static void open_own(struct bench *b, struct node *other)
{
	open_shared(b, other, "first");
	make_own(b->writer, "t", "mine");
}

/* The row of a task of j0, in the transaction that is open. */
static void get_task(struct store *s, const char *id, struct job_row *job, struct task_row *task)
{
	OK(s->ops->job_get(s, "j0", job));
	OK(s->ops->task_get(s, job->key, id, task));
}

static void expect_note(struct store *s, const char *id, const char *note)
{
	struct task_row task = { 0 };
	struct job_row job = { 0 };

	get_task(s, id, &job, &task);
	assert_string_equal(task.note, note);
	task_row_finish(&task);
	job_row_finish(&job);
}

/* The same of what is in the database. */
static void expect_stored_note(const struct bench *b, const char *id, const char *note)
{
	struct store *r = b->reader;

	OK(r->ops->begin(r));
	expect_note(r, id, note);
	OK(r->ops->commit(r));
}

static void expect_events(const struct bench *b, const char *id, unsigned count)
{
	struct store *r = b->reader;

	OK(r->ops->begin(r));
	assert_int_equal(events_of(r, id), count);
	OK(r->ops->commit(r));
}

/* Ends the transaction that is open and relied on a row that another node has written. */
static void expect_stale(struct store *w)
{
	assert_int_equal(w->ops->commit(w), STORE_CONFLICT);
	assert_true(w->stale);
	w->ops->rollback(w);
}

/* ---- what is not read ---- */

static void a_task_that_only_this_node_writes_is_read_a_few_times(void **state)
{
	struct bench *b = *state;
	struct node other;

	open_shared(b, &other, "first");
	put_often(b->writer, "t", "mine", SAME_MIN);
	assert_true(reads_task(b, "t", "read"));
	assert_false(reads_task(b, "t", "not read"));
	assert_false(reads_task(b, "t", "last"));
	expect_stored_note(b, "t", "last");
	database_close(other.db);
}

static void a_task_that_this_node_makes_is_read_a_few_times(void **state)
{
	struct bench *b = *state;
	struct node other;

	open_two(b, &other);
	share(b->writer, other.store, "j0");
	put_often(b->writer, "new", "mine", 1 + SAME_MIN);
	assert_true(reads_task(b, "new", "read"));
	assert_false(reads_task(b, "new", "not read"));
	database_close(other.db);
}

static void the_job_and_its_other_tasks_are_written_by_others_meanwhile(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct node other;

	open_two(b, &other);
	put_tasks(w, "j0", 2);
	share(w, other.store, "j0");
	for (unsigned i = 0; i < 1 + SAME_MIN; i++) {
		OK(put_task(w, "j0", "t0", "mine"));
		OK(put_task(other.store, "j0", "t1", "theirs"));
	}
	assert_false(reads_task(b, "t0", "not read"));
	assert_true(reads_task(b, "t1", "mine"));
	expect_stored_note(b, "t0", "not read");
	expect_events(b, "j0", 3 + 2 * (1 + SAME_MIN) + 2);
	database_close(other.db);
}

static void a_task_with_long_texts_is_read_each_time(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	char note[TEXT_MAX + 2] = { 0 };
	struct node other;

	memset(note, 'a', TEXT_MAX - strlen(a_task("t", 0).title));
	open_shared(b, &other, "first");
	make_own(w, "t", note);
	assert_false(reads_task(b, "t", note));
	note[strlen(note)] = 'a';
	assert_false(reads_task(b, "t", note)); /* that of before was shorter */
	assert_true(reads_task(b, "t", note));
	assert_true(reads_task(b, "t", "short"));
	assert_false(reads_task(b, "t", "short")); /* only this node has written it all the time */
	database_close(other.db);
}

/* By transactions that only look at it, for instance because a request is refused. */
static void a_task_that_is_not_written_stays_known(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct node other;

	open_own(b, &other);
	for (int i = 0; i < 4; i++) {
		OK(w->ops->begin(w));
		OK(expect_task(w, "j0", "t"));
		assert_false(has_read(b, "tasks"));
		expect_note(w, "t", "mine");
		if (i % 2)
			OK(add_event(w, "j0"));
		OK(w->ops->commit(w));
	}
	database_close(other.db);
}

/* ---- what another node has written ---- */

static void a_task_that_another_node_has_written_is_read_for_longer(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct node other;

	open_shared(b, &other, "0");
	for (unsigned i = 0; i < 1 + SAME_MIN; i++)
		OK(count_one(w, "j0", false));
	OK(count_one(other.store, "j0", false));
	assert_int_equal(count_one(w, "j0", false), STORE_CONFLICT);
	assert_true(w->stale);
	OK(count_one(w, "j0", false));
	assert_false(w->stale);
	expect_stored_note(b, "t", "7");
	expect_events(b, "j0", 3 + 7);
	put_often(w, "t", "mine", 2 * SAME_MIN - 1);
	assert_true(reads_task(b, "t", "read"));
	assert_false(reads_task(b, "t", "not read"));
	database_close(other.db);
}

/* The times have to be in turn. */
static void a_task_that_another_node_writes_meanwhile_is_read_as_if_it_were_new(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct node other;

	open_shared(b, &other, "first");
	put_often(w, "t", "mine", SAME_MIN);
	OK(put_task(other.store, "j0", "t", "theirs"));
	put_often(w, "t", "mine", SAME_MIN);
	assert_true(reads_task(b, "t", "read"));
	assert_false(reads_task(b, "t", "not read"));
	database_close(other.db);
}

static void what_is_refused_is_refused_by_tasks_that_are_current(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct node other;

	open_own(b, &other);
	OK(put_task(other.store, "j0", "t", "theirs"));
	OK(w->ops->begin(w));
	OK(expect_task(w, "j0", "t"));
	expect_note(w, "t", "mine");
	expect_stale(w); /* it would have written nothing */
	OK(w->ops->begin(w));
	OK(expect_task(w, "j0", "t"));
	expect_note(w, "t", "theirs");
	OK(w->ops->commit(w));
	database_close(other.db);
}

static void what_is_written_besides_is_decided_by_tasks_that_are_current(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct node other;

	open_own(b, &other);
	OK(put_task(other.store, "j0", "t", "theirs"));
	OK(w->ops->begin(w));
	OK(expect_task(w, "j0", "t"));
	expect_note(w, "t", "mine");
	OK(add_event(w, "j0"));
	expect_stale(w);
	OK(put_task(w, "j0", "t", "mine"));
	expect_events(b, "j0", 3 + 1 + SAME_MIN + 2);
	database_close(other.db);
}

/* Which is more than its progress, so that another statement writes it. */
static enum store_result put_title(struct store *w, const char *title)
{
	struct task_row task = { 0 };
	struct job_row job = { 0 };

	OK(w->ops->begin(w));
	OK(expect_task(w, "j0", "t"));
	get_task(w, "t", &job, &task);
	free(task.title);
	task.title = xstrdup(title);
	OK(w->ops->task_put(w, job.key, &task));
	OK(add_event(w, "j0"));
	enum store_result r = w->ops->commit(w);
	if (r != STORE_OK)
		w->ops->rollback(w);
	task_row_finish(&task);
	job_row_finish(&job);
	return r;
}

static void a_change_of_the_whole_row_is_checked_too(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct task_row task = { 0 };
	struct job_row job = { 0 };
	struct node other;

	open_own(b, &other);
	OK(put_title(w, "one"));
	assert_false(reads_task(b, "t", "mine"));
	OK(put_task(other.store, "j0", "t", "theirs"));
	assert_int_equal(put_title(w, "two"), STORE_CONFLICT);
	assert_true(w->stale);
	expect_stored_note(b, "t", "theirs");
	OK(put_title(w, "two"));
	OK(b->reader->ops->begin(b->reader));
	get_task(b->reader, "t", &job, &task);
	OK(b->reader->ops->commit(b->reader));
	assert_string_equal(task.title, "two");
	assert_string_equal(task.note, "theirs");
	task_row_finish(&task);
	job_row_finish(&job);
	database_close(other.db);
}

/* All of them, in one transaction. */
static enum store_result put_first_tasks(struct store *w, unsigned count)
{
	struct expected_job jobs[] = { { "j0", false } };
	struct expected_task tasks[] = { { "j0", SLICE("t0") }, { "j0", SLICE("t1") } };
	struct expected rows = {
		.jobs = jobs, .tasks = tasks, .job_count = 1, .task_count = count
	};
	enum store_result r = w->ops->begin(w);

	if (r == STORE_OK)
		r = w->ops->expect(w, &rows);
	for (unsigned i = 0; i < count && r == STORE_OK; i++)
		r = change_task(w, "j0", i ? "t1" : "t0", "mine");
	if (r == STORE_OK)
		r = w->ops->commit(w);
	if (r != STORE_OK)
		w->ops->rollback(w);
	return r;
}

static void a_transaction_that_fails_because_of_another_task_is_not_held_against_it(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct node other;

	open_two(b, &other);
	put_tasks(w, "j0", 2);
	share(w, other.store, "j0");
	for (unsigned i = 0; i < 1 + SAME_MIN; i++)
		OK(put_first_tasks(w, 2));
	OK(put_task(other.store, "j0", "t1", "theirs"));
	assert_int_equal(put_first_tasks(w, 2), STORE_CONFLICT);
	assert_true(w->stale);
	assert_true(reads_task(b, "t0", "read"));
	assert_false(reads_task(b, "t0", "not read"));
	assert_true(reads_task(b, "t1", "read"));
	assert_true(reads_task(b, "t1", "read"));
	database_close(other.db);
}

/* Their workers probably do as the one whose task it was. */
static void what_was_wrong_once_holds_for_other_tasks(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct node other;

	open_two(b, &other);
	put_tasks(w, "j0", 4);
	share(w, other.store, "j0");
	make_own(w, "t0", "mine");
	OK(put_task(other.store, "j0", "t0", "theirs"));
	assert_int_equal(put_task(w, "j0", "t0", "mine"), STORE_CONFLICT);
	OK(put_task(w, "j0", "t0", "mine"));
	put_often(w, "t1", "mine", 2 * SAME_MIN);
	assert_true(reads_task(b, "t1", "read"));
	assert_false(reads_task(b, "t1", "not read"));
	put_often(w, "t1", "mine", HELD_MAX - 2);
	make_own(w, "t2", "mine");
	assert_true(reads_task(b, "t2", "read")); /* it was right once too few */
	OK(put_task(w, "j0", "t1", "mine"));
	make_own(w, "t3", "mine");
	assert_false(reads_task(b, "t3", "not read"));
	database_close(other.db);
}

/* What belonged to jobs that were deleted. */
static void sweep(struct store *s)
{
	OK(s->ops->begin(s));
	OK(prune(s, INT64_MIN, INT64_MIN, UINT64_MAX, 1000));
	OK(s->ops->commit(s));
}

static void make_again(struct store *s, const char *id)
{
	struct job_row row = a_job(id);

	delete_job(s, id);
	sweep(s);
	OK(s->ops->begin(s));
	OK(s->ops->job_put(s, &row));
	OK(s->ops->commit(s));
	lengthen(s, id);
}

static void a_task_of_a_job_that_was_deleted_is_not_that_of_the_next_one(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct node other;

	open_own(b, &other);
	make_again(other.store, "j0");
	OK(put_task(other.store, "j0", "t", "of the next one"));
	OK(w->ops->begin(w));
	OK(expect_task(w, "j0", "t"));
	expect_note(w, "t", "of the next one");
	OK(change_task(w, "j0", "t", "mine"));
	OK(w->ops->commit(w));
	expect_stored_note(b, "t", "mine");
	expect_events(b, "j0", 2);
	assert_true(reads_task(b, "t", "mine")); /* with the other rows again */
	database_close(other.db);
}

/* ---- transactions that forget what they have read ---- */

/* Deletes a job, and writes the task, or only looks at it (NULL). */
static enum store_result put_and_delete(struct store *w, const char *note, const char *gone)
{
	struct expected_job jobs[] = { { "j0", false }, { gone, false } };
	struct expected_task tasks[] = { { "j0", SLICE("t") } };
	struct expected rows = { .jobs = jobs, .tasks = tasks, .job_count = 2, .task_count = 1 };
	struct job_row row = { 0 };
	enum store_result r;

	OK(w->ops->begin(w));
	OK(w->ops->expect(w, &rows));
	if (note)
		OK(change_task(w, "j0", "t", note));
	OK(w->ops->job_get(w, gone, &row));
	r = w->ops->job_delete(w, &row);
	if (r == STORE_OK)
		r = w->ops->commit(w);
	if (r != STORE_OK)
		w->ops->rollback(w);
	job_row_finish(&row);
	return r;
}

static void a_task_that_is_written_beside_a_deletion_is_not_mistaken_for_its_old_row(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct node other;

	open_own(b, &other);
	OK(put_and_delete(w, "new", "j1"));
	OK(put_task(w, "j0", "t", "newer"));
	assert_false(reads_task(b, "t", "mine"));
	OK(put_task(other.store, "j0", "t", "theirs"));
	assert_int_equal(put_and_delete(w, NULL, "j2"), STORE_CONFLICT);
	assert_true(w->stale);
	OK(put_and_delete(w, "new", "j2"));
	expect_stored_note(b, "t", "new");
	database_close(other.db);
}

/* With an event, while what is to be pruned is. */
static enum store_result look_and_sweep(struct store *w)
{
	OK(w->ops->begin(w));
	OK(expect_task(w, "j0", "t"));
	OK(add_event(w, "j0"));
	OK(prune(w, INT64_MIN, INT64_MIN, UINT64_MAX, 1000));
	enum store_result r = w->ops->commit(w);
	if (r != STORE_OK)
		w->ops->rollback(w);
	return r;
}

static void tasks_are_checked_beside_what_is_pruned(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct node other;

	open_own(b, &other);
	delete_job(w, "j1");
	OK(put_task(other.store, "j0", "t", "theirs"));
	assert_int_equal(look_and_sweep(w), STORE_CONFLICT);
	assert_true(w->stale);
	OK(look_and_sweep(w));
	OK(put_task(w, "j0", "t", "mine"));
	assert_true(reads_task(b, "t", "read"));
	database_close(other.db);
}

/* ---- what else fails ---- */

/* An event that is there already, which no node knows of. */
static void put_event_in_the_way(const struct bench *b)
{
	char none[8];

	ask_server(b,
	           "INSERT INTO job_activity (job, seq, type, time, json) SELECT key, seq + 1, 0, "
	           "0, '{}' FROM jobs WHERE id = 'j0'",
	           none, sizeof none);
}

static void remove_event_in_the_way(const struct bench *b)
{
	char none[8];

	ask_server(b,
	           "DELETE FROM job_activity a USING jobs j WHERE j.id = 'j0' AND a.job = j.key "
	           "AND a.seq > j.seq",
	           none, sizeof none);
}

/* The rows that it has read are those of a transaction that is under way until it has failed. */
static void tasks_are_known_after_a_transaction_that_has_failed_for_another_reason(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct node other;

	open_shared(b, &other, "first");
	put_often(w, "t", "mine", 3);
	put_event_in_the_way(b);
	for (int i = 0; i < 2; i++) {
		FAILS(put_task(w, "j0", "t", "lost"));
		assert_false(w->stale);
	}
	remove_event_in_the_way(b);
	OK(put_task(w, "j0", "t", "mine")); /* found twice before, and once by what has failed */
	assert_true(reads_task(b, "t", "read"));
	assert_false(reads_task(b, "t", "not read"));
	put_event_in_the_way(b);
	for (int i = 0; i < 2; i++)
		FAILS(put_task(w, "j0", "t", "lost"));
	remove_event_in_the_way(b);
	expect_stored_note(b, "t", "not read");
	assert_true(reads_task(b, "t", "read"));
	assert_false(reads_task(b, "t", "not read"));
	database_close(other.db);
}

/* The first transaction of a new connection. */
static void begin_again(struct store *w)
{
	OK(w->ops->begin(w));
	if (expect_task(w, "j0", "t") == STORE_OK) /* it was tried, and replaced */
		return;
	w->ops->rollback(w);
	OK(w->ops->begin(w));
	OK(expect_task(w, "j0", "t"));
}

static void a_new_connection_has_no_tasks(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct node other;

	open_two(b, &other);
	OK(put_task(w, "j0", "t", "first"));
	share_short(w, other.store, "j0");
	make_own(w, "t", "mine");
	end_connections(b);
	begin_again(w);
	assert_true(has_read(b, "tasks"));
	OK(change_task(w, "j0", "t", "mine"));
	OK(w->ops->commit(w));
	begin_again(other.store);
	OK(other.store->ops->commit(other.store));
	share(w, other.store, "j0");
	put_often(w, "t", "mine", SAME_MIN);
	assert_true(reads_task(b, "t", "read"));
	assert_false(reads_task(b, "t", "not read"));
	database_close(other.db);
}

/* ---- jobs ---- */

static void wait_until_it_is_kept(const struct bench *b, const char *id)
{
	uint64_t until = clock_monotonic_ms() + 20000;

	do {
		assert_true(clock_monotonic_ms() < until);
		OK(add_events(b->writer, &id, 1));
	} while (reads(b, id));
}

/* In the transaction that is open: writes the task, and ends its job, so that it is not kept. */
static void write_and_end(struct store *w, const char *note)
{
	struct job_row row = { 0 };

	OK(expect_task(w, "j0", "t"));
	OK(change_task(w, "j0", "t", note));
	OK(w->ops->job_get(w, "j0", &row));
	row.status = JOB_COMPLETED;
	row.ended = 1;
	OK(w->ops->job_put(w, &row));
	job_row_finish(&row);
}

/* The first transaction has read the task, as the job is shared; the second one relies on what is
 * kept. */
static void a_task_is_not_taken_from_a_transaction_that_others_are_under_way_with(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct node other;

	open_two(b, &other);
	OK(put_task(w, "j0", "t", "first"));
	share_short(w, other.store, "j0");
	make_own(w, "t", "mine");
	wait_until_it_is_kept(b, "j0");
	OK(put_task(w, "j0", "t", "kept"));
	OK(w->ops->begin(w));
	OK(expect_jobs(w, names + 1, 1));
	OK(add_event(w, "j1"));
	OK(w->ops->commit_start(w));
	OK(w->ops->begin(w));
	write_and_end(w, "last");
	assert_true(w->ops->commit_may_start(w));
	OK(w->ops->commit_start(w));
	OK(finish(w));
	OK(finish(w));
	assert_true(reads_task(b, "t", "read")); /* and it has not failed */
	database_close(other.db);
}

static void a_kept_job_that_is_read_all_the_same_is_found_to_be_one_that_others_write(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct node other;

	open_two(b, &other);
	share(w, other.store, "j0");
	OK(add_events(other.store, names + 1, 1));
	OK(add_events(w, names, 2)); /* reads both because of the first */
	assert_true(reads(b, "j1"));
	assert_true(w->shares);
	assert_false(reads(b, "j2"));
	OK(add_events(w, names + 1, 1));
	expect_events(b, "j0", 3);
	expect_events(b, "j1", 3);
	database_close(other.db);
}

/* Reads the tasks from `from` up to `to` of j1, and nothing else. */
static void read_tasks(struct store *w, unsigned from, unsigned to)
{
	struct expected_job jobs[] = { { "j1", false } };
	struct expected_task *tasks = xcalloc(to - from, sizeof *tasks);
	char(*ids)[16] = xcalloc(to - from, sizeof *ids);
	struct expected rows = {
		.jobs = jobs, .tasks = tasks, .job_count = 1, .task_count = to - from
	};

	for (unsigned i = from; i < to; i++) {
		snprintf(ids[i - from], sizeof *ids, "t%u", i);
		tasks[i - from] = (struct expected_task){ "j1", slice_of(ids[i - from]) };
	}
	OK(w->ops->begin(w));
	OK(w->ops->expect(w, &rows));
	OK(w->ops->commit(w));
	free(tasks);
	free(ids);
}

static void no_more_tasks_are_known_than_the_limit(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct node other;

	open_two(b, &other);
	OK(put_task(w, "j0", "t", "first"));
	put_tasks(w, "j1", TASKS_MAX);
	OK(add_events(w, names, 2)); /* all were forgotten, and are kept again */
	share(w, other.store, "j0");
	share(w, other.store, "j1");
	make_own(w, "t", "mine");
	read_tasks(w, 0, TASKS_MAX - 1);
	assert_false(reads_task(b, "t", "not read"));
	read_tasks(w, TASKS_MAX - 1, TASKS_MAX);
	assert_true(reads_task(b, "t", "read")); /* and is one of two that are known */
	put_often(w, "t", "mine", SAME_MIN - 1);
	assert_true(reads_task(b, "t", "read"));
	assert_false(reads_task(b, "t", "not read"));
	database_close(other.db);
}

/* ---- two nodes that write the same task ---- */

/* A node writes it several times in turn, mostly. */
static void a_task_that_two_nodes_write_is_not_relied_on_for_long(void **state)
{
	struct bench *b = *state;
	struct node other;
	unsigned seed = 1, stale = 0;
	struct store *s = b->writer;
	char note[16];

	make_jobs(b->writer);
	OK(put_task(b->writer, "j0", "t", "0"));
	node_open(&other, b, 1);
	for (unsigned i = 0; i < COUNTS; i++) {
		if (rand_r(&seed) % 8 == 0)
			s = s == b->writer ? other.store : b->writer;
		while (count_one(s, "j0", false) != STORE_OK) {
			assert_true(s->stale);
			stale++;
		}
	}
	assert_in_range(stale, 1, STALE_MAX);
	snprintf(note, sizeof note, "%d", COUNTS);
	expect_stored_note(b, "t", note);
	expect_events(b, "j0", 1 + COUNTS);
	database_close(other.db);
}

static const struct CMUnitTest promises[] = {
	STORE_TEST(a_task_that_only_this_node_writes_is_read_a_few_times),
	STORE_TEST(a_task_that_this_node_makes_is_read_a_few_times),
	STORE_TEST(the_job_and_its_other_tasks_are_written_by_others_meanwhile),
	STORE_TEST(a_task_with_long_texts_is_read_each_time),
	STORE_TEST(a_task_that_is_not_written_stays_known),
	STORE_TEST(a_task_that_another_node_has_written_is_read_for_longer),
	STORE_TEST(a_task_that_another_node_writes_meanwhile_is_read_as_if_it_were_new),
	STORE_TEST(what_is_refused_is_refused_by_tasks_that_are_current),
	STORE_TEST(what_is_written_besides_is_decided_by_tasks_that_are_current),
	STORE_TEST(a_change_of_the_whole_row_is_checked_too),
	STORE_TEST(a_transaction_that_fails_because_of_another_task_is_not_held_against_it),
	STORE_TEST(what_was_wrong_once_holds_for_other_tasks),
	STORE_TEST(a_task_of_a_job_that_was_deleted_is_not_that_of_the_next_one),
	STORE_TEST(a_task_that_is_written_beside_a_deletion_is_not_mistaken_for_its_old_row),
	STORE_TEST(tasks_are_checked_beside_what_is_pruned),
	STORE_TEST(tasks_are_known_after_a_transaction_that_has_failed_for_another_reason),
	STORE_TEST(a_new_connection_has_no_tasks),
	STORE_TEST(a_task_is_not_taken_from_a_transaction_that_others_are_under_way_with),
	STORE_TEST(a_kept_job_that_is_read_all_the_same_is_found_to_be_one_that_others_write),
	STORE_TEST(no_more_tasks_are_known_than_the_limit),
	STORE_TEST(a_task_that_two_nodes_write_is_not_relied_on_for_long),
};

int main(void)
{
	return _cmocka_run_group_tests("own", promises, sizeof promises / sizeof *promises, NULL,
	                               NULL);
}
