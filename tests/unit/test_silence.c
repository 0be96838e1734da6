/*
 * Silence is visible: when a task in progress gets no update for as long as its silence limit or
 * that of its job, it is reported as stalled, once, until the next update.  This is tested in
 * virtual time over each store, and then with the store thread.
 */
#include "store_kit.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "joblight/base/clock.h"
#include "joblight/base/random.h"
#include "joblight/core/decode.h"
#include "joblight/core/engine.h"
#include "joblight/core/query.h"
#include "joblight/work/writer.h"

#define NOON INT64_C(1770318000000)

static const char *location; /* of the store under test; NULL: a file of its own */

struct office {
	struct bench bench;
	struct limits limits;
	struct engine *engine;
	int64_t now;
};

static int setup(void **state)
{
	struct office *o = xcalloc(1, sizeof *o);
	struct bench *b = &o->bench;

	bench_directory(b);
	if (location)
		snprintf(b->location, sizeof b->location, "%s", location);
	else
		snprintf(b->location, sizeof b->location, "%s/jobs.db", b->directory);
	bench_open(b);
	o->limits = limits_default;
	o->engine = engine_create(b->writer, &o->limits, random_bytes);
	o->now = NOON;
	*state = o;
	return 0;
}

static int teardown(void **state)
{
	struct office *o = *state;

	engine_free(o->engine);
	bench_close(&o->bench);
	bench_remove(&o->bench);
	free(o);
	return 0;
}

/* ---- helpers ---- */

static struct op *decoded(const struct office *o, enum op_kind kind, const char *job,
                          const char *body)
{
	struct op *op = op_create(kind);
	struct problem problem = { 0 };

	snprintf(op->job_id, sizeof op->job_id, "%s", job);
	if (body && !decode_json(&o->limits, slice_of(body), op, &problem))
		fail_msg("%s", problem.detail);
	problem_finish(&problem);
	return op;
}

/* Runs one op in a transaction of its own; returns its outcome. */
static enum outcome done(struct office *o, struct op *op)
{
	struct batch *batch;
	enum outcome outcome;

	OK(engine_begin(o->engine, o->now, o->now, true));
	OK(engine_apply(o->engine, op));
	OK(engine_commit(o->engine, &batch));
	batch_release(batch);
	outcome = op->problem.outcome;
	op_free(op);
	return outcome;
}

static void say(struct office *o, enum op_kind kind, const char *job, const char *body)
{
	enum outcome outcome = done(o, decoded(o, kind, job, body));

	if (outcome_is_error(outcome))
		fail_msg("%s: %s", body, outcome_code(outcome));
}

static struct op *a_stall(const char *job, const char *task)
{
	struct op *op = op_create(OP_STALL);

	snprintf(op->job_id, sizeof op->job_id, "%s", job);
	snprintf(op->task_id, sizeof op->task_id, "%s", task);
	return op;
}

struct found {
	struct op *ops[16];
	size_t count;
};

static bool find(void *context, const char *job_id, const char *task_id)
{
	struct found *f = context;

	assert_in_range(f->count, 0, 15);
	f->ops[f->count++] = a_stall(job_id, task_id);
	return true;
}

/* What the store thread does every quarter of a second; returns how many silent tasks it found. */
static size_t look(struct office *o)
{
	struct store *s = o->bench.writer;
	struct found f = { 0 };

	OK(s->ops->begin(s));
	enum store_result r = s->ops->overdue_tasks(s, o->now, 16, find, &f);
	assert_int_equal(r, f.count ? STORE_OK : STORE_NONE);
	s->ops->rollback(s);
	for (size_t i = 0; i < f.count; i++)
		done(o, f.ops[i]);
	return f.count;
}

/* Lets time pass; the check at its end must find no / this many silent tasks. */
static void quiet(struct office *o, int64_t ms)
{
	o->now += ms;
	assert_int_equal(look(o), 0);
}

static void silent(struct office *o, int64_t ms, size_t tasks)
{
	quiet(o, ms - 1);
	o->now++;
	assert_int_equal(look(o), tasks);
	assert_int_equal(look(o), 0); /* once */
}

static bool keep_last(void *context, const struct event_row *row)
{
	struct buf *text = context;

	text->len = 0;
	buf_slice(text, row->json);
	return true;
}

