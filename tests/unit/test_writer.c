/*
 * The store thread with a store that fails: what it answers then, and what its chores do, which no
 * client sees. Tests wait until the thread has done something; the hooks below report that.
 */
#include "store_kit.h"

#include "joblight/base/clock.h"

#include <limits.h>
#include <pthread.h>

#include "counts.h"
#include "faulty_store.h"
#include "joblight/core/decode.h"
#include "joblight/core/metric.h"
#include "joblight/work/writer.h"

#define CYCLE_EVENTS 64 /* of a job in a lane, see next_in_lane() */

struct office {
	struct bench bench;
	struct limits limits;
	struct faulty_store store;
	struct store_ops ops;
	struct writer *writer;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under the lock */
	unsigned answers, refusals, events, batches_of_nobody;
	unsigned commits, prunes, checkpoints, failing_commits, failing_begins;
	unsigned spared_commits; /* commits that succeed before those that fail */
	bool relevant; /* of the store thread: its transaction logs or removes something, so that
	                  its commit may fail */
	bool flood;    /* every answer submits another op, so that one is always waiting */
	unsigned flooded;
	bool cycling; /* the same with jobs that are created and deleted */
	unsigned deletions;
	unsigned conflicts;
	uint64_t poison_seq;         /* the first one of POISON that cannot be written */
	bool rewriting;              /* the store goes on rewriting */
	enum store_result rewritten; /* its result */
	unsigned rewrites;           /* calls */
};

static struct office *office; /* the hooks get no context */

/* ---- hooks ---- */

static void note(unsigned *count)
{
	pthread_mutex_lock(&office->lock);
	++*count;
	pthread_cond_broadcast(&office->changed);
	pthread_mutex_unlock(&office->lock);
}

static bool take_one(unsigned *count)
{
	pthread_mutex_lock(&office->lock);
	bool some = *count > 0;
	*count -= some;
	pthread_mutex_unlock(&office->lock);
	return some;
}

static enum store_result hooked_begin(struct store *s)
{
	office->relevant = false;
	if (take_one(&office->failing_begins)) {
		snprintf(s->error, sizeof s->error, "a fault was asked for");
		return STORE_BUSY;
	}
	return faulty_begin(s);
}

static enum store_result hooked_commit(struct store *s)
{
	if (office->relevant && !take_one(&office->spared_commits) &&
	    take_one(&office->failing_commits)) {
		snprintf(s->error, sizeof s->error, "a fault was asked for");
		return STORE_FULL;
	}
	enum store_result r = faulty_commit(s);
	note(&office->commits);
	return r;
}

static enum store_result hooked_event_add(struct store *s, int64_t job, const struct event_row *row)
{
	office->relevant = true;
	return faulty_event_add(s, job, row);
}

#define POISON "poison" /* the id of a job that no transaction can write */

static enum store_result hooked_job_put(struct store *s, struct job_row *row)
{
	if (strcmp(row->id, POISON) != 0 || row->seq < office->poison_seq)
		return faulty_job_put(s, row);
	snprintf(s->error, sizeof s->error, "a conflict was asked for");
	note(&office->conflicts);
	return STORE_CONFLICT;
}

static enum store_result hooked_prune(struct store *s, const struct prune_limits *limits,
                                      size_t budget)
{
	enum store_result r = faulty_prune(s, limits, budget);

	office->relevant |= r == STORE_OK;
	if (r == STORE_OK)
		note(&office->prunes);
	return r;
}

static enum store_result hooked_checkpoint(struct store *s)
{
	enum store_result r = faulty_checkpoint(s);

	note(&office->checkpoints);
	return r;
}

/* Goes on for as long as the test wants. */
static enum store_result hooked_rewrite(struct store *s)
{
	(void)s;
	pthread_mutex_lock(&office->lock);
	enum store_result r = office->rewriting ? STORE_BUSY : office->rewritten;
	pthread_mutex_unlock(&office->lock);
	note(&office->rewrites);
	return r;
}

static struct op *an_op(enum op_kind kind, const char *job, const char *body)
{
	struct op *op = op_create(kind);
	struct problem problem = { 0 };

