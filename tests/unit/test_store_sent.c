/*
 * A transaction is prepared while the one before commits: what it sees, what it cannot have yet,
 * and what becomes of it when the one before fails.  Runs with PostgreSQL only.
 */
#include "nodes_kit.h"

#include "joblight/base/clock.h"

#include <sys/eventfd.h>

#define ANSWERS_MS 1000 /* then answers are taken to be absent again; of postgres_kept.c */

/* Jobs with an event each, whose rows are kept. */
static void keep_jobs(struct store *w)
{
	make_jobs(w);
	OK(add_events(w, names, JOBS));
}

/* Begins a transaction with an event in the job, and sends it. */
static void send_event(struct store *s, const char *id)
{
	OK(s->ops->begin(s));
	OK(expect_jobs(s, &id, 1));
	OK(add_event(s, id));
	OK(s->ops->commit_start(s));
}

/* Begins one while another is under way. */
static void prepare_event(struct store *s, const char *id)
{
	OK(s->ops->begin(s));
	OK(expect_jobs(s, &id, 1));
	OK(add_event(s, id));
}

static uint64_t seq_of(struct store *s, const char *id)
{
	struct job_row row = { 0 };

	OK(s->ops->begin(s));
	OK(s->ops->job_get(s, id, &row));
	OK(s->ops->commit(s));
	job_row_finish(&row);
	return row.seq;
}

static void the_next_transaction_goes_on_from_the_one_before(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;

	make_jobs(w);
	for (int i = 0; i < 5; i++) {
		send_event(w, "j0");
		prepare_event(w, "j0");
		OK(finish(w));
		OK(w->ops->commit_start(w));
		OK(finish(w));
	}
	assert_int_equal(seq_of(b->reader, "j0"), 10);
	assert_int_equal(seq_of(b->reader, "j1"), 0);
}

static void a_chain_of_transactions_is_committed(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;

	make_jobs(w);
	send_event(w, "j0");
	for (int i = 1; i < 50; i++) {
		prepare_event(w, names[i % JOBS]);
		OK(finish(w));
		OK(w->ops->commit_start(w));
	}
	OK(finish(w));
	assert_int_equal(events_of_all(b->reader), 50);
}

static void a_new_job_can_be_written_at_once(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct expected_job jobs[] = { { "new", true } };
	struct expected rows = { .jobs = jobs, .job_count = 1, .created = 1 };
	struct job_row job = a_job("new");

	OK(w->ops->begin(w));
	OK(w->ops->expect(w, &rows));
	OK(w->ops->job_put(w, &job));
	OK(w->ops->commit_start(w));
	prepare_event(w, "new");
	OK(finish(w));
	OK(w->ops->commit(w));
	assert_int_equal(seq_of(b->reader, "new"), 1);
}

static void nobody_sees_it_before_it_is_sent(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;

	make_jobs(w);
	send_event(w, "j0");
	prepare_event(w, "j0");
	OK(finish(w));
	assert_int_equal(seq_of(b->reader, "j0"), 1);
	w->ops->rollback(w);
	assert_int_equal(seq_of(b->reader, "j0"), 1);
	OK(add_events(w, names, JOBS));
	assert_int_equal(seq_of(b->reader, "j0"), 2);
}

/* The transaction goes on without the op that needs it. */
static void a_row_that_would_be_read_is_early(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	const char *none[] = { "none" };
	struct expected_job jobs[] = { { "j0", false } };
	struct expected_task tasks[] = { { "j0", SLICE("none") } };
	struct expected rows = { .jobs = jobs, .tasks = tasks, .job_count = 1, .task_count = 1 };

	make_jobs(w);
	send_event(w, "j0");
	OK(w->ops->begin(w));
	assert_int_equal(expect_jobs(w, none, 1), STORE_EARLY);
	assert_int_equal(w->ops->expect(w, &rows), STORE_EARLY);
	OK(expect_jobs(w, names, 1));
	OK(add_event(w, "j0"));
	OK(finish(w));
	assert_int_equal(expect_jobs(w, none, 1), STORE_EARLY); /* it has begun without it */
	OK(w->ops->commit(w));
	assert_int_equal(seq_of(b->reader, "j0"), 2);
}

