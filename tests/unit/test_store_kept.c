/*
 * The rows that a node keeps from one transaction to the next: that they are not read again, and
 * that nothing is decided by a row that another node has written since.  Runs with PostgreSQL only.
 */
#include "joblight/base/clock.h"
#include "nodes_kit.h"

#define COUNTS 150
#define ENDS 6
#define KEPT_MAX 10000 /* rows of jobs and tasks; ROWS_MAX of postgres_kept.c */
#define IDLE_MS 200    /* then a connection is tried before it is used; of postgres_session.c */
#define TEXT_MAX 4096  /* bytes of the title and metadata of a job; the same there */

static void rows_that_a_node_wrote_last_are_not_read_again(void **state)
{
	struct bench *b = *state;

	make_jobs(b->writer);
	assert_false(reads(b, "j0"));
	assert_false(reads(b, "j0")); /* a transaction that writes nothing keeps them too */
	OK(add_events(b->writer, names, JOBS));
	assert_false(reads(b, "j0"));
	assert_true(reads(b, "none"));
	assert_int_equal(events_of_all(b->reader), JOBS);
}

static void a_row_that_another_node_has_written_is_not_relied_on(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct node other;

	open_two(b, &other);
	OK(w->ops->begin(w));
	OK(expect_jobs(w, names, JOBS));
	OK(add_event(w, "j1"));
	OK(add_events(other.store, names, JOBS)); /* nothing is locked yet */
	assert_int_equal(w->ops->commit(w), STORE_CONFLICT);
	assert_true(w->stale);
	w->ops->rollback(w);
	OK(add_events(w, names, JOBS));
	assert_false(w->stale);
	assert_int_equal(events_of_all(b->reader), 2 * JOBS);
	database_close(other.db);
}

/* One that was written by hand, for instance. */
static void a_row_that_was_written_without_an_event_is_not_relied_on(void **state)
{
	struct bench *b = *state;
	char none[8];

	make_jobs(b->writer);
	ask_server(b, "UPDATE jobs SET title = 'Other' WHERE id = 'j0'", none, sizeof none);
	assert_int_equal(add_events(b->writer, names, 1), STORE_CONFLICT);
	assert_true(b->writer->stale);
	OK(add_events(b->writer, names, JOBS));
	assert_int_equal(events_of_all(b->reader), JOBS);
}

static void what_is_refused_is_refused_by_rows_that_are_current(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct node other;

	open_two(b, &other);
	OK(w->ops->begin(w));
	OK(expect_jobs(w, names, 1));
	OK(add_events(other.store, names, 1));
	assert_int_equal(w->ops->commit(w), STORE_CONFLICT); /* it would have written nothing */
	assert_true(w->stale);
	w->ops->rollback(w);
	database_close(other.db);
}

static void a_row_of_a_task_is_as_old_as_that_of_its_job(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	const char *some[] = { "j0", "none" };
	struct task_row found = { 0 };
	struct job_row job = { 0 };
	struct node other;

	open_two(b, &other);
	OK(put_task(w, "j0", "t", "one"));
	OK(put_task(other.store, "j0", "t", "two"));
	OK(add_events(other.store, names, 1));
	OK(w->ops->begin(w));
	OK(expect_jobs(w, some, 2)); /* reads the job, because the other is not kept, and no task */
	OK(add_event(w, "j0"));
	OK(w->ops->commit(w));
	OK(w->ops->begin(w));
	OK(expect_task(w, "j0", "t"));
	OK(w->ops->job_get(w, "j0", &job));
	OK(w->ops->task_get(w, job.key, "t", &found));
	OK(w->ops->commit(w));
	assert_string_equal(found.note, "two");
	task_row_finish(&found);
	job_row_finish(&job);
	database_close(other.db);
}

static void a_job_that_another_node_has_deleted_is_gone(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct node other;

	open_two(b, &other);
	delete_job(other.store, "j0");
	assert_int_equal(add_events(w, names, 1), STORE_CONFLICT);
	assert_true(w->stale);
	NONE(add_events(w, names, 1));
	database_close(other.db);
}

static void a_job_that_other_nodes_write_too_is_read_for_a_while(void **state)
{
	struct bench *b = *state;
	struct node other;

	open_two(b, &other);
	OK(add_events(other.store, names, 1));
	assert_int_equal(add_events(b->writer, names, 2), STORE_CONFLICT);
	assert_false(b->writer->shares);
	OK(add_events(b->writer, names, 2));
	assert_true(b->writer->shares);
	assert_true(reads(b, "j0"));
	assert_true(b->writer->shares);
	assert_false(reads(b, "j1")); /* of the same transaction, but nobody else writes it */
	assert_false(b->writer->shares);
	database_close(other.db);
}