	snprintf(op->job_id, sizeof op->job_id, "%s", job);
	if (body && !decode_json(&office->limits, slice_of(body), op, &problem))
		fail_msg("%s", problem.detail);
	problem_finish(&problem);
	return op;
}

/*
 * Each answer submits the next op: a job is created, updated many times, and deleted, again and
 * again.
 */
static struct op *next_in_lane(const struct op *done)
{
	static char reports[CYCLE_EVENTS * 24];

	if (!reports[0]) {
		memset(reports, 0, sizeof reports);
		for (int i = 0; i < CYCLE_EVENTS; i++)
			strcat(reports, i ? ",{\"taskId\":\"t\"}" : "[{\"taskId\":\"t\"}");
		strcat(reports, "]");
	}
	if (done->kind == OP_JOB_CREATE)
		return an_op(OP_TASK_REPORT, done->job_id, reports);
	if (done->kind == OP_TASK_REPORT)
		return an_op(OP_JOB_DELETE, done->job_id, NULL);
	struct op *op = an_op(OP_JOB_CREATE, "", "{\"title\":\"T\"}");
	memcpy(op->job_id, done->job_id, sizeof op->job_id);
	return op;
}

static void submit_or_free(struct office *o, struct op *op)
{
	if (!writer_submit(o->writer, op)) /* it is stopping */
		op_free(op);
}

static void deliver(void *context, struct batch *batch, struct op *ops)
{
	struct office *o = context;
	bool more = false;

	pthread_mutex_lock(&o->lock);
	o->events += batch ? (unsigned)batch->count : 0;
	o->batches_of_nobody += !ops;
	for (struct op *op = ops, *next; op; op = next) {
		next = (struct op *)op->mail.next;
		o->answers++;
		o->refusals += op->problem.outcome == OUTCOME_STORAGE_UNAVAILABLE;
		more = o->flood;
		o->deletions += op->kind == OP_JOB_DELETE;
		if (o->cycling)
			submit_or_free(o, next_in_lane(op));
		op_free(op);
	}
	o->flooded += more;
	pthread_cond_broadcast(&o->changed);
	pthread_mutex_unlock(&o->lock);
	if (more)
		submit_or_free(o,
		               an_op(OP_TASK_REPORT, "busy", "{\"taskId\":\"t\",\"note\":\"n\"}"));
}

/* ---- the office ---- */

static const char *location;

static int setup(void **state)
{
	struct office *o = office = xcalloc(1, sizeof *o);

	bench_directory(&o->bench);
	snprintf(o->bench.location, sizeof o->bench.location, location ? location : "%s/jobs.db",
	         o->bench.directory);
	bench_open(&o->bench);
	o->limits = limits_default;
	o->limits.job_retention_ms = 0;
	faulty_init(&o->store, o->bench.writer, &o->ops, true);
	o->ops.begin = hooked_begin;
	o->ops.commit = hooked_commit;
	o->ops.prune = hooked_prune;
	o->ops.event_add = hooked_event_add;
	o->ops.job_put = hooked_job_put;
	o->ops.checkpoint = hooked_checkpoint;
	o->ops.rewrite = hooked_rewrite;
	o->rewritten = STORE_OK;
	pthread_mutex_init(&o->lock, NULL);
	pthread_cond_init(&o->changed, NULL);
	*state = o;
	return 0;
}

static int teardown(void **state)
{
	struct office *o = *state;

	pthread_mutex_lock(&o->lock);
	o->flood = o->cycling = false;
	pthread_mutex_unlock(&o->lock);
	if (o->writer) {
		writer_stop(o->writer);
		writer_free(o->writer);
	}
	bench_close(&o->bench);
	bench_remove(&o->bench);
	free(o);
	return 0;
}

static void start(struct office *o)
{
	o->writer = writer_start(&o->store.base, &o->limits, deliver, o);
}

static void submit(struct office *o, enum op_kind kind, const char *job, const char *body)
{
	assert_true(writer_submit(o->writer, an_op(kind, job, body)));
}