/* The first round has checked the rows that it had then. */
static void no_row_comes_to_a_transaction_that_has_asked(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct deliverable_row none = { 0 };
	struct job_row row = { 0 };
	struct node other;

	open_two(b, &other);
	send_event(w, "j2");
	prepare_event(w, "j0");
	OK(finish(w));
	OK(w->ops->job_get(w, "j0", &row));
	NONE(w->ops->deliverable_get(w, row.key, "none", &none));
	delete_job(other.store, "j1");
	assert_int_equal(expect_jobs(w, names + 1, 1), STORE_EARLY);
	OK(w->ops->commit(w));
	job_row_finish(&row);
	database_close(other.db);
}

static void rows_that_were_read_are_not_kept_ones(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;

	make_jobs(w);
	end_connections(b);
	if (add_events(w, names, 1) != STORE_OK)
		OK(add_events(w, names, 1));
	OK(w->ops->begin(w));
	OK(expect_jobs(w, names + 1, 1)); /* of a new connection, so that it is read */
	OK(expect_jobs(w, names + 1, 1));
	OK(add_event(w, "j1"));
	OK(w->ops->commit(w));
	assert_int_equal(seq_of(b->reader, "j1"), 1);
}

/* Also when that one has ended: who began early wants to wait for nothing. */
static void a_transaction_that_began_early_reads_nothing(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	const char *none[] = { "none" };

	make_jobs(w);
	send_event(w, "j0");
	OK(w->ops->begin(w));
	OK(finish(w));
	assert_int_equal(expect_jobs(w, none, 1), STORE_EARLY);
	OK(expect_jobs(w, names, 1));
	OK(add_event(w, "j0"));
	assert_int_equal(expect_jobs(w, none, 1), STORE_EARLY);
	OK(w->ops->commit(w));
	assert_int_equal(seq_of(b->reader, "j0"), 2);
}

static void what_was_not_expected_ends_the_transaction(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct task_row task = { 0 };
	struct job_row row = { 0 };

	make_jobs(w);
	send_event(w, "j0");
	prepare_event(w, "j0");
	OK(w->ops->job_get(w, "j0", &row));
	assert_int_equal(w->ops->task_get(w, row.key, "none", &task), STORE_EARLY);
	assert_int_equal(w->ops->commit_start(w), STORE_EARLY);
	OK(finish(w));
	assert_int_equal(w->ops->commit_start(w), STORE_EARLY);
	w->ops->rollback(w);
	OK(add_events(w, names, 1));
	assert_int_equal(seq_of(b->reader, "j0"), 2);
	job_row_finish(&row);
}

/* Another node was faster than the first of the two. */
static void the_next_one_is_lost_with_the_one_before(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct node other;

	keep_jobs(w);
	node_open(&other, b, 1); /* and keeps the rows */
	OK(add_events(other.store, names, 1));
	send_event(w, "j0");
	prepare_event(w, "j0");
	assert_int_equal(finish(w), STORE_CONFLICT);
	assert_true(w->stale);
	w->ops->rollback(w);
	assert_int_equal(seq_of(b->reader, "j0"), 2);
	OK(add_events(w, names, 1));
	OK(add_events(w, names, 1));
	assert_int_equal(seq_of(b->reader, "j0"), 4);
	database_close(other.db);
}

static void another_node_is_faster_than_the_next_one(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct node other;

	keep_jobs(w);
	node_open(&other, b, 1);
	send_event(w, "j0");
	prepare_event(w, "j1");
	OK(finish(w));
	OK(add_events(other.store, names, 2));
	OK(w->ops->commit_start(w));
	assert_int_equal(finish(w), STORE_CONFLICT);
	assert_true(w->stale);
	assert_int_equal(seq_of(b->reader, "j1"), 2);
	OK(add_events(w, names, JOBS));
	assert_int_equal(seq_of(b->reader, "j1"), 3);
	database_close(other.db);
}

/* It is found out whether the first one was committed; the rows of the second one were of the
 * connection that is lost. */
static void the_connection_is_lost_while_one_commits(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	uint64_t written;

	keep_jobs(w);
	for (int i = 0; i < 5; i++) {
		written = seq_of(b->reader, "j0");
		send_event(w, "j0");
		prepare_event(w, "j0");
		end_connections(b);
		enum store_result r = finish(w);
		assert_true(r == STORE_OK || r == STORE_CONFLICT);
		assert_int_equal(seq_of(b->reader, "j0"), written + (r == STORE_OK));
		/* The answer may have come before the connection ended. */
		if (r == STORE_OK && w->ops->commit_start(w) == STORE_OK)
			assert_int_equal(finish(w), STORE_CONFLICT);
		else
			w->ops->rollback(w);
		assert_int_equal(seq_of(b->reader, "j0"), written + (r == STORE_OK));
		OK(add_events(w, names, 1));
	}
}

