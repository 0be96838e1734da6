/*
 * The store thread with a store that fails: what it answers then, and what its chores do, which no
 * client sees. Tests wait until the thread has done something; the hooks below report that.
 */
#include "store_kit.h"

#include <limits.h>
#include <pthread.h>

#include "faulty_store.h"
#include "joblight/core/decode.h"
#include "joblight/work/writer.h"

#define PATIENCE_S 120
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

static enum store_result hooked_prune(struct store *s, int64_t keys, int64_t logs, uint64_t most,
                                      size_t budget)
{
	enum store_result r = faulty_prune(s, keys, logs, most, budget);

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
	faulty_init(&o->store, o->bench.writer, &o->ops, true);
	o->ops.begin = hooked_begin;
	o->ops.commit = hooked_commit;
	o->ops.prune = hooked_prune;
	o->ops.event_add = hooked_event_add;
	o->ops.checkpoint = hooked_checkpoint;
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

/* Waits until the count is reached; two minutes are for machines that are busy. */
static void wait_for(struct office *o, const unsigned *count, unsigned least)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	pthread_mutex_lock(&o->lock);
	while (*count < least && pthread_cond_timedwait(&o->changed, &o->lock, &until) == 0)
		;
	unsigned reached = *count;
	pthread_mutex_unlock(&o->lock);
	assert_in_range(reached, least, UINT_MAX);
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

static void what_was_not_committed_is_refused(void **state)
{
	struct office *o = *state;

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
	submit(o, OP_TASK_REPORT, "j", "{\"taskId\":\"a\"}");
	wait_for(o, &o->answers, 3);
	assert_int_equal(o->refusals, 1);
	assert_int_equal(o->events, 2);
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

	an_old_job(o, "old", 10);
	o->failing_commits = 2;
	start(o);
	while (first_of(o, "old") < 10)
		wait_for(o, &o->commits, o->commits + 1);
	assert_int_equal(o->failing_commits, 0);
	submit(o, OP_JOB_CREATE, "j", "{\"title\":\"T\"}");
	wait_for(o, &o->answers, 1);
	assert_int_equal(o->refusals, 0);
}

static void a_silence_that_cannot_be_committed_is_told_later(void **state)
{
	struct office *o = *state;

	o->limits.min_silence_ms = 40;
	o->spared_commits = 1; /* the job's */
	o->failing_commits = 3;
	start(o);
	submit(o, OP_JOB_CREATE, "j",
	       "{\"title\":\"T\",\"heartbeatTimeoutMs\":40,\"tasks\":[{\"id\":\"t\",\"status\":"
	       "\"in_progress\"}]}");
	wait_for(o, &o->batches_of_nobody, 1);
	assert_int_equal(o->refusals, 0);
	assert_int_equal(o->events, 2);
	assert_int_equal(o->failing_commits, 0);
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
	OK(r->ops->prunable(r, 0, 0, UINT64_MAX, SIZE_MAX, &rows));
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

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest promises[] = {
	TEST(what_was_not_committed_is_refused),
	TEST(what_cannot_be_begun_is_refused),
	TEST(pruning_that_cannot_be_committed_is_rolled_back_and_tried_again),
	TEST(a_silence_that_cannot_be_committed_is_told_later),
	TEST(the_thread_checkpoints_after_it_has_written),
	TEST(a_checkpoint_comes_before_the_next_transaction),
	TEST(pruning_has_its_share_however_busy_the_thread_is),
	TEST(pruning_keeps_up_with_the_jobs_that_can_be_made_and_deleted),
};

int main(void)
{
	int failed;

	location = ":memory:";
	failed = cmocka_run_group_tests_name("writer, memory", promises, NULL, NULL);
	location = NULL;
	return failed + cmocka_run_group_tests_name("writer, sqlite", promises, NULL, NULL);
}