static void wait_for(struct office *o, const unsigned *count, unsigned least)
{
	wait_for_count(&o->lock, &o->changed, count, least);
}

static uint64_t first_of(struct office *o, const char *job)
{
	struct store *r = o->bench.reader;
	struct job_row row = { 0 };

	OK(r->ops->begin(r));
	OK(r->ops->job_get(r, job, &row));
	OK(r->ops->commit(r));
	job_row_finish(&row);
	return row.first;
}

/* A job that ended long ago. */
static void an_old_job(struct office *o, const char *id, uint64_t events)
{
	struct store *w = o->bench.writer;

	OK(w->ops->begin(w));
	job_with_events(w, id, events, 1000);
	OK(w->ops->commit(w));
}

/* ---- promises ---- */

/* What all threads have counted. */
static uint64_t counted(unsigned first, unsigned last)
{
	struct metric_values v;

	metrics_sum(&v);
	return metrics_total(&v, first, last);
}

static void what_was_not_committed_is_refused(void **state)
{
	struct office *o = *state;
	uint64_t failed = counted(METRIC_COMMIT_FAILURES, METRIC_COMMIT_FAILURES);

	start(o);
	submit(o, OP_JOB_CREATE, "j", "{\"title\":\"T\"}");
	wait_for(o, &o->answers, 1);
	assert_int_equal(o->refusals, 0);
	pthread_mutex_lock(&o->lock);
	o->failing_commits = 1;
	pthread_mutex_unlock(&o->lock);
	submit(o, OP_TASK_REPORT, "j", "[{\"taskId\":\"a\"},{\"taskId\":\"b\"}]");
	wait_for(o, &o->answers, 2);
	assert_int_equal(o->refusals, 1);
	assert_int_equal(o->events, 1); /* and it was not published */
	assert_int_equal(counted(METRIC_COMMIT_FAILURES, METRIC_COMMIT_FAILURES), failed + 1);
	assert_int_equal(counted(METRIC_STORE_FAILING, METRIC_STORE_FAILING), 1);
	submit(o, OP_TASK_REPORT, "j", "{\"taskId\":\"a\"}");
	wait_for(o, &o->answers, 3);
	assert_int_equal(o->refusals, 1);
	assert_int_equal(o->events, 2);
	assert_int_equal(counted(METRIC_STORE_FAILING, METRIC_STORE_FAILING), 0);
}

#define GROUP 20

/* The thread cannot deliver the first answer before all of the group wait. */
static void one_that_cannot_be_written_fails_alone(void **state)
{
	struct office *o = *state;
	char id[16];

	start(o);
	pthread_mutex_lock(&o->lock);
	submit(o, OP_JOB_CREATE, "first", "{\"title\":\"T\"}");
	for (int i = 0; i < GROUP; i++) {
		snprintf(id, sizeof id, "j%d", i);
		submit(o, OP_JOB_CREATE, i == GROUP / 3 ? POISON : id, "{\"title\":\"T\"}");
	}
	pthread_mutex_unlock(&o->lock);
	wait_for(o, &o->answers, 1 + GROUP);
	assert_int_equal(o->refusals, 1);
	assert_int_equal(o->events, GROUP);
	assert_in_range(o->conflicts, 3, 20); /* in halves, and not without end */
}

static void what_cannot_be_begun_is_refused(void **state)
{
	struct office *o = *state;

	o->failing_begins = 1000000;
	start(o);
	submit(o, OP_JOB_CREATE, "j", "{\"title\":\"T\"}");
	wait_for(o, &o->answers, 1);
	assert_int_equal(o->refusals, 1);
	assert_int_equal(o->events, 0);
}

static void pruning_that_cannot_be_committed_is_rolled_back_and_tried_again(void **state)
{
	struct office *o = *state;
	uint64_t failed = counted(METRIC_CHORE_FAILURES, METRIC_CHORE_FAILURES_LAST);

	an_old_job(o, "old", 10);
	o->failing_commits = 2;
	start(o);
	while (first_of(o, "old") < 10)
		wait_for(o, &o->commits, o->commits + 1);
	assert_int_equal(o->failing_commits, 0);
	assert_int_equal(counted(METRIC_CHORE_FAILURES, METRIC_CHORE_FAILURES_LAST), failed + 2);
	submit(o, OP_JOB_CREATE, "j", "{\"title\":\"T\"}");
	wait_for(o, &o->answers, 1);
	assert_int_equal(o->refusals, 0);
}