static void a_job_that_only_this_node_writes_goes_on_being_kept(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	const char *some[] = { "j1", "none" };
	struct node other;

	open_two(b, &other);
	OK(add_events(other.store, names, 1));
	assert_int_equal(add_events(w, names, 2), STORE_CONFLICT); /* because of j0 */
	OK(add_events(w, names, 2));
	OK(w->ops->begin(w));
	OK(expect_jobs(w, some, 2)); /* reads j1 as this node has written it */
	OK(add_event(w, "j1"));
	OK(w->ops->commit(w));
	assert_false(reads(b, "j1"));
	database_close(other.db);
}

static void the_rows_of_a_job_that_has_ended_are_read(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct job_row row = { 0 };

	make_jobs(w);
	OK(w->ops->begin(w));
	OK(w->ops->job_get(w, "j0", &row));
	row.status = JOB_COMPLETED;
	row.ended = 1;
	OK(w->ops->job_put(w, &row));
	OK(w->ops->commit(w));
	assert_true(reads(b, "j0"));
	job_row_finish(&row);
}

static void a_new_connection_has_no_rows(void **state)
{
	struct bench *b = *state;

	make_jobs(b->writer);
	end_connections(b);
	/* Lost, and run again; or tried and replaced, if it was idle for long. */
	if (add_events(b->writer, names, 1) != STORE_OK)
		OK(add_events(b->writer, names, 1));
	assert_true(reads(b, "j1"));
}

/* That it is lost is seen by the next transaction, which can be run again, or by a try, if it was
 * idle for long. */
static void a_connection_that_is_lost_before_anything_is_sent_is_replaced(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;

	make_jobs(w);
	OK(w->ops->begin(w));
	OK(expect_jobs(w, names, JOBS)); /* goes out with the next round */
	end_connections(b);
	w->ops->rollback(w);
	if (add_events(w, names, JOBS) != STORE_OK)
		OK(add_events(w, names, JOBS));
	assert_int_equal(events_of_all(b->reader), JOBS);
}

struct counter {
	struct node node; /* first */
	const char *mine; /* the job that it mostly writes, so that its rows are kept */
	unsigned counted, unknown;
};

static void *count_many(void *context)
{
	struct counter *c = context;
	struct node *n = &c->node;

	for (int i = 0; i < COUNTS; i++) {
		bool other = rand_r(&n->seed) % 8 == 0, twice = rand_r(&n->seed) % 2;
		const char *job = other ? names[rand_r(&n->seed) % JOBS] : c->mine;
		enum store_result r = count_one(n->store, job, twice);
		c->counted += r == STORE_OK ? 1 + twice : 0;
		c->unknown += n->store->in_doubt ? 1 + twice : 0;
	}
	return NULL;
}

static unsigned notes_of_all(struct store *w)
{
	unsigned all = 0;

	OK(w->ops->begin(w));
	for (int i = 0; i < JOBS; i++) {
		struct task_row task = { 0 };
		struct job_row row = { 0 };
		OK(w->ops->job_get(w, names[i], &row));
		OK(w->ops->task_get(w, row.key, "t", &task));
		all += (unsigned)atoi(task.note);
		job_row_finish(&row);
		task_row_finish(&task);
	}
	OK(w->ops->commit(w));
	return all;
}

/* Also while connections end. */
static void nothing_is_counted_twice_or_lost(void **state)
{
	struct bench *b = *state;
	struct counter counters[NODES] = { 0 };
	unsigned counted = 0, unknown = 0, noted;

	make_jobs(b->writer);
	for (int i = 0; i < JOBS; i++)
		OK(put_task(b->writer, names[i], "t", "0"));
	for (unsigned i = 0; i < NODES; i++) {
		counters[i].mine = names[i];
		node_open(&counters[i].node, b, i + 1);
		assert_int_equal(
		    pthread_create(&counters[i].node.thread, NULL, count_many, &counters[i]), 0);
	}
	for (int i = 0; i < ENDS; i++)
		end_connections(b);
	for (int i = 0; i < NODES; i++) {
		pthread_join(counters[i].node.thread, NULL);
		counted += counters[i].counted;
		unknown += counters[i].unknown;
		database_close(counters[i].node.db);
	}
	if (b->writer->ops->begin(b->writer) == STORE_OK) /* its connection was ended, too */
		b->writer->ops->rollback(b->writer);
	noted = notes_of_all(b->writer);
	assert_in_range(noted, counted, counted + unknown);
	assert_int_equal(events_of_all(b->reader), JOBS + noted);
}

static void no_more_rows_are_kept_than_the_limit(void **state)
{
	struct bench *b = *state;
	const char *other = "j1";

	make_jobs(b->writer);
	put_tasks(b->writer, "j0", KEPT_MAX - JOBS);
	OK(add_events(b->writer, &other, 1));
	assert_false(reads(b, "j0"));
	put_tasks(b->writer, "j2", 1); /* and then all are forgotten */
	assert_true(reads(b, "j0"));
	assert_true(reads(b, "j2"));
	OK(add_events(b->writer, &other, 1));
	assert_false(reads(b, "j1"));
}