/* Somebody else has the row of the job for a second, until pclose(). */
static FILE *lock_job(const struct bench *b, const char *id)
{
	char command[1024], locked[16];
	FILE *holder;

	snprintf(command, sizeof command,
	         "psql -X -q -A -t -d '%s' -c \"BEGIN\" -c \"SELECT key FROM jobs WHERE id = '%s' "
	         "FOR UPDATE\" -c \"SELECT pg_sleep(1)\" -c \"ROLLBACK\"",
	         b->location, id);
	holder = popen(command, "r");
	assert_non_null(holder);
	assert_non_null(fgets(locked, sizeof locked, holder));
	return holder;
}

static void a_wait_ends_when_the_descriptor_can_be_read(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	int fd = eventfd(0, 0);
	enum store_result r;

	make_jobs(w);
	FILE *holder = lock_job(b, "j0");
	send_event(w, "j0");
	assert_false(w->ops->commit_finish(w, 1000, -1, &r));
	assert_int_equal(eventfd_write(fd, 1), 0);
	assert_false(w->ops->commit_finish(w, UINT64_MAX, fd, &r));
	OK(finish(w));
	pclose(holder);
	close(fd);
}

/* ---- two that are under way ---- */

/* Whose rows are kept. */
static void send_two(struct store *w, const char *first, const char *second)
{
	send_event(w, first);
	prepare_event(w, second);
	assert_true(w->ops->commit_may_start(w));
	OK(w->ops->commit_start(w));
}

static void two_of_different_jobs_are_under_way(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;

	keep_jobs(w);
	for (int i = 0; i < 20; i++) {
		send_two(w, names[i % JOBS], names[(i + 1) % JOBS]);
		OK(finish(w));
		OK(finish(w));
	}
	assert_int_equal(events_of_all(b->reader), JOBS + 40);
}

/* Each is sent while the one before is under way, and prepared while two are. */
static void a_chain_of_two_at_once_is_committed(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;

	keep_jobs(w);
	send_event(w, names[0]);
	for (int i = 1; i < 50; i++) {
		prepare_event(w, names[i % 2]);
		if (i > 1)
			OK(finish(w));
		assert_true(w->ops->commit_may_start(w));
		OK(w->ops->commit_start(w));
	}
	OK(finish(w));
	OK(finish(w));
	assert_int_equal(seq_of(b->reader, "j0"), 26);
	assert_int_equal(seq_of(b->reader, "j1"), 26);
}

static void a_job_that_is_under_way_is_not_sent_again(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;

	keep_jobs(w);
	send_event(w, "j0");
	prepare_event(w, "j0");
	assert_false(w->ops->commit_may_start(w));
	OK(finish(w));
	assert_true(w->ops->commit_may_start(w));
	OK(w->ops->commit_start(w));
	prepare_event(w, "j0");
	assert_int_equal(w->ops->commit_start(w), STORE_EARLY);
	OK(finish(w));
	w->ops->rollback(w);
	assert_int_equal(seq_of(b->reader, "j0"), 3);
}

static void a_third_one_waits(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;

	keep_jobs(w);
	send_two(w, "j0", "j1");
	prepare_event(w, "j2");
	assert_false(w->ops->commit_may_start(w));
	OK(finish(w));
	assert_true(w->ops->commit_may_start(w));
	OK(w->ops->commit_start(w));
	OK(finish(w));
	OK(finish(w));
	assert_int_equal(seq_of(b->reader, "j2"), 2);
}

/* What has written nothing has no row by which it could be found. */
static void one_that_writes_nothing_is_not_sent_early(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;

	keep_jobs(w);
	send_event(w, "j0");
	OK(w->ops->begin(w));
	OK(expect_jobs(w, names + 1, 1));
	assert_int_equal(w->ops->commit_start(w), STORE_EARLY);
	w->ops->rollback(w);
	OK(finish(w));
	OK(add_events(w, names, 1));
	assert_int_equal(seq_of(b->reader, "j0"), 3);
}