#define SILENT                                                                                     \
	"{\"title\":\"T\",\"heartbeatTimeoutMs\":40,\"tasks\":[{\"id\":\"t\",\"status\":"          \
	"\"in_progress\"}]}"

static void a_silence_that_cannot_be_committed_is_told_later(void **state)
{
	struct office *o = *state;

	o->limits.min_silence_ms = 40;
	o->spared_commits = 1; /* the job's */
	o->failing_commits = 3;
	start(o);
	submit(o, OP_JOB_CREATE, "j", SILENT);
	wait_for(o, &o->batches_of_nobody, 1);
	assert_int_equal(o->refusals, 0);
	assert_int_equal(o->events, 2);
	assert_int_equal(o->failing_commits, 0);
}

/* The tasks of the jobs are created at the same time, and so their silence is noticed at once. */
static void a_silence_that_collides_delays_no_other(void **state)
{
	struct office *o = *state;

	o->limits.min_silence_ms = 40;
	o->poison_seq = 2; /* it can be created */
	start(o);
	pthread_mutex_lock(&o->lock);
	submit(o, OP_JOB_CREATE, "first", "{\"title\":\"T\"}");
	submit(o, OP_JOB_CREATE, "a", SILENT);
	submit(o, OP_JOB_CREATE, POISON, SILENT);
	submit(o, OP_JOB_CREATE, "b", SILENT);
	pthread_mutex_unlock(&o->lock);
	wait_for(o, &o->events, 4 + 2);
	pthread_mutex_lock(&o->lock);
	o->poison_seq = UINT64_MAX;
	pthread_mutex_unlock(&o->lock);
	wait_for(o, &o->events, 4 + 3); /* it is tried again */
	assert_int_equal(o->refusals, 0);
}

static void the_thread_checkpoints_after_it_has_written(void **state)
{
	struct office *o = *state;
	unsigned before;

	start(o);
	wait_for(o, &o->checkpoints, 1);
	before = o->checkpoints;
	submit(o, OP_JOB_CREATE, "j", "{\"title\":\"T\"}");
	wait_for(o, &o->checkpoints, before + 1);
}

/*
 * Each time the thread has written, it has an opportunity before it begins again, and it must use
 * it.
 */
static void a_checkpoint_comes_before_the_next_transaction(void **state)
{
	struct office *o = *state;

	start(o);
	submit(o, OP_JOB_CREATE, "j", "{\"title\":\"T\"}");
	wait_for(o, &o->answers, 1);
	for (unsigned answers = 2; answers <= 3; answers++) {
		submit(o, OP_TASK_REPORT, "j", "{\"taskId\":\"a\"}");
		wait_for(o, &o->answers, answers);
	}
	pthread_mutex_lock(&o->lock);
	unsigned checkpoints = o->checkpoints;
	pthread_mutex_unlock(&o->lock);
	assert_in_range(checkpoints, 2, UINT_MAX);
}

/*
 * Each answer submits the next op before the thread can idle; more rows can be pruned than one step
 * removes.
 */
static void pruning_has_its_share_however_busy_the_thread_is(void **state)
{
	struct office *o = *state;

	an_old_job(o, "old", 100000);
	start(o);
	submit(o, OP_JOB_CREATE, "busy", "{\"title\":\"T\"}");
	wait_for(o, &o->answers, 1);
	pthread_mutex_lock(&o->lock);
	o->flood = true;
	pthread_mutex_unlock(&o->lock);
	submit(o, OP_TASK_REPORT, "busy", "{\"taskId\":\"t\"}");
	wait_for(o, &o->flooded, 10);
	while (first_of(o, "old") < 100000)
		wait_for(o, &o->commits, o->commits + 1);
	pthread_mutex_lock(&o->lock);
	o->flood = false;
	pthread_mutex_unlock(&o->lock);
	assert_in_range(o->flooded, 0, 500000); /* a step a second would take millions, in memory */
	assert_int_equal(o->refusals, 0);
}