static void stay_idle(const struct bench *b)
{
	uint64_t began = clock_monotonic_ms();
	char none[8];

	while (clock_monotonic_ms() - began <= IDLE_MS)
		ask_server(b, "SELECT 1", none, sizeof none);
}

/* It was tried whether the server can be written. */
static void a_transaction_that_expects_nothing_after_a_pause_has_its_connection(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;

	make_jobs(w);
	stay_idle(b);
	OK(w->ops->begin(w));
	OK(w->ops->expect(w, &(struct expected){ 0 }));
	OK(w->ops->commit(w));
	assert_false(reads(b, "j0"));
}

static void put_metadata(struct store *w, const char *id, size_t len)
{
	struct job_row row = { 0 };

	OK(w->ops->begin(w));
	OK(expect_jobs(w, &id, 1));
	OK(w->ops->job_get(w, id, &row));
	free(row.metadata);
	row.metadata = xcalloc(1, len + 1);
	memset(row.metadata, ' ', len);
	OK(w->ops->job_put(w, &row));
	OK(w->ops->commit(w));
	job_row_finish(&row);
}

static void a_row_with_long_texts_is_read(void **state)
{
	struct bench *b = *state;

	make_jobs(b->writer);
	put_metadata(b->writer, "j0", TEXT_MAX - strlen(a_job("j0").title));
	assert_false(reads(b, "j0"));
	put_metadata(b->writer, "j0", TEXT_MAX - strlen(a_job("j0").title) + 1);
	assert_true(reads(b, "j0"));
}

/* The first question of a transaction is answered with an error, and the transaction is ended. */
static void a_question_that_fails_leaves_no_transaction_behind(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer, *r = b->reader;
	struct deliverable_row none = { 0 };
	struct task_counts counts;
	struct job_row row = { 0 };
	struct node other;
	char locked[8];

	open_two(b, &other);
	OK(add_events(other.store, names, 1));
	OK(w->ops->begin(w));
	OK(expect_jobs(w, names, 1));
	OK(w->ops->job_get(w, "j0", &row));
	assert_int_equal(w->ops->deliverable_get(w, row.key, "none", &none), STORE_CONFLICT);
	assert_true(w->stale);
	w->ops->rollback(w);
	OK(add_events(w, names, JOBS));
	/* The same for who reads: the table is away for a moment. */
	ask_server(b, "ALTER TABLE tasks RENAME TO away", locked, sizeof locked);
	OK(r->ops->begin(r));
	FAILS(r->ops->task_counts(r, row.key, &counts));
	r->ops->rollback(r);
	ask_server(b, "ALTER TABLE away RENAME TO tasks", locked, sizeof locked);
	assert_int_equal(events_of_all(r), JOBS + 1);
	job_row_finish(&row);
	database_close(other.db);
}

/* Then a transaction begins with a round of its own, which looks whether the server takes writes.
 */
static void rows_are_checked_after_a_pause_too(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct node other;

	open_two(b, &other);
	delete_job(other.store, "j0");
	stay_idle(b);
	assert_int_equal(add_events(w, names, 1), STORE_CONFLICT);
	assert_true(w->stale);
	stay_idle(b);
	OK(add_events(w, names + 1, 1)); /* and others are relied on */
	database_close(other.db);
}

static const struct CMUnitTest promises[] = {
	STORE_TEST(rows_that_a_node_wrote_last_are_not_read_again),
	STORE_TEST(a_row_that_another_node_has_written_is_not_relied_on),
	STORE_TEST(a_row_that_was_written_without_an_event_is_not_relied_on),
	STORE_TEST(what_is_refused_is_refused_by_rows_that_are_current),
	STORE_TEST(a_row_of_a_task_is_as_old_as_that_of_its_job),
	STORE_TEST(a_job_that_another_node_has_deleted_is_gone),
	STORE_TEST(a_job_that_other_nodes_write_too_is_read_for_a_while),
	STORE_TEST(a_job_that_only_this_node_writes_goes_on_being_kept),
	STORE_TEST(the_rows_of_a_job_that_has_ended_are_read),
	STORE_TEST(a_new_connection_has_no_rows),
	STORE_TEST(a_connection_that_is_lost_before_anything_is_sent_is_replaced),
	STORE_TEST(rows_are_checked_after_a_pause_too),
	STORE_TEST(a_question_that_fails_leaves_no_transaction_behind),
	STORE_TEST(nothing_is_counted_twice_or_lost),
	STORE_TEST(no_more_rows_are_kept_than_the_limit),
	STORE_TEST(a_row_with_long_texts_is_read),
	STORE_TEST(a_transaction_that_expects_nothing_after_a_pause_has_its_connection),
};

int main(void)
{
	return _cmocka_run_group_tests("kept", promises, sizeof promises / sizeof *promises, NULL,
	                               NULL);
}