/* A job that the first one has only read is written by the second one. */
static void a_version_is_that_of_who_wrote_it(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;

	keep_jobs(w);
	OK(w->ops->begin(w));
	OK(expect_jobs(w, names, 2));
	OK(add_event(w, "j0"));
	OK(w->ops->commit_start(w));
	prepare_event(w, "j1");
	assert_true(w->ops->commit_may_start(w));
	OK(w->ops->commit_start(w));
	OK(finish(w));
	prepare_event(w, "j1");
	assert_false(w->ops->commit_may_start(w));
	OK(finish(w));
	OK(w->ops->commit_start(w));
	OK(finish(w));
	assert_int_equal(seq_of(b->reader, "j1"), 3);
}

static void both_are_lost_with_the_first_one(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct node other;

	keep_jobs(w);
	node_open(&other, b, 1);
	OK(add_events(other.store, names, 1));
	send_two(w, "j0", "j1");
	prepare_event(w, "j2");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(finish(w), STORE_CONFLICT);
		assert_true(w->stale);
	}
	w->ops->rollback(w);
	assert_int_equal(seq_of(b->reader, "j0"), 2);
	assert_int_equal(seq_of(b->reader, "j1"), 1);
	OK(add_events(w, names, JOBS));
	send_two(w, "j1", "j2");
	OK(finish(w));
	OK(finish(w));
	assert_int_equal(events_of_all(b->reader), 2 * JOBS + 3);
	database_close(other.db);
}

static void the_second_one_fails_alone(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct node other;

	keep_jobs(w);
	node_open(&other, b, 1);
	OK(add_events(other.store, names + 1, 1));
	send_two(w, "j0", "j1");
	OK(finish(w));
	prepare_event(w, "j0");
	assert_int_equal(finish(w), STORE_CONFLICT);
	assert_true(w->stale);
	w->ops->rollback(w);
	assert_int_equal(seq_of(b->reader, "j0"), 2);
	assert_int_equal(seq_of(b->reader, "j1"), 2);
	OK(add_events(w, names, 2));
	assert_int_equal(seq_of(b->reader, "j1"), 3);
	database_close(other.db);
}

/* Both results, the events in the two jobs, and what comes next. */
static void check_both(struct bench *b, enum store_result first, enum store_result second,
                       const uint64_t *written)
{
	assert_true(first == STORE_OK || first == STORE_CONFLICT);
	assert_true(second == STORE_CONFLICT || (second == STORE_OK && first == STORE_OK));
	for (int again = 0; again < 2; again++) {
		assert_int_equal(seq_of(b->reader, "j0"), written[0] + (first == STORE_OK));
		assert_int_equal(seq_of(b->reader, "j1"), written[1] + (second == STORE_OK));
	}
	/* The answers may have come before the connection ended. */
	if (add_events(b->writer, names, 2) != STORE_OK)
		OK(add_events(b->writer, names, 2));
	assert_int_equal(seq_of(b->reader, "j0"), written[0] + (first == STORE_OK) + 1);
}

static void the_connection_is_lost_while_two_commit(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;

	keep_jobs(w);
	for (int i = 0; i < 5; i++) {
		uint64_t written[] = { seq_of(b->reader, "j0"), seq_of(b->reader, "j1") };
		send_two(w, "j0", "j1");
		end_connections(b);
		enum store_result first = finish(w), second = finish(w);
		check_both(b, first, second, written);
	}
}

static void read_text(const struct bench *b, char text[64])
{
	ask_server(b,
	           "SELECT encode(last, 'hex') FROM nodes WHERE seen > now() - interval '1 hour'",
	           text, 64);
}

/* Before it writes anything: what was lost with the old one may come later. */
static void a_new_connection_takes_the_text_away(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	const char *none[] = { "none" };
	char before[64], after[64];

	make_jobs(w);
	read_text(b, before);
	assert_int_equal(strlen(before), 32);
	end_connections(b);
	for (int i = 0; i < 2; i++) { /* the first one may find that the connection is lost */
		OK(w->ops->begin(w));
		expect_jobs(w, none, 1);
		w->ops->rollback(w);
	}
	read_text(b, after);
	assert_int_equal(strlen(after), 32);
	assert_string_not_equal(after, before);
	OK(add_events(w, names, 1));
}