static uint64_t overdue(struct office *o)
{
	struct store *r = o->bench.reader;
	uint64_t rows;

	OK(r->ops->begin(r));
	OK(prunable(r, 0, 0, UINT64_MAX, SIZE_MAX, &rows));
	OK(r->ops->commit(r));
	return rows;
}

/* As many jobs at a time as a transaction can hold, with a write waiting at all times. */
static void pruning_keeps_up_with_the_jobs_that_can_be_made_and_deleted(void **state)
{
	struct office *o = *state;
	char id[16];

	start(o);
	o->cycling = true;
	for (int lane = 0; lane < 64; lane++) {
		snprintf(id, sizeof id, "lane%d", lane);
		submit(o, OP_JOB_CREATE, id, "{\"title\":\"T\"}");
	}
	for (unsigned deletions = 1000; deletions <= 4000; deletions += 1000) {
		wait_for(o, &o->deletions, deletions);
		assert_in_range(overdue(o), 0, 500 * CYCLE_EVENTS);
	}
	assert_int_equal(o->refusals, 0);
}

static bool has_job(struct office *o, const char *id)
{
	struct store *r = o->bench.reader;
	struct job_row row = { 0 };

	OK(r->ops->begin(r));
	bool found = r->ops->job_get(r, id, &row) == STORE_OK;
	OK(r->ops->commit(r));
	job_row_finish(&row);
	return found;
}

static void set_rewriting(struct office *o, bool on)
{
	pthread_mutex_lock(&o->lock);
	o->rewriting = on;
	pthread_mutex_unlock(&o->lock);
}

/* The job that is made while the database is being rewritten. */
static void updates_wait_for_a_rewriting_that_is_short(void **state)
{
	struct office *o = *state;

	start(o);
	set_rewriting(o, true);
	submit(o, OP_REWRITE, "", NULL);
	wait_for(o, &o->rewrites, 2);
	submit(o, OP_JOB_CREATE, "j", "{\"title\":\"T\"}");
	unsigned before = o->rewrites;
	wait_for(o, &o->rewrites, before + 3);
	assert_int_equal(o->answers, 0);
	set_rewriting(o, false);
	wait_for(o, &o->answers, 2);
	assert_int_equal(o->refusals, 0);
	assert_true(has_job(o, "j"));
}

/* And what was written before it in the same mail is not lost. */
static void updates_are_refused_while_a_long_rewriting_goes_on(void **state)
{
	struct office *o = *state;

	start(o);
	set_rewriting(o, true);
	submit(o, OP_JOB_CREATE, "first", "{\"title\":\"T\"}");
	submit(o, OP_REWRITE, "", NULL);
	submit(o, OP_JOB_CREATE, "second", "{\"title\":\"T\"}");
	wait_for(o, &o->refusals, 1);
	submit(o, OP_JOB_CREATE, "third", "{\"title\":\"T\"}");
	wait_for(o, &o->refusals, 2);
	assert_int_equal(o->answers, 3); /* but not that of the rewriting */
	set_rewriting(o, false);
	wait_for(o, &o->answers, 4);
	submit(o, OP_JOB_CREATE, "fourth", "{\"title\":\"T\"}");
	wait_for(o, &o->answers, 5);
	assert_int_equal(o->refusals, 2);
	assert_true(has_job(o, "first") && has_job(o, "fourth"));
	assert_false(has_job(o, "second") || has_job(o, "third"));
}

static void a_rewriting_that_fails_is_answered_503(void **state)
{
	struct office *o = *state;

	o->rewritten = STORE_FULL;
	start(o);
	submit(o, OP_REWRITE, "", NULL);
	wait_for(o, &o->refusals, 1);
	submit(o, OP_JOB_CREATE, "j", "{\"title\":\"T\"}");
	wait_for(o, &o->answers, 2);
	assert_int_equal(o->refusals, 1);
}