/* The last event of the job whose key is 1; the tests make one job. */
static const char *last_event(struct office *o)
{
	static struct buf text;
	struct store *r = o->bench.reader;

	OK(r->ops->begin(r));
	OK(r->ops->events(r, 1, UINT64_MAX, true, 1, keep_last, &text));
	OK(r->ops->commit(r));
	return buf_string(&text);
}

static bool says(const char *text, const char *what)
{
	return strstr(text, what) != NULL;
}

static bool told_stalled(struct office *o)
{
	return says(last_event(o), "\"stalled\":true");
}

static uint64_t head(struct office *o, const char *job)
{
	struct store *r = o->bench.reader;
	struct job_row row = { 0 };

	OK(r->ops->begin(r));
	OK(r->ops->job_get(r, job, &row));
	OK(r->ops->commit(r));
	job_row_finish(&row);
	return row.seq;
}

static char *snapshot(struct office *o, const char *job)
{
	struct read_query q = { .kind = READ_JOB };
	struct read_result *r = read_result_create();

	snprintf(q.job_id, sizeof q.job_id, "%s", job);
	read_run(o->bench.reader, NULL, &q, r);
	assert_false(outcome_is_error(r->problem.outcome));
	char *text = xmemdup(read_result_json(r).ptr, read_result_json(r).len);
	read_result_release(r);
	return text;
}

static void job_with_a_task(struct office *o, const char *task)
{
	char body[256];

	snprintf(body, sizeof body,
	         "{\"id\":\"j\",\"title\":\"J\",\"tasks\":[{\"id\":\"t\",\"title\":\"T\"%s}]}",
	         task);
	say(o, OP_JOB_CREATE, "", body);
}

#define WAITING ",\"status\":\"in_progress\",\"heartbeatTimeoutMs\":5000"

/* ---- promises ---- */

static void a_silent_task_is_told_once(void **state)
{
	struct office *o = *state;

	job_with_a_task(o, WAITING);
	silent(o, 5000, 1);
	assert_true(told_stalled(o));
	assert_true(says(last_event(o),
	                 "\"type\":\"task_update\",\"jobId\":\"j\",\"seq\":2,\"taskId\":\"t\","
	                 "\"status\":\"in_progress\",\"title\":\"T\",\"heartbeatTimeoutMs\":5000"));
	quiet(o, 1000000);
	assert_int_equal(head(o, "j"), 2);
}

static void any_word_keeps_a_task_from_stalling(void **state)
{
	struct office *o = *state;

	job_with_a_task(o, WAITING);
	for (int i = 0; i < 3; i++) {
		quiet(o, 4999);
		say(o, OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");
		quiet(o, 4999);
		say(o, OP_TASK_REPORT, "j", "[{\"taskId\":\"t\",\"note\":\"n\"}]");
	}
	assert_int_equal(head(o, "j"), 7);
}

static void the_next_word_clears_it_and_counts_again(void **state)
{
	struct office *o = *state;
	char *text;

	job_with_a_task(o, WAITING);
	silent(o, 5000, 1);
	text = snapshot(o, "j");
	assert_true(says(text, "\"stalled\":true"));
	free(text);
	say(o, OP_TASK_REPORT, "j", "{\"taskId\":\"t\",\"progress\":50}");
	assert_false(told_stalled(o));
	text = snapshot(o, "j");
	assert_false(says(text, "stalled"));
	assert_true(says(text, "\"heartbeatTimeoutMs\":5000"));
	free(text);
	silent(o, 5000, 1);
	assert_true(told_stalled(o));
}

static void only_a_task_in_progress_is_waited_for(void **state)
{
	static const char *const others[] = { "pending", "blocked", "completed", "failed",
		                              "cancelled" };
	struct office *o = *state;
	char body[128];

	job_with_a_task(o, ",\"heartbeatTimeoutMs\":5000");
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		say(o, OP_TASK_REPORT, "j", "{\"taskId\":\"t\",\"status\":\"in_progress\"}");
		snprintf(body, sizeof body, "{\"taskId\":\"t\",\"status\":\"%s\"}", others[i]);
		say(o, OP_TASK_REPORT, "j", body);
		quiet(o, 100000);
	}
	say(o, OP_TASK_REPORT, "j", "{\"taskId\":\"t\",\"status\":\"in_progress\"}");
	silent(o, 5000, 1);
}