/* A lock that is held until the connection has ended says how far they have come. */
static void of_two_that_wait_some_are_committed(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;

	keep_jobs(w);
	for (int waits = 0; waits < 2; waits++) {
		uint64_t written[] = { seq_of(b->reader, "j0"), seq_of(b->reader, "j1") };
		FILE *holder = lock_job(b, names[waits]);
		send_two(w, "j0", "j1");
		while (seq_of(b->reader, "j0") < written[0] + (uint64_t)waits)
			;
		end_connections(b);
		assert_int_equal(finish(w), waits ? STORE_OK : STORE_CONFLICT);
		assert_int_equal(finish(w), STORE_CONFLICT);
		pclose(holder);
		check_both(b, waits ? STORE_OK : STORE_CONFLICT, STORE_CONFLICT, written);
	}
}

/* ---- answers, which are taken to be absent ---- */

static enum store_result expect_answer(struct store *s, const char *job, const char *key)
{
	struct expected_job jobs[] = { { job, false } };
	struct expected_answer answers[] = { { .job = job, .key = key } };
	struct expected rows = {
		.jobs = jobs, .answers = answers, .job_count = 1, .answer_count = 1
	};

	return s->ops->expect(s, &rows);
}

/* What the engine does with a request that has a key; a refused one has no answer that is kept. */
static enum store_result request(struct store *s, const char *job, const char *key, bool refused,
                                 bool *replayed)
{
	struct idempotency_row found = { 0 };
	struct job_row row = { 0 };
	char scope[ID_MAX + 1];
	enum store_result r = s->ops->begin(s);

	*replayed = false;
	if (r == STORE_OK)
		r = expect_answer(s, job, key);
	if (r == STORE_OK)
		r = s->ops->job_get(s, job, &row);
	job_scope(row.key, scope);
	if (r == STORE_OK)
		r = s->ops->idempotency_get(s, scope, key, &found);
	*replayed = r == STORE_OK;
	if (r == STORE_NONE)
		r = refused ? STORE_OK : add_event(s, job);
	if (r == STORE_OK && !refused && !*replayed) {
		struct idempotency_row answer = an_answer(scope, key, 1);
		r = s->ops->idempotency_put(s, &answer);
	}
	if (r == STORE_OK)
		r = s->ops->commit(s);
	if (r != STORE_OK)
		s->ops->rollback(s);
	free(found.body);
	job_row_finish(&row);
	return r;
}

static void a_repeated_request_is_run_again_and_replayed(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	bool replayed;

	make_jobs(w);
	OK(request(w, "j0", "k", false, &replayed));
	assert_false(replayed);
	assert_int_equal(request(w, "j0", "k", false, &replayed), STORE_CONFLICT);
	assert_true(w->stale);
	OK(request(w, "j0", "k", false, &replayed));
	assert_true(replayed);
	OK(request(w, "j0", "k", false, &replayed)); /* for a while answers are read */
	assert_true(replayed);
	assert_int_equal(seq_of(b->reader, "j0"), 1);
}

/* It would have been refused now, and was not when it came first. */
static void a_repeated_request_is_not_refused(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	bool replayed;

	make_jobs(w);
	OK(request(w, "j0", "k", false, &replayed));
	assert_int_equal(request(w, "j0", "k", true, &replayed), STORE_CONFLICT);
	assert_true(w->stale);
	OK(request(w, "j0", "k", true, &replayed));
	assert_true(replayed);
	OK(request(w, "j0", "new", true, &replayed));
	assert_false(replayed);
}

/* A deletion makes the transaction forget what it has read. */
static void a_repeated_request_is_not_refused_beside_a_deletion(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct expected_job jobs[] = { { "j0", false }, { "j1", false } };
	struct expected_answer answers[] = { { .job = "j0", .key = "k" } };
	struct expected rows = {
		.jobs = jobs, .answers = answers, .job_count = 2, .answer_count = 1
	};
	struct idempotency_row found;
	struct job_row j0 = { 0 }, j1 = { 0 };
	char scope[ID_MAX + 1];
	bool replayed;

	make_jobs(w);
	OK(request(w, "j0", "k", false, &replayed));
	OK(w->ops->begin(w));
	OK(w->ops->expect(w, &rows));
	OK(w->ops->job_get(w, "j0", &j0));
	OK(w->ops->job_get(w, "j1", &j1));
	job_scope(j0.key, scope);
	NONE(w->ops->idempotency_get(w, scope, "k", &found));
	enum store_result r = w->ops->job_delete(w, &j1);
	if (r == STORE_OK)
		r = w->ops->commit(w);
	assert_int_equal(r, STORE_CONFLICT);
	assert_true(w->stale);
	w->ops->rollback(w);
	OK(w->ops->begin(w));
	OK(w->ops->expect(w, &rows)); /* reads */
	OK(w->ops->idempotency_get(w, scope, "k", &found));
	OK(w->ops->commit(w));
	free(found.body);
	job_row_finish(&j0);
	job_row_finish(&j1);
}