static void a_stop_does_not_wait_for_a_rewriting(void **state)
{
	struct office *o = *state;

	start(o);
	set_rewriting(o, true);
	submit(o, OP_REWRITE, "", NULL);
	wait_for(o, &o->rewrites, 2);
	writer_stop(o->writer);
	assert_int_equal(o->answers, 1);
	writer_free(o->writer);
	o->writer = NULL;
}

/* More than one step removes; watchers are told, and an open job stays. */
static void jobs_whose_time_is_over_are_removed(void **state)
{
	struct office *o = *state;
	struct store *w = o->bench.writer;
	char id[16];

	OK(w->ops->begin(w));
	job_with_events(w, "open", 1, 0);
	job_with_events(w, "new", 1, clock_wall_ms() - 1000);
	for (int i = 0; i < 100; i++) {
		snprintf(id, sizeof id, "old%d", i);
		job_with_events(w, id, 3, clock_wall_ms() - 100000);
	}
	OK(w->ops->commit(w));
	o->limits.job_retention_ms = 100000;
	start(o);
	wait_for(o, &o->events, 100); /* their deletions */
	assert_int_equal(o->events, 100);
	assert_false(has_job(o, "old0") || has_job(o, "old99"));
	assert_true(has_job(o, "open") && has_job(o, "new"));
	submit(o, OP_JOB_CREATE, "old7", "{\"title\":\"T\"}");
	wait_for(o, &o->answers, 1);
	assert_int_equal(o->refusals, 0);
	assert_true(has_job(o, "old7"));
}

static void a_database_that_is_too_large_loses_the_oldest_logs(void **state)
{
	struct office *o = *state;
	struct store *w = o->bench.writer;
	struct store_space space;

	OK(w->ops->begin(w));
	job_with_events(w, "open", 100, 0);
	job_with_events(w, "older", 20000, clock_wall_ms() - 2000);
	OK(w->ops->space(w, &space));
	job_with_events(w, "newer", 2000, clock_wall_ms() - 1000);
	OK(w->ops->commit(w));
	o->limits.retention_total = space.used;
	start(o);
	while (first_of(o, "older") == 1)
		wait_for(o, &o->commits, o->commits + 1);
	submit(o, OP_JOB_CREATE, "j", "{\"title\":\"T\"}");
	wait_for(o, &o->answers, 1);
	OK(o->bench.reader->ops->begin(o->bench.reader));
	OK(o->bench.reader->ops->space(o->bench.reader, &space));
	OK(o->bench.reader->ops->commit(o->bench.reader));
	assert_int_equal(first_of(o, "newer"), 1);
	assert_int_equal(first_of(o, "open"), 1);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest promises[] = {
	TEST(what_was_not_committed_is_refused),
	TEST(one_that_cannot_be_written_fails_alone),
	TEST(what_cannot_be_begun_is_refused),
	TEST(pruning_that_cannot_be_committed_is_rolled_back_and_tried_again),
	TEST(a_silence_that_cannot_be_committed_is_told_later),
	TEST(a_silence_that_collides_delays_no_other),
	TEST(the_thread_checkpoints_after_it_has_written),
	TEST(a_checkpoint_comes_before_the_next_transaction),
	TEST(pruning_has_its_share_however_busy_the_thread_is),
	TEST(pruning_keeps_up_with_the_jobs_that_can_be_made_and_deleted),
	TEST(updates_wait_for_a_rewriting_that_is_short),
	TEST(updates_are_refused_while_a_long_rewriting_goes_on),
	TEST(a_rewriting_that_fails_is_answered_503),
	TEST(a_stop_does_not_wait_for_a_rewriting),
	TEST(jobs_whose_time_is_over_are_removed),
	TEST(a_database_that_is_too_large_loses_the_oldest_logs),
};

int main(void)
{
	int failed;

	location = ":memory:";
	failed = cmocka_run_group_tests_name("writer, memory", promises, NULL, NULL);
	location = NULL;
	return failed + cmocka_run_group_tests_name("writer, sqlite", promises, NULL, NULL);
}