static void a_task_without_a_timeout_may_be_silent_for_ever(void **state)
{
	struct office *o = *state;

	job_with_a_task(o, ",\"status\":\"in_progress\"");
	quiet(o, INT64_C(1) << 40);
}

static void the_timeout_of_the_job_is_for_tasks_without_one(void **state)
{
	struct office *o = *state;

	say(o, OP_JOB_CREATE, "",
	    "{\"id\":\"j\",\"title\":\"J\",\"heartbeatTimeoutMs\":3000,\"tasks\":["
	    "{\"id\":\"a\",\"title\":\"A\",\"status\":\"in_progress\"},"
	    "{\"id\":\"b\",\"title\":\"B\",\"status\":\"in_progress\",\"heartbeatTimeoutMs\":7000},"
	    "{\"id\":\"c\",\"title\":\"C\",\"status\":\"in_progress\",\"heartbeatTimeoutMs\":0},"
	    "{\"id\":\"d\",\"title\":\"D\",\"status\":\"in_progress\",\"heartbeatTimeoutMs\":null}]"
	    "}");
	silent(o, 3000, 1);
	assert_true(says(last_event(o), "\"taskId\":\"a\"") && told_stalled(o));
	silent(o, 4000, 1);
	assert_true(says(last_event(o), "\"taskId\":\"b\"") && told_stalled(o));
	quiet(o, 1000000);
	say(o, OP_TASK_REPORT, "j", "{\"taskId\":\"new\",\"status\":\"in_progress\"}");
	silent(o, 3000, 1);
	assert_true(says(last_event(o), "\"taskId\":\"new\"") && told_stalled(o));
}