static void new_requests_are_not_looked_for(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	char key[16];
	bool replayed;

	make_jobs(w);
	for (int i = 0; i < 20; i++) {
		snprintf(key, sizeof key, "k%d", i);
		OK(request(w, "j0", key, i % 4 == 3, &replayed));
		assert_false(replayed);
	}
	assert_int_equal(seq_of(b->reader, "j0"), 15);
	OK(w->ops->begin(w));
	OK(expect_answer(w, "j0", "k0"));
	char locks[16];
	ask_server(b, "SELECT count(*) FROM pg_locks WHERE relation = 'idempotency'::regclass",
	           locks, sizeof locks);
	assert_string_equal(locks, "0");
	w->ops->rollback(w);
}

static void answers_are_taken_to_be_absent_again_after_a_while(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	bool replayed;
	uint64_t began = clock_monotonic_ms();

	make_jobs(w);
	OK(request(w, "j0", "k", false, &replayed));
	while (request(w, "j0", "k", false, &replayed) == STORE_CONFLICT)
		;
	assert_true(replayed);
	/* Each is read, and answered, until the time is over. */
	do {
		assert_true(clock_monotonic_ms() - began < 60 * ANSWERS_MS);
		OK(add_events(w, names, 1)); /* whose rows are kept */
	} while (request(w, "j0", "k", false, &replayed) == STORE_OK);
	assert_true(clock_monotonic_ms() - began >= ANSWERS_MS);
}

static const struct CMUnitTest promises[] = {
	STORE_TEST(the_next_transaction_goes_on_from_the_one_before),
	STORE_TEST(a_chain_of_transactions_is_committed),
	STORE_TEST(a_new_job_can_be_written_at_once),
	STORE_TEST(nobody_sees_it_before_it_is_sent),
	STORE_TEST(a_row_that_would_be_read_is_early),
	STORE_TEST(no_row_comes_to_a_transaction_that_has_asked),
	STORE_TEST(rows_that_were_read_are_not_kept_ones),
	STORE_TEST(a_transaction_that_began_early_reads_nothing),
	STORE_TEST(what_was_not_expected_ends_the_transaction),
	STORE_TEST(the_next_one_is_lost_with_the_one_before),
	STORE_TEST(another_node_is_faster_than_the_next_one),
	STORE_TEST(the_connection_is_lost_while_one_commits),
	STORE_TEST(a_wait_ends_when_the_descriptor_can_be_read),
	STORE_TEST(two_of_different_jobs_are_under_way),
	STORE_TEST(a_chain_of_two_at_once_is_committed),
	STORE_TEST(a_job_that_is_under_way_is_not_sent_again),
	STORE_TEST(a_third_one_waits),
	STORE_TEST(one_that_writes_nothing_is_not_sent_early),
	STORE_TEST(a_version_is_that_of_who_wrote_it),
	STORE_TEST(both_are_lost_with_the_first_one),
	STORE_TEST(the_second_one_fails_alone),
	STORE_TEST(the_connection_is_lost_while_two_commit),
	STORE_TEST(a_new_connection_takes_the_text_away),
	STORE_TEST(of_two_that_wait_some_are_committed),
	STORE_TEST(a_repeated_request_is_run_again_and_replayed),
	STORE_TEST(a_repeated_request_is_not_refused),
	STORE_TEST(a_repeated_request_is_not_refused_beside_a_deletion),
	STORE_TEST(new_requests_are_not_looked_for),
	STORE_TEST(answers_are_taken_to_be_absent_again_after_a_while),
};

int main(void)
{
	return _cmocka_run_group_tests("sent", promises, sizeof promises / sizeof *promises, NULL,
	                               NULL);
}