static void a_change_of_the_jobs_timeout_counts_from_each_tasks_last_word(void **state)
{
	struct office *o = *state;

	job_with_a_task(o, ",\"status\":\"in_progress\"");
	say(o, OP_JOB_PATCH, "j", "{\"heartbeatTimeoutMs\":2000}");
	assert_true(says(last_event(o), "\"heartbeatTimeoutMs\":2000"));
	assert_int_equal(head(o, "j"), 2); /* a task that only waits causes no event */
	quiet(o, 1000);
	say(o, OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");
	quiet(o, 1000);
	say(o, OP_JOB_PATCH, "j", "{\"heartbeatTimeoutMs\":9000}");
	silent(o, 8000, 1);
	say(o, OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");
	quiet(o, 5000);
	say(o, OP_JOB_PATCH, "j", "{\"heartbeatTimeoutMs\":1000}");
	assert_int_equal(look(o), 1); /* it had already been silent for longer */
}

static void turning_the_jobs_timeout_off_leaves_no_alarm(void **state)
{
	struct office *o = *state;
	char *text;

	say(o, OP_JOB_CREATE, "",
	    "{\"id\":\"j\",\"title\":\"J\",\"heartbeatTimeoutMs\":3000,\"tasks\":["
	    "{\"id\":\"a\",\"status\":\"in_progress\"},{\"id\":\"b\",\"status\":\"in_progress\"},"
	    "{\"id\":\"own\",\"status\":\"in_progress\",\"heartbeatTimeoutMs\":3000}]}");
	o->now += 2000;
	say(o, OP_TASK_REPORT, "j", "{\"taskId\":\"b\"}");
	o->now += 1000;
	assert_int_equal(look(o), 2);
	say(o, OP_JOB_PATCH, "j", "{\"heartbeatTimeoutMs\":null}");
	assert_true(says(last_event(o),
	                 "\"type\":\"task_update\",\"jobId\":\"j\",\"seq\":6,\"taskId\":\"a\""));
	assert_false(told_stalled(o));
	quiet(o, 1000000);
	text = snapshot(o, "j");
	assert_true(says(text, "\"stalled\":true")); /* the one with a limit of its own */
	assert_null(strstr(strstr(text, "\"stalled\":true") + 1, "\"stalled\":true"));
	free(text);
}

/* The engine is new, so its rows are only in the store. */
static void turning_the_jobs_timeout_on_finds_a_dead_worker(void **state)
{
	struct office *o = *state;

	say(o, OP_JOB_CREATE, "",
	    "{\"id\":\"j\",\"title\":\"J\",\"tasks\":[{\"id\":\"a\",\"status\":\"in_progress\"},"
	    "{\"id\":\"b\",\"status\":\"in_progress\"},{\"id\":\"c\",\"title\":\"C\"}]}");
	engine_free(o->engine);
	o->engine = engine_create(o->bench.writer, &o->limits, random_bytes);
	quiet(o, 1000000);
	say(o, OP_JOB_PATCH, "j", "{\"heartbeatTimeoutMs\":3000}");
	silent(o, 3000, 2);
	assert_true(told_stalled(o));
	say(o, OP_JOB_PATCH, "j",
	    "{\"title\":\"New\"}"); /* this change has nothing to do with it */
	assert_int_equal(head(o, "j"), 5);
	say(o, OP_JOB_PATCH, "j", "{\"heartbeatTimeoutMs\":6000}");
	assert_int_equal(head(o, "j"), 8);
	assert_false(told_stalled(o));
	silent(o, 6000, 2);
}

static void a_word_switches_the_tasks_own_timeout_off(void **state)
{
	struct office *o = *state;

	job_with_a_task(o, WAITING);
	say(o, OP_TASK_REPORT, "j", "{\"taskId\":\"t\",\"heartbeatTimeoutMs\":null}");
	assert_true(says(last_event(o), "\"heartbeatTimeoutMs\":0"));
	quiet(o, 1000000);
}

static void what_is_said_to_the_workers_is_no_word_of_theirs(void **state)
{
	struct office *o = *state;

	job_with_a_task(o, WAITING);
	o->now += 4000;
	say(o, OP_COMMAND, "j", "{\"command\":\"hurry\",\"taskId\":\"t\"}");
	say(o, OP_DELIVERABLE, "j", "{\"title\":\"half of it\"}");
	say(o, OP_JOB_PATCH, "j", "{\"title\":\"New\"}");
	silent(o, 1000, 1);
}

static void a_word_that_came_after_the_look_wins(void **state)
{
	struct office *o = *state;
	struct batch *batch;
	struct op *word, *stall;

	job_with_a_task(o, WAITING);
	o->now += 5000;
	word = decoded(o, OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");
	stall = a_stall("j", "t");
	OK(engine_begin(o->engine, o->now, o->now, true));
	OK(engine_apply(o->engine, word));
	OK(engine_apply(o->engine, stall));
	OK(engine_commit(o->engine, &batch));
	assert_int_equal(batch->count, 1);
	batch_release(batch);
	op_free(word);
	op_free(stall);
	silent(o, 5000, 1);
}

static void a_stall_that_was_not_committed_is_found_again(void **state)
{
	struct office *o = *state;
	struct op *stall = a_stall("j", "t");

	job_with_a_task(o, WAITING);
	o->now += 5000;
	OK(engine_begin(o->engine, o->now, o->now, true));
	OK(engine_apply(o->engine, stall));
	engine_rollback(o->engine);
	op_free(stall);
	assert_int_equal(head(o, "j"), 1);
	assert_int_equal(look(o), 1);
	assert_true(told_stalled(o) && head(o, "j") == 2);
}

static void nothing_is_told_in_a_job_that_has_ended(void **state)
{
	struct office *o = *state;

	job_with_a_task(o, WAITING);
	say(o, OP_JOB_PATCH, "j", "{\"status\":\"completed\"}");
	o->now += 5000;
	assert_int_equal(look(o), 1);
	assert_int_equal(look(o), 0); /* and it is not checked again */
	assert_int_equal(head(o, "j"), 2);
}

/* The pruner raises `first` without the engine: the engine must not write the old row again. */
static void the_log_of_an_ended_job_stays_pruned(void **state)
{
	struct office *o = *state;
	struct store *w = o->bench.writer;
	struct job_row row = { 0 };

	job_with_a_task(o, WAITING);
	for (int i = 0; i < 5; i++)
		say(o, OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");
	say(o, OP_JOB_PATCH, "j", "{\"status\":\"failed\"}");
	OK(w->ops->begin(w));
	OK(prune(w, 0, 0, 2, 100));
	OK(w->ops->commit(w));
	o->now += 5000;
	assert_int_equal(look(o), 1);
	OK(w->ops->begin(w));
	OK(w->ops->job_get(w, "j", &row));
	OK(w->ops->commit(w));
	assert_int_equal(row.first, 6);
	job_row_finish(&row);
}

static void a_deleted_job_is_silent(void **state)
{
	struct office *o = *state;

	job_with_a_task(o, WAITING);
	say(o, OP_JOB_DELETE, "j", NULL);
	quiet(o, 1000000);
	done(o, a_stall("j", "t"));
}

static void a_clock_that_goes_back_only_makes_it_wait(void **state)
{
	struct office *o = *state;

	job_with_a_task(o, WAITING);
	o->now -= 3600000;
	say(o, OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");
	silent(o, 5000, 1);
}

/* Only with a file: engine and session are new, and time has passed. */
static void silence_is_noticed_after_a_restart(void **state)
{
	struct office *o = *state;
	struct bench *b = &o->bench;

	job_with_a_task(o, WAITING);
	engine_free(o->engine);
	bench_close(b);
	o->now += 86400000;
	bench_open(b);
	o->engine = engine_create(b->writer, &o->limits, random_bytes);
	assert_int_equal(look(o), 1);
	assert_true(told_stalled(o));
	engine_free(o->engine);
	bench_close(b);
	bench_open(b);
	o->engine = engine_create(b->writer, &o->limits, random_bytes);
	quiet(o, 86400000); /* once, whatever happens in between */
	say(o, OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");
	assert_false(told_stalled(o));
}

/* ---- the store thread ---- */

struct ear {
	pthread_mutex_t lock;
	pthread_cond_t heard;
	struct buf events; /* one line each */
	unsigned answers;
};

static void deliver(void *context, struct batch *batch, struct op *ops)
{
	struct ear *e = context;

	pthread_mutex_lock(&e->lock);
	for (size_t i = 0; batch && i < batch->count; i++) {
		buf_slice(&e->events, event_json(batch, &batch->events[i]));
		buf_char(&e->events, '\n');
	}
	for (struct op *op = ops, *next; op; op = next) {
		next = (struct op *)op->mail.next;
		e->answers++;
		op_free(op);
	}
	pthread_cond_signal(&e->heard);
	pthread_mutex_unlock(&e->lock);
}

static unsigned count_of(struct ear *e, const char *what)
{
	const char *at = buf_string(&e->events);
	unsigned count = 0;

	while ((at = strstr(at, what)) != NULL) {
		at += strlen(what);
		count++;
	}
	return count;
}

static void wait_for_answers(struct ear *e, unsigned answers)
{
	pthread_mutex_lock(&e->lock);
	while (e->answers < answers)
		pthread_cond_wait(&e->heard, &e->lock);
	pthread_mutex_unlock(&e->lock);
}

/* Waits for this many stalled events; a minute is for machines that are busy. */
static void wait_for_stalls(struct ear *e, unsigned stalls)
{
	struct timespec until;

	syscall(SYS_clock_gettime, CLOCK_REALTIME, &until);
	until.tv_sec += 60;
	pthread_mutex_lock(&e->lock);
	while (count_of(e, "\"stalled\":true") < stalls)
		assert_int_equal(pthread_cond_timedwait(&e->heard, &e->lock, &until), 0);
	pthread_mutex_unlock(&e->lock);
}

/*
 * The wall clock of this program, which tests can set.  It replaces the clock of the system below.
 */
static atomic_llong clock_set_by_ms;

int clock_gettime(clockid_t which, struct timespec *now)
{
	long long ms = which == CLOCK_REALTIME ? clock_set_by_ms : 0;
	int failed = (int)syscall(SYS_clock_gettime, which, now);

	now->tv_sec += (time_t)(ms / 1000);
	return failed;
}

/*
 * `early` may be silent for a minute and `late` for a moment: a check that finds `late` would have
 * found `early`.
 */
static void the_clock_is_set(struct office *o, long long ms)
{
	struct ear e = { .lock = PTHREAD_MUTEX_INITIALIZER, .heard = PTHREAD_COND_INITIALIZER };

	o->limits.min_silence_ms = 40;
	struct writer *w = writer_start(o->bench.writer, &o->limits, deliver, &e);
	assert_true(writer_submit(
	    w, decoded(o, OP_JOB_CREATE, "",
	               "{\"id\":\"j\",\"title\":\"J\",\"tasks\":[{\"id\":\"early\",\"status\":"
	               "\"in_progress\",\"heartbeatTimeoutMs\":60000},{\"id\":\"late\","
	               "\"status\":\"in_progress\",\"heartbeatTimeoutMs\":400}]}")));
	wait_for_answers(&e, 1);
	clock_set_by_ms += ms;
	wait_for_stalls(&e, 1);
	writer_stop(w);
	writer_free(w);
	clock_set_by_ms = 0;
	assert_int_equal(count_of(&e, "\"stalled\":true"), 1);
	assert_int_equal(count_of(&e, "\"taskId\":\"late\""), 1);
	buf_finish(&e.events);
}

static void a_clock_that_is_set_forward_makes_nobody_silent(void **state)
{
	the_clock_is_set(*state, 120000);
}

static void a_clock_that_is_set_back_hides_nobodys_silence(void **state)
{
	the_clock_is_set(*state, -3600000);
}

/* The deletion is cleaned up by the same step that would have removed the old log. */
static void nothing_is_pruned_by_age_when_the_clock_has_jumped(void **state)
{
	struct office *o = *state;
	struct store *w = o->bench.writer;
	struct ear e = { .lock = PTHREAD_MUTEX_INITIALIZER, .heard = PTHREAD_COND_INITIALIZER };
	struct job_row row = { 0 };

	o->limits.retention_ms = 86400000;
	OK(w->ops->begin(w));
	job_with_events(w, "ended", 10, clock_wall_ms() - 3600000);
	OK(w->ops->commit(w));
	struct writer *writer = writer_start(w, &o->limits, deliver, &e);
	assert_true(writer_submit(
	    writer, decoded(o, OP_JOB_CREATE, "", "{\"id\":\"gone\",\"title\":\"T\"}")));
	wait_for_answers(&e, 1);
	clock_set_by_ms += INT64_C(400) * 86400000;
	assert_true(writer_submit(writer, decoded(o, OP_JOB_DELETE, "gone", NULL)));
	wait_for_answers(&e, 2);
	for (uint64_t rows = 1; rows;) {
		struct store *r = o->bench.reader;
		OK(r->ops->begin(r));
		OK(prunable(r, 0, 0, UINT64_MAX, 100, &rows));
		OK(r->ops->commit(r));
		poll(NULL, 0, 5);
	}
	writer_stop(writer);
	writer_free(writer);
	clock_set_by_ms = 0;
	OK(w->ops->begin(w));
	OK(w->ops->job_get(w, "ended", &row));
	OK(w->ops->commit(w));
	assert_int_equal(row.first, 1);
	job_row_finish(&row);
	buf_finish(&e.events);
}

/* Repeats a write with a key, as a client that retries; returns the number of its events. */
static void repeat(struct writer *writer, const struct office *o, struct ear *e, unsigned answers)
{
	struct op *op = decoded(o, OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");

	snprintf(op->key, sizeof op->key, "k");
	assert_true(writer_submit(writer, op));
	wait_for_answers(e, answers);
	assert_int_equal(count_of(e, "task_update"), 1);
}

static void no_key_expires_when_the_clock_has_jumped(void **state)
{
	struct office *o = *state;
	struct store *w = o->bench.writer;
	struct ear e = { .lock = PTHREAD_MUTEX_INITIALIZER, .heard = PTHREAD_COND_INITIALIZER };
	struct writer *writer = writer_start(w, &o->limits, deliver, &e);
	unsigned answers = 1;

	o->limits.idempotency_ms = 86400000;
	assert_true(
	    writer_submit(writer, decoded(o, OP_JOB_CREATE, "", "{\"id\":\"j\",\"title\":\"T\"}")));
	repeat(writer, o, &e, ++answers);
	clock_set_by_ms += INT64_C(25) * 3600000;
	repeat(writer, o, &e, ++answers);
	for (int start = 0; start < 2; start++) {
		writer_stop(writer);
		writer_free(writer);
		writer = writer_start(w, &o->limits, deliver, &e);
		repeat(writer, o, &e, ++answers);
		if (!start)
			clock_set_by_ms += INT64_C(25) * 3600000;
	}
	writer_stop(writer);
	writer_free(writer);
	clock_set_by_ms = 0;
	buf_finish(&e.events);
}

/* The clocks were not compared between the answer and the end of the server. */
static void no_key_expires_when_the_clock_has_jumped_while_the_server_was_down(void **state)
{
	struct office *o = *state;
	struct store *w = o->bench.writer;
	struct ear e = { .lock = PTHREAD_MUTEX_INITIALIZER, .heard = PTHREAD_COND_INITIALIZER };
	struct writer *writer = writer_start(w, &o->limits, deliver, &e);

	o->limits.idempotency_ms = 86400000;
	assert_true(
	    writer_submit(writer, decoded(o, OP_JOB_CREATE, "", "{\"id\":\"j\",\"title\":\"T\"}")));
	repeat(writer, o, &e, 2);
	writer_stop(writer);
	writer_free(writer);
	clock_set_by_ms += INT64_C(25) * 3600000;
	writer = writer_start(w, &o->limits, deliver, &e);
	repeat(writer, o, &e, 3);
	writer_stop(writer);
	writer_free(writer);
	clock_set_by_ms = 0;
	buf_finish(&e.events);
}

/* More silent tasks than fit into one transaction. */
static void the_store_thread_tells_by_itself_and_answers_nobody(void **state)
{
	struct office *o = *state;
	struct ear e = { .lock = PTHREAD_MUTEX_INITIALIZER, .heard = PTHREAD_COND_INITIALIZER };
	struct buf body = { 0 };

	o->limits.min_silence_ms = 40;
	o->limits.commit_writes = 3;
	struct writer *w = writer_start(o->bench.writer, &o->limits, deliver, &e);
	buf_text(&body, "{\"title\":\"J\",\"heartbeatTimeoutMs\":40,\"tasks\":[");
	for (int i = 0; i < 10; i++)
		buf_format(&body, "%s{\"title\":\"T\",\"status\":\"in_progress\"}", i ? "," : "");
	buf_text(&body, "]}");
	assert_true(writer_submit(w, decoded(o, OP_JOB_CREATE, "", buf_string(&body))));
	wait_for_stalls(&e, 10);
	writer_stop(w);
	writer_free(w);
	assert_int_equal(count_of(&e, "\n"), 11);
	assert_int_equal(count_of(&e, "\"stalled\":true"), 10);
	assert_int_equal(e.answers, 1);
	buf_finish(&body);
	buf_finish(&e.events);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest promises[] = {
	TEST(a_silent_task_is_told_once),
	TEST(any_word_keeps_a_task_from_stalling),
	TEST(the_next_word_clears_it_and_counts_again),
	TEST(only_a_task_in_progress_is_waited_for),
	TEST(a_task_without_a_timeout_may_be_silent_for_ever),
	TEST(the_timeout_of_the_job_is_for_tasks_without_one),
	TEST(a_change_of_the_jobs_timeout_counts_from_each_tasks_last_word),
	TEST(turning_the_jobs_timeout_off_leaves_no_alarm),
	TEST(turning_the_jobs_timeout_on_finds_a_dead_worker),
	TEST(a_word_switches_the_tasks_own_timeout_off),
	TEST(what_is_said_to_the_workers_is_no_word_of_theirs),
	TEST(a_word_that_came_after_the_look_wins),
	TEST(a_stall_that_was_not_committed_is_found_again),
	TEST(nothing_is_told_in_a_job_that_has_ended),
	TEST(the_log_of_an_ended_job_stays_pruned),
	TEST(a_deleted_job_is_silent),
	TEST(a_clock_that_goes_back_only_makes_it_wait),
	TEST(the_store_thread_tells_by_itself_and_answers_nobody),
	TEST(a_clock_that_is_set_forward_makes_nobody_silent),
	TEST(a_clock_that_is_set_back_hides_nobodys_silence),
	TEST(nothing_is_pruned_by_age_when_the_clock_has_jumped),
	TEST(no_key_expires_when_the_clock_has_jumped),
	TEST(no_key_expires_when_the_clock_has_jumped_while_the_server_was_down),
};

static const struct CMUnitTest promises_of_a_file[] = {
	TEST(silence_is_noticed_after_a_restart),
};

int main(void)
{
	int failed;

	location = ":memory:";
	failed = cmocka_run_group_tests_name("silence, memory", promises, NULL, NULL);
	location = NULL;
	failed += cmocka_run_group_tests_name("silence, sqlite", promises, NULL, NULL);
	return failed +
	       cmocka_run_group_tests_name("silence, a file", promises_of_a_file, NULL, NULL);
}
