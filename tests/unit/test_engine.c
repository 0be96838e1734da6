/* The rules of writing, told as a worker and an operator would ask for things.  The store is the
 * memory store. */
#include "store_kit.h"

#include "faulty_store.h"
#include "joblight/core/keyring.h"
#include "kit.h"
#include "many.h"
#include "joblight/base/clock.h"
#include "joblight/core/canary.h"
#include "joblight/core/decode.h"
#include "joblight/core/engine.h"
#include "joblight/core/json.h"
#include "joblight/core/query.h"

#define NOW INT64_C(1770318000000)

struct engine_bench {
	struct limits limits;
	struct database *db;
	struct store *reader;
	struct faulty_store store;
	struct store_ops ops;
	struct engine *engine;
	struct batch *batch; /* of the last transaction */
	struct op *op;       /* the last one asked for */
	int64_t now;
};

static uint8_t entropy_byte;
static size_t entropy_flipped; /* this bit of each answer is the other one; SIZE_MAX: none */

static void entropy(void *out, size_t len)
{
	uint8_t *bytes = out;

	for (size_t i = 0; i < len; i++)
		bytes[i] = entropy_byte++;
	if (entropy_flipped / 8 < len)
		bytes[entropy_flipped / 8] ^= (uint8_t)(1 << entropy_flipped % 8);
}

static void start(struct engine_bench *b, bool exclusive)
{
	*b = (struct engine_bench){ .limits = limits_default, .now = NOW };
	b->db = open_or_fail(":memory:");
	b->reader = database_reader(b->db);
	faulty_init(&b->store, database_writer(b->db), &b->ops, exclusive);
	b->engine = engine_create(&b->store.base, &b->limits, entropy);
	entropy_byte = 0;
	entropy_flipped = SIZE_MAX;
}

static void stop(struct engine_bench *b)
{
	op_free(b->op);
	batch_release(b->batch);
	engine_free(b->engine);
	b->reader->ops->close(b->reader);
	database_close(b->db);
}

static int setup(void **state)
{
	struct engine_bench *b = xcalloc(1, sizeof(*b));

	start(b, true);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	stop(*state);
	free(*state);
	return 0;
}

/* Asking. */

static struct op *an_op(const struct engine_bench *b, enum op_kind kind, const char *job,
                        const char *body)
{
	struct op *op = op_create(kind);
	struct problem problem = { 0 };

	snprintf(op->job_id, sizeof(op->job_id), "%s", job);
	if (body[0] && !decode_json(&b->limits, slice_of(body), op, &problem))
		fail_msg("%s: %s", body, problem.detail);
	return op;
}

static struct op *a_keyed_op(const struct engine_bench *b, const char *key, enum op_kind kind,
                             const char *job, const char *body)
{
	struct op *op = an_op(b, kind, job, body);

	snprintf(op->key, sizeof(op->key), "%s", key);
	return op;
}

/* One transaction of these ops; what the store said. */
static enum store_result transact(struct engine_bench *b, struct op **ops, size_t count)
{
	enum store_result r = engine_begin(b->engine, b->now, b->now, true);

	batch_release(b->batch);
	b->batch = NULL;
	if (r != STORE_OK)
		return r;
	for (size_t i = 0; i < count; i++) {
		r = engine_apply(b->engine, ops[i]);
		if (r != STORE_OK) {
			engine_rollback(b->engine);
			return r;
		}
	}
	return engine_commit(b->engine, &b->batch);
}

/* One op in a transaction of its own; it stays in b->op until the next one. */
static void ask(struct engine_bench *b, struct op *op)
{
	op_free(b->op);
	b->op = op;
	assert_int_equal(transact(b, &op, 1), STORE_OK);
}

static void says(struct engine_bench *b, const char *code, enum op_kind kind, const char *job,
                 const char *body)
{
	ask(b, an_op(b, kind, job, body));
	if (strcmp(outcome_code(b->op->problem.outcome), code) != 0)
		fail_msg("%s %s: %s: %s", job, body, outcome_code(b->op->problem.outcome),
		         b->op->problem.detail);
}

static void with_key_says(struct engine_bench *b, const char *key, const char *code,
                          enum op_kind kind, const char *job, const char *body)
{
	ask(b, a_keyed_op(b, key, kind, job, body));
	assert_string_equal(outcome_code(b->op->problem.outcome), code);
}

static void make_job(struct engine_bench *b)
{
	says(b, "created", OP_JOB_CREATE, "j", "{\"title\":\"T\"}");
}

/* A put carries its task's id beside the body, as the handlers do. */
static struct op *a_put(const struct engine_bench *b, const char *task, const char *body)
{
	struct op *op = an_op(b, OP_TASK_PUT, "j", body);

	snprintf(op->task_id, sizeof(op->task_id), "%s", task);
	op->tasks[0].id = slice_of(op->task_id);
	return op;
}

static void a_stall(struct engine_bench *b, const char *job, const char *task)
{
	struct op *op = op_create(OP_STALL);

	snprintf(op->job_id, sizeof(op->job_id), "%s", job);
	snprintf(op->task_id, sizeof(op->task_id), "%s", task);
	ask(b, op);
}

/* Days. */

static bool add_day(void *context, const struct job_day_row *r)
{
	buf_format(context, "%d %s %s e%d t%u c%u f%u x%u d%u%s; ", (int)(r->day - NOW / DAY_MS),
	           r->id, job_status_text(r->status), (int)r->events, r->tasks, r->completed,
	           r->failed, r->cancelled, r->deliverables, r->ended ? " ended" : "");
	return true;
}

static const char *days(const struct engine_bench *b)
{
	static struct buf text;

	text.len = 0;
	OK(b->reader->ops->begin(b->reader));
	b->reader->ops->job_days(b->reader, 0, 0, SIZE_MAX, add_day, &text);
	OK(b->reader->ops->commit(b->reader));
	return buf_string(&text);
}

/* Looking. */

static const char *event(const struct engine_bench *b, size_t index)
{
	static struct buf text;

	assert_in_range(index, 0, b->batch->count - 1);
	text.len = 0;
	buf_slice(&text, event_json(b->batch, &b->batch->events[index]));
	return buf_string(&text);
}

static void logged(const struct engine_bench *b, size_t events)
{
	assert_int_equal(b->batch->count, events);
}

static void nothing_logged(const struct engine_bench *b)
{
	logged(b, 0);
	assert_int_equal(b->op->seq_last, 0);
	assert_int_equal(b->op->body.len, 0);
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("%s is not in %s", part, text);
}

static void has_not(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("%s is in %s", part, text);
}

/* The job as a reader gets it; valid until the next call. */
static const char *snapshot(const struct engine_bench *b, const char *job)
{
	static struct buf text;
	struct read_query q = { .kind = READ_JOB };
	struct read_result *r = read_result_create();

	snprintf(q.job_id, sizeof(q.job_id), "%s", job);
	read_run(b->reader, NULL, &q, r);
	text.len = 0;
	buf_slice(&text, read_result_json(r));
	read_result_release(r);
	return buf_string(&text);
}

static const char *answer(struct engine_bench *b)
{
	return buf_string(&b->op->body);
}

/* Jobs. */

static void a_job_begins_with_event_1(void **state)
{
	struct engine_bench *b = *state;

	says(b, "created", OP_JOB_CREATE, "j",
	     "{\"title\":\"Q4\",\"status\":\"in_progress\",\"metadata\":{\"a\":1},\"tasks\":[{"
	     "\"id\":\"t1\"},"
	     "{\"id\":\"t0\",\"title\":\"two\",\"status\":\"in_progress\",\"attempt\":4}]}");
	logged(b, 1);
	assert_int_equal(b->batch->events[0].seq, 1);
	assert_int_equal(b->batch->events[0].job_status, JOB_IN_PROGRESS);
	has(event(b, 0), "\"type\":\"job_update\",\"jobId\":\"j\",\"seq\":1,\"status\":\"in_"
	                 "progress\",\"title\":\"Q4\"");
	has(event(b, 0), "\"created\":true,\"tasks\":[{\"id\":\"t1\",\"status\":\"pending\","
	                 "\"title\":\"t1\"},{\"id\":\"t0\"");
	assert_int_equal(b->op->seq_first, 1);
	assert_int_equal(b->op->seq_last, 1);
	assert_int_equal(strlen(b->op->epoch), EPOCH_LEN);
}

static void the_answer_to_a_creation_is_its_snapshot(void **state)
{
	struct engine_bench *b = *state;
	struct buf must = { 0 };

	says(b, "created", OP_JOB_CREATE, "j",
	     "{\"title\":\"Q4\",\"tasks\":[{\"id\":\"b\"},{\"id\":\"a\",\"progress\":7}]}");
	buf_text(&must, snapshot(b, "j"));
	buf_char(&must, '\n');
	assert_string_equal(answer(b), buf_string(&must));
	buf_finish(&must);
}

static void who_gives_no_id_gets_one(void **state)
{
	struct engine_bench *b = *state;

	says(b, "created", OP_JOB_CREATE, "",
	     "{\"title\":\"T\",\"tasks\":[{\"title\":\"a\"},{\"title\":\"b\"}]}");
	const struct event *e = &b->batch->events[0];
	assert_int_equal(strlen(e->job_id), 36);
	assert_true(id_valid(slice_of(e->job_id)));
	assert_int_equal(e->job_id[14], '7');
	assert_non_null(strchr("89ab", e->job_id[19]));
}

static void a_name_is_taken_once(void **state)
{
	struct engine_bench *b = *state;

	make_job(b);
	says(b, "job_exists", OP_JOB_CREATE, "j", "{\"title\":\"another\"}");
	nothing_logged(b);
	has_not(snapshot(b, "j"), "another");
	says(b, "invalid_field", OP_JOB_CREATE, "k",
	     "{\"title\":\"T\",\"tasks\":[{\"id\":\"a\"},{\"id\":\"b\"},{\"id\":\"a\"}]}");
	has(buf_string(&b->op->problem.errors), "\"field\":\"tasks[2].id\"");
	nothing_logged(b);
	says(b, "not_found", OP_JOB_PATCH, "k", "{\"title\":\"x\"}");
}

static void a_job_moves_freely_until_it_ends(void **state)
{
	struct engine_bench *b = *state;
	char id[32], body[64];

	for (int from = 0; from < JOB_STATUS_COUNT; from++)
		for (int to = 0; to < JOB_STATUS_COUNT; to++) {
			snprintf(id, sizeof(id), "j%d%d", from, to);
			snprintf(body, sizeof(body), "{\"title\":\"T\",\"status\":\"%s\"}",
			         job_status_text((enum job_status)from));
			says(b, "created", OP_JOB_CREATE, id, body);
			snprintf(body, sizeof(body), "{\"status\":\"%s\"}",
			         job_status_text((enum job_status)to));
			says(b, job_status_terminal((enum job_status)from) ? "job_ended" : "ok",
			     OP_JOB_PATCH, id, body);
			if (b->batch->count)
				assert_int_equal(b->batch->events[0].job_status, to);
		}
}

static void nothing_is_added_to_a_job_that_has_ended(void **state)
{
	struct engine_bench *b = *state;

	says(b, "created", OP_JOB_CREATE, "j", "{\"title\":\"T\",\"tasks\":[{\"id\":\"t\"}]}");
	b->now += 5000;
	says(b, "ok", OP_JOB_PATCH, "j", "{\"status\":\"completed\"}");
	has(snapshot(b, "j"), "\"endedAt\":\"2026-02-05T19:00:05.000Z\"");
	char *before = dumped(b->reader);
	says(b, "job_ended", OP_JOB_PATCH, "j", "{\"title\":\"x\"}");
	says(b, "job_ended", OP_TASK_CREATE, "j", "{\"id\":\"n\"}");
	ask(b, a_put(b, "t", "{\"progress\":1}"));
	assert_int_equal(b->op->problem.outcome, OUTCOME_JOB_ENDED);
	says(b, "job_ended", OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");
	says(b, "job_ended", OP_TASK_REPORT, "j", "[{\"taskId\":\"n\"}]");
	says(b, "job_ended", OP_DELIVERABLE, "j", "{\"title\":\"d\"}");
	says(b, "job_ended", OP_COMMAND, "j", "{\"command\":\"x\"}");
	nothing_logged(b);
	char *after = dumped(b->reader);
	assert_string_equal(before, after);
	free(before);
	free(after);
	says(b, "no_content", OP_JOB_DELETE, "j", "");
}

static void what_is_not_there_is_not_found(void **state)
{
	struct engine_bench *b = *state;

	says(b, "not_found", OP_JOB_PATCH, "j", "{\"title\":\"x\"}");
	says(b, "not_found", OP_JOB_DELETE, "j", "");
	says(b, "not_found", OP_TASK_CREATE, "j", "{\"id\":\"n\"}");
	says(b, "not_found", OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");
	says(b, "not_found", OP_DELIVERABLE, "j", "{\"title\":\"d\"}");
	says(b, "not_found", OP_COMMAND, "j", "{\"command\":\"x\"}");
	nothing_logged(b);
}

static void metadata_stands_in_the_event_that_changes_it(void **state)
{
	struct engine_bench *b = *state;

	says(b, "created", OP_JOB_CREATE, "j", "{\"title\":\"T\",\"metadata\":{\"a\":1}}");
	has(event(b, 0), "\"metadata\":{\"a\":1}");
	says(b, "ok", OP_JOB_PATCH, "j", "{\"title\":\"U\"}");
	has(event(b, 0), "\"title\":\"U\"");
	has_not(event(b, 0), "metadata");
	says(b, "ok", OP_JOB_PATCH, "j", "{\"metadata\":{\"b\":2}}");
	has(event(b, 0), "\"title\":\"U\",\"metadata\":{\"b\":2}");
	says(b, "ok", OP_JOB_PATCH, "j", "{\"metadata\":null}");
	has(event(b, 0), "\"metadata\":{}");
	has(answer(b), "\"seq\":4,");
}

/* Deletion. */

static void a_deleted_job_can_be_made_again_and_is_another(void **state)
{
	struct engine_bench *b = *state;
	char epoch[EPOCH_LEN + 1];

	make_job(b);
	memcpy(epoch, b->op->epoch, sizeof(epoch));
	says(b, "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");
	says(b, "no_content", OP_JOB_DELETE, "j", "");
	logged(b, 1);
	assert_true(b->batch->events[0].deleted);
	assert_int_equal(b->batch->events[0].seq, 2);
	assert_string_equal(b->batch->events[0].epoch, epoch);
	make_job(b);
	assert_string_not_equal(b->op->epoch, epoch);
	assert_int_equal(b->batch->events[0].seq, 1);
	has(snapshot(b, "j"), "\"tasks\":[]");
}

static void a_whole_life_fits_into_one_transaction(void **state)
{
	struct engine_bench *b = *state;
	struct op *ops[] = {
		an_op(b, OP_JOB_CREATE, "j", "{\"title\":\"first\",\"tasks\":[{\"id\":\"t\"}]}"),
		an_op(b, OP_TASK_REPORT, "j", "{\"taskId\":\"t\",\"progress\":1}"),
		an_op(b, OP_JOB_DELETE, "j", ""),
		an_op(b, OP_TASK_REPORT, "j", "{\"taskId\":\"t\",\"progress\":2}"),
		an_op(b, OP_JOB_CREATE, "j", "{\"title\":\"second\"}"),
		an_op(b, OP_TASK_REPORT, "j", "{\"taskId\":\"t\",\"progress\":3}"),
	};

	assert_int_equal(transact(b, ops, COUNT(ops)), STORE_OK);
	logged(b, 5);
	assert_int_equal(ops[3]->problem.outcome, OUTCOME_NOT_FOUND);
	assert_int_equal(ops[5]->seq_last, 2);
	has(snapshot(b, "j"), "\"title\":\"second\"");
	has(snapshot(b, "j"), "\"progress\":3");
	for (size_t i = 0; i < COUNT(ops); i++)
		op_free(ops[i]);
}

/* Tasks. */

static void an_update_changes_what_it_mentions(void **state)
{
	struct engine_bench *b = *state;

	make_job(b);
	says(b, "ok", OP_TASK_REPORT, "j",
	     "{\"taskId\":\"t\",\"status\":\"in_progress\",\"title\":\"Render\",\"note\":\"n\","
	     "\"progress\":5,"
	     "\"attempt\":1}");
	has(event(b, 0), "\"seq\":2,\"taskId\":\"t\",\"status\":\"in_progress\",\"title\":"
	                 "\"Render\",\"note\":\"n\","
	                 "\"progress\":5,\"attempt\":1,");
	says(b, "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"t\",\"progress\":6}");
	has(event(b, 0), "\"seq\":3,\"taskId\":\"t\",\"status\":\"in_progress\",\"title\":"
	                 "\"Render\",\"note\":\"n\","
	                 "\"progress\":6,\"attempt\":1,");
	says(b, "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"t\",\"note\":null,\"progress\":null}");
	has(event(b, 0), "\"seq\":4,\"taskId\":\"t\",\"status\":\"in_progress\",\"title\":"
	                 "\"Render\",\"attempt\":1,");
	says(b, "ok", OP_TASK_REPORT, "j",
	     "{\"taskId\":\"t\"}"); /* a sign of life is an event too */
	has(event(b, 0), "\"seq\":5,");
}

static void an_unknown_task_is_made(void **state)
{
	struct engine_bench *b = *state;

	make_job(b);
	says(b, "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");
	has(event(b, 0), "\"taskId\":\"t\",\"status\":\"pending\",\"title\":\"t\",\"timestamp\"");
	ask(b, a_put(b, "u", "{\"title\":\"U\"}"));
	assert_int_equal(b->op->problem.outcome, OUTCOME_CREATED);
	has(answer(b), "{\"id\":\"u\",\"status\":\"pending\",\"title\":\"U\",\"position\":1,");
	ask(b, a_put(b, "u", "{\"progress\":1}"));
	assert_int_equal(b->op->problem.outcome, OUTCOME_OK);
	says(b, "created", OP_TASK_CREATE, "j", "{\"title\":\"no id\"}");
	says(b, "created", OP_TASK_CREATE, "j", "{\"id\":\"v\"}");
	says(b, "task_exists", OP_TASK_CREATE, "j", "{\"id\":\"v\",\"title\":\"another\"}");
	nothing_logged(b);
	has_not(snapshot(b, "j"), "another");
}

static void a_job_holds_so_many_tasks(void **state)
{
	struct engine_bench *b = *state;

	b->limits.tasks_per_job = 2;
	make_job(b);
	says(b, "too_many_tasks", OP_TASK_REPORT, "j",
	     "[{\"taskId\":\"a\"},{\"taskId\":\"b\"},{\"taskId\":\"c\"}]");
	nothing_logged(b);
	says(b, "ok", OP_TASK_REPORT, "j",
	     "[{\"taskId\":\"a\"},{\"taskId\":\"b\"},{\"taskId\":\"a\"}]");
	says(b, "too_many_tasks", OP_TASK_REPORT, "j", "{\"taskId\":\"c\"}");
	says(b, "too_many_tasks", OP_TASK_CREATE, "j", "{\"title\":\"c\"}");
	says(b, "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"b\"}");
	has(snapshot(b, "j"), "\"seq\":5,");
}

static void a_task_moves_freely(void **state)
{
	struct engine_bench *b = *state;
	char body[64];

	make_job(b);
	for (int from = 0; from < TASK_STATUS_COUNT; from++)
		for (int to = 0; to < TASK_STATUS_COUNT; to++) {
			snprintf(body, sizeof(body), "{\"taskId\":\"t\",\"status\":\"%s\"}",
			         task_status_text((enum task_status)from));
			says(b, "ok", OP_TASK_REPORT, "j", body);
			snprintf(body, sizeof(body), "{\"taskId\":\"t\",\"status\":\"%s\"}",
			         task_status_text((enum task_status)to));
			says(b, "ok", OP_TASK_REPORT, "j", body);
		}
}

static void at(struct engine_bench *b, int second, const char *status, const char *started,
               const char *ended)
{
	char body[64], part[64];

	b->now = NOW + second * 1000;
	snprintf(body, sizeof(body), "{\"taskId\":\"t\",\"status\":\"%s\"}", status);
	says(b, "ok", OP_TASK_REPORT, "j", body);
	const char *text = snapshot(b, "j"), *names[] = { "startedAt", "endedAt" },
	           *times[] = { started, ended };
	const char *task = strstr(text, "\"tasks\":[");
	for (int i = 0; i < 2; i++) {
		snprintf(part, sizeof(part), "\"%s\":\"2026-02-05T19:00:%s.000Z\"", names[i],
		         times[i] ? times[i] : "");
		if (times[i])
			has(task, part);
		else
			has_not(task, names[i]);
	}
}

static void a_task_knows_when_it_started_and_ended(void **state)
{
	struct engine_bench *b = *state;

	make_job(b);
	at(b, 1, "pending", NULL, NULL);
	at(b, 2, "in_progress", "02", NULL);
	at(b, 3, "blocked", "02", NULL);
	at(b, 4, "in_progress", "02", NULL);
	at(b, 5, "completed", "02", "05");
	at(b, 6, "completed", "02", "05");
	at(b, 7, "failed", "02", "05");
	at(b, 8, "in_progress", "08", NULL); /* once more from the start */
	at(b, 9, "cancelled", "08", "09");
}

/* Attempts: a fence against workers that were given up. */

static void attempt_is(struct engine_bench *b, const char *code, int attempt)
{
	char body[64];

	snprintf(body, sizeof(body), "{\"taskId\":\"t\",\"attempt\":%d}", attempt);
	says(b, code, OP_TASK_REPORT, "j", body);
}

static void a_lower_attempt_is_over(void **state)
{
	struct engine_bench *b = *state;

	make_job(b);
	says(b, "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");
	attempt_is(b, "ok", 0);
	attempt_is(b, "ok", 3);
	attempt_is(b, "ok", 3);
	attempt_is(b, "stale_attempt", 2);
	nothing_logged(b);
	has(b->op->problem.detail, "attempt 2 is over, the task is at attempt 3");
	says(b, "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}"); /* who says none is not fenced */
	attempt_is(b, "stale_attempt", 0);
	ask(b, a_put(b, "t", "{\"attempt\":1,\"progress\":50}"));
	assert_int_equal(b->op->problem.outcome, OUTCOME_STALE_ATTEMPT);
	has_not(snapshot(b, "j"), "progress");
}

static void a_batch_is_fenced_item_by_item(void **state)
{
	struct engine_bench *b = *state;

	make_job(b);
	says(b, "ok", OP_TASK_REPORT, "j",
	     "[{\"taskId\":\"t\",\"attempt\":1},{\"taskId\":\"t\",\"attempt\":2}]");
	char *before = dumped(b->reader);
	says(b, "stale_attempt", OP_TASK_REPORT, "j",
	     "[{\"taskId\":\"u\"},{\"taskId\":\"t\",\"attempt\":3},{\"taskId\":\"t\",\"attempt\":2}"
	     "]");
	has(b->op->problem.detail, "[2]: attempt 2 is over, the task is at attempt 3");
	nothing_logged(b);
	says(b, "stale_attempt", OP_TASK_REPORT, "j",
	     "[{\"taskId\":\"n\",\"attempt\":5},{\"taskId\":\"n\",\"attempt\":4}]");
	says(b, "stale_attempt", OP_TASK_REPORT, "j",
	     "[{\"taskId\":\"n\",\"attempt\":5},{\"taskId\":\"n\"},{\"taskId\":\"n\",\"attempt\":4}"
	     "]");
	char *after = dumped(b->reader);
	assert_string_equal(before, after);
	free(before);
	free(after);
	attempt_is(b, "ok", 2); /* a refused batch has not raised it */
}

#define MANY_TASKS 8192

/* The CPU time in which new tasks are made in batches of `size`. */
static uint64_t time_of_batches(struct engine_bench *b, const char *job, int size)
{
	struct buf body = { 0 };
	uint64_t spent = 0;

	says(b, "created", OP_JOB_CREATE, job, "{\"title\":\"T\"}");
	for (int first = 0; first < MANY_TASKS; first += size) {
		body.len = 0;
		for (int i = first; i < first + size; i++)
			buf_format(&body, "%s{\"taskId\":\"a-task-of-many-%d\",\"attempt\":1}",
			           i > first ? "," : "[", i);
		buf_char(&body, ']');
		struct op *op = an_op(b, OP_TASK_REPORT, job, buf_string(&body));
		uint64_t began = clock_thread_cpu_us();
		ask(b, op);
		spent += clock_thread_cpu_us() - began;
		assert_int_equal(op->problem.outcome, OUTCOME_OK);
	}
	buf_finish(&body);
	return spent;
}

static void a_task_costs_no_more_in_a_large_batch(void **state)
{
	struct engine_bench *b = *state;
	uint64_t small = UINT64_MAX, large = UINT64_MAX;
	char job[16];

	b->limits.batch_items = MANY_TASKS;
	for (int i = 0; i < 6; i++) { /* the best of three: other processes may disturb one */
		snprintf(job, sizeof(job), "j%d", i);
		uint64_t *best = i % 2 ? &large : &small;
		uint64_t spent = time_of_batches(b, job, i % 2 ? MANY_TASKS : 64);
		*best = spent < *best ? spent : *best;
	}
	if (large > 3 * small)
		fail_msg("%d us in one batch, %d us in batches of 64", (int)large, (int)small);
}

static void a_refused_op_leaves_the_others_alone(void **state)
{
	struct engine_bench *b = *state;
	struct op *ops[] = {
		an_op(b, OP_JOB_CREATE, "j", "{\"title\":\"T\"}"),
		an_op(b, OP_TASK_REPORT, "j", "{\"taskId\":\"t\",\"attempt\":2,\"progress\":1}"),
		an_op(b, OP_TASK_REPORT, "j",
		      "[{\"taskId\":\"u\"},{\"taskId\":\"t\",\"attempt\":1,\"progress\":2}]"),
		an_op(b, OP_JOB_CREATE, "k",
		      "{\"title\":\"T\",\"tasks\":[{\"id\":\"a\"},{\"id\":\"a\"}]}"),
		an_op(b, OP_TASK_REPORT, "j", "{\"taskId\":\"t\",\"attempt\":2,\"progress\":3}"),
	};
	static const char *const codes[] = { "created", "ok", "stale_attempt", "invalid_field",
		                             "ok" };

	assert_int_equal(transact(b, ops, COUNT(ops)), STORE_OK);
	logged(b, 3);
	for (size_t i = 0; i < COUNT(ops); i++)
		assert_string_equal(outcome_code(ops[i]->problem.outcome), codes[i]);
	assert_int_equal(ops[4]->seq_last, 3);
	has_not(snapshot(b, "j"), "\"id\":\"u\"");
	for (size_t i = 0; i < COUNT(ops); i++)
		op_free(ops[i]);
}

static void a_batch_is_answered_item_by_item(void **state)
{
	struct engine_bench *b = *state;
	char must[200];

	make_job(b);
	says(b, "ok", OP_TASK_REPORT, "j", "[{\"taskId\":\"a\"},{\"taskId\":\"b\"}]");
	assert_int_equal(b->op->seq_first, 2);
	assert_int_equal(b->op->seq_last, 3);
	snprintf(must, sizeof(must),
	         "{\"ok\":true,\"seq\":2,\"cursor\":\"%s.2\"}\n"
	         "{\"ok\":true,\"seq\":3,\"cursor\":\"%s.3\"}\n",
	         b->op->epoch, b->op->epoch);
	assert_string_equal(answer(b), must);
}

/* Idempotency. */

static void the_same_key_and_body_is_the_same_request(void **state)
{
	struct engine_bench *b = *state;

	make_job(b);
	with_key_says(b, "k1", "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"t\",\"progress\":1}");
	assert_false(b->op->replayed);
	char *first = xstrdup(answer(b));
	says(b, "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"t\",\"progress\":2}");
	with_key_says(b, "k1", "ok", OP_TASK_REPORT, "j", "{\"progress\":1.0,\"taskId\":\"t\"}");
	assert_true(b->op->replayed);
	logged(b, 0);
	assert_string_equal(answer(b), first);
	assert_int_equal(b->op->seq_last, 2);
	has(snapshot(b, "j"), "\"progress\":2");
	free(first);
}

static void the_same_key_and_another_body_is_a_mistake(void **state)
{
	struct engine_bench *b = *state;

	make_job(b);
	with_key_says(b, "k1", "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"t\",\"progress\":1}");
	with_key_says(b, "k1", "idempotency_mismatch", OP_TASK_REPORT, "j",
	              "{\"taskId\":\"t\",\"progress\":2}");
	nothing_logged(b);
	with_key_says(b, "k1", "idempotency_mismatch", OP_COMMAND, "j", "{\"command\":\"x\"}");
	with_key_says(b, "k2", "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"t\",\"progress\":2}");
}

static void a_key_belongs_to_its_job(void **state)
{
	struct engine_bench *b = *state;

	make_job(b);
	says(b, "created", OP_JOB_CREATE, "k", "{\"title\":\"T\"}");
	with_key_says(b, "k1", "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");
	with_key_says(b, "k1", "ok", OP_TASK_REPORT, "k", "{\"taskId\":\"t\"}");
	assert_false(b->op->replayed);
}

static void a_refusal_is_not_remembered(void **state)
{
	struct engine_bench *b = *state;

	with_key_says(b, "k1", "not_found", OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");
	make_job(b);
	with_key_says(b, "k1", "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");
	assert_false(b->op->replayed);
}

static void a_key_is_forgotten_after_its_time(void **state)
{
	struct engine_bench *b = *state;

	make_job(b);
	with_key_says(b, "k1", "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");
	b->now += (int64_t)b->limits.idempotency_ms - 1;
	with_key_says(b, "k1", "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");
	assert_true(b->op->replayed);
	b->now += 1;
	with_key_says(b, "k1", "ok", OP_TASK_REPORT, "j",
	              "{\"taskId\":\"u\"}"); /* even for another body */
	assert_false(b->op->replayed);
	b->now += 1;
	with_key_says(b, "k1", "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"u\"}");
	assert_true(b->op->replayed);
}

static void creations_and_deletions_are_remembered_too(void **state)
{
	struct engine_bench *b = *state;

	with_key_says(b, "c", "created", OP_JOB_CREATE, "", "{\"title\":\"T\"}");
	char *first = xstrdup(answer(b));
	with_key_says(b, "c", "created", OP_JOB_CREATE, "", "{\"title\":\"T\"}");
	assert_true(b->op->replayed);
	assert_string_equal(answer(b), first);
	free(first);
	make_job(b);
	with_key_says(b, "d", "no_content", OP_JOB_DELETE, "j", "");
	with_key_says(b, "d", "no_content", OP_JOB_DELETE, "j", "");
	assert_true(b->op->replayed);
	logged(b, 0);
	make_job(b);
	with_key_says(b, "e", "no_content", OP_JOB_DELETE, "j",
	              ""); /* takes the job's keys, but not that one */
	with_key_says(b, "d", "no_content", OP_JOB_DELETE, "j", "");
	assert_true(b->op->replayed);
}

static void the_key_of_a_deletion_belongs_to_its_job(void **state)
{
	struct engine_bench *b = *state;

	make_job(b);
	says(b, "created", OP_JOB_CREATE, "k", "{\"title\":\"T\"}");
	with_key_says(b, "d", "created", OP_JOB_CREATE, "", "{\"title\":\"T\"}");
	with_key_says(b, "d", "no_content", OP_JOB_DELETE, "j", "");
	assert_false(b->op->replayed);
	with_key_says(b, "d", "no_content", OP_JOB_DELETE, "k", "");
	assert_false(b->op->replayed);
	with_key_says(b, "d", "no_content", OP_JOB_DELETE, "j", "");
	assert_true(b->op->replayed);
}

/* Each place of it varies with the entropy, in all 32 digits: 50 bits. */
static void an_epoch_is_random_in_every_place(void **state)
{
	struct engine_bench *b = *state;
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
	uint32_t seen[EPOCH_LEN] = { 0 };
	char name[16];

	assert_true(EPOCH_LEN * 5 >= 40);
	for (int i = 0; i < 64; i++) {
		snprintf(name, sizeof(name), "e%d", i);
		entropy_byte = (uint8_t)i;
		says(b, "created", OP_JOB_CREATE, name, "{\"title\":\"T\"}");
		for (int at = 0; at < EPOCH_LEN; at++) {
			const char *digit = strchr(digits, b->op->epoch[at]);
			assert_non_null(digit);
			seen[at] |= UINT32_C(1) << (digit - digits);
		}
	}
	for (int at = 0; at < EPOCH_LEN; at++)
		assert_int_equal(seen[at], UINT32_MAX);
}

static bool is_among(char (*texts)[EPOCH_LEN + 1], size_t count, const char *text)
{
	while (count--)
		if (strcmp(texts[count], text) == 0)
			return true;
	return false;
}

/* Of a few bytes in several places there are as many different digits, and not as many epochs. */
static void every_random_bit_makes_another_epoch(void **state)
{
	struct engine_bench *b = *state;
	char seen[1 + EPOCH_LEN * 8][EPOCH_LEN + 1], name[16];
	size_t different = 0;

	for (size_t i = 0; i < COUNT(seen); i++) {
		snprintf(name, sizeof(name), "b%zu", i);
		entropy_byte = 0;
		entropy_flipped = i ? i - 1 : SIZE_MAX;
		says(b, "created", OP_JOB_CREATE, name, "{\"title\":\"T\"}");
		if (!is_among(seen, different, b->op->epoch))
			memcpy(seen[different++], b->op->epoch, sizeof(seen[0]));
	}
	assert_in_range(different - 1, 40, EPOCH_LEN * 8); /* bits, each for itself */
}

static void keys_of_a_deleted_job_go_with_it(void **state)
{
	struct engine_bench *b = *state;

	make_job(b);
	with_key_says(b, "k1", "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");
	says(b, "no_content", OP_JOB_DELETE, "j", "");
	make_job(b);
	with_key_says(b, "k1", "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");
	assert_false(b->op->replayed);
	assert_int_equal(b->op->seq_last, 2);
}

static void one_transaction_sees_its_own_keys(void **state)
{
	struct engine_bench *b = *state;
	struct op *ops[3];

	make_job(b);
	for (size_t i = 0; i < COUNT(ops); i++)
		ops[i] = a_keyed_op(b, "k1", OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");
	assert_int_equal(transact(b, ops, COUNT(ops)), STORE_OK);
	logged(b, 1);
	assert_false(ops[0]->replayed);
	assert_true(ops[1]->replayed && ops[2]->replayed);
	assert_string_equal(buf_string(&ops[0]->body), buf_string(&ops[2]->body));
	for (size_t i = 0; i < COUNT(ops); i++)
		op_free(ops[i]);
}

static void keys_outlive_the_engine(void **state)
{
	struct engine_bench *b = *state;

	make_job(b);
	with_key_says(b, "k1", "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");
	engine_free(b->engine);
	b->engine = engine_create(&b->store.base, &b->limits, entropy);
	with_key_says(b, "k1", "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");
	assert_true(b->op->replayed);
	says(b, "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");
	assert_int_equal(b->op->seq_last, 3);
}

/* Time. */

static void time_within_a_job_does_not_go_back(void **state)
{
	struct engine_bench *b = *state;

	make_job(b);
	b->now = NOW - 3600000;
	says(b, "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"t\",\"status\":\"in_progress\"}");
	has(event(b, 0), "\"timestamp\":\"2026-02-05T19:00:00.000Z\"");
	b->now = NOW - 1;
	says(b, "created", OP_DELIVERABLE, "j", "{\"title\":\"d\"}");
	has(event(b, 0), "\"timestamp\":\"2026-02-05T19:00:00.000Z\"");
	b->now = NOW + 1;
	says(b, "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");
	has(event(b, 0), "\"timestamp\":\"2026-02-05T19:00:00.001Z\"");
	b->now = NOW - 3600000;
	says(b, "ok", OP_JOB_PATCH, "j", "{\"status\":\"failed\"}");
	has(event(b, 0), "\"timestamp\":\"2026-02-05T19:00:00.001Z\"");
	has(snapshot(b, "j"), "\"endedAt\":\"2026-02-05T19:00:00.001Z\"");
	says(b, "created", OP_JOB_CREATE, "k",
	     "{\"title\":\"T\"}"); /* another job has its own time */
	has(event(b, 0), "\"timestamp\":\"2026-02-05T18:00:00.000Z\"");
}

/* Deliverables, commands, silence. */

static void deliverables_are_added_once(void **state)
{
	struct engine_bench *b = *state;

	make_job(b);
	says(b, "created", OP_DELIVERABLE, "j",
	     "{\"id\":\"d\",\"title\":\"r.pdf\",\"url\":\"/r\",\"mediaType\":\"a/b\"}");
	has(event(b, 0), "\"type\":\"deliverable\",\"jobId\":\"j\",\"seq\":2,\"deliverableId\":"
	                 "\"d\",\"title\":\"r.pdf\","
	                 "\"url\":\"/r\",\"mediaType\":\"a/b\",");
	has(snapshot(b, "j"), "\"deliverables\":[{\"id\":\"d\",\"title\":\"r.pdf\",\"url\":\"/"
	                      "r\",\"mediaType\":\"a/b\",");
	says(b, "deliverable_exists", OP_DELIVERABLE, "j", "{\"id\":\"d\",\"title\":\"another\"}");
	nothing_logged(b);
	b->limits.deliverables_per_job = 2;
	says(b, "created", OP_DELIVERABLE, "j", "{\"title\":\"x\"}");
	says(b, "too_many_deliverables", OP_DELIVERABLE, "j", "{\"title\":\"y\"}");
	nothing_logged(b);
}

static void a_command_is_logged_and_changes_nothing(void **state)
{
	struct engine_bench *b = *state;

	says(b, "created", OP_JOB_CREATE, "j", "{\"title\":\"T\",\"tasks\":[{\"id\":\"t\"}]}");
	says(b, "created", OP_COMMAND, "j",
	     "{\"command\":\"cancel\",\"taskId\":\"t\",\"args\":{\"a\":1}}");
	has(event(b, 0), "\"seq\":2,\"command\":\"cancel\",\"taskId\":\"t\",\"args\":{\"a\":1},");
	has(answer(b), "{\"ok\":true,\"seq\":2,");
	says(b, "not_found", OP_COMMAND, "j", "{\"command\":\"cancel\",\"taskId\":\"nobody\"}");
	nothing_logged(b);
	has(snapshot(b, "j"), "\"status\":\"pending\",\"title\":\"t\"");
}

static void a_task_that_is_silent_for_too_long_is_said_to_be(void **state)
{
	struct engine_bench *b = *state;

	make_job(b);
	says(b, "ok", OP_TASK_REPORT, "j",
	     "{\"taskId\":\"t\",\"status\":\"in_progress\",\"heartbeatTimeoutMs\":1000}");
	b->now += 999;
	a_stall(b, "j", "t");
	logged(b, 0);
	b->now += 1;
	a_stall(b, "j", "t");
	logged(b, 1);
	has(event(b, 0), "\"status\":\"in_progress\",\"title\":\"t\",\"heartbeatTimeoutMs\":1000,"
	                 "\"stalled\":true,");
	a_stall(b, "j", "t"); /* said once */
	logged(b, 0);
	says(b, "ok", OP_TASK_REPORT, "j",
	     "{\"taskId\":\"t\"}"); /* a word, and it is alive again */
	has_not(event(b, 0), "stalled");
	b->now += 5000;
	says(b, "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"t\",\"status\":\"completed\"}");
	a_stall(b, "j", "t"); /* whoever is not at work may be silent */
	logged(b, 0);
	a_stall(b, "j", "nobody");
	a_stall(b, "nobody", "t");
	logged(b, 0);
}

static void a_job_says_how_long_its_tasks_may_be_silent(void **state)
{
	struct engine_bench *b = *state;

	says(b, "created", OP_JOB_CREATE, "j",
	     "{\"title\":\"T\",\"heartbeatTimeoutMs\":1000,\"tasks\":[{\"id\":\"a\",\"status\":"
	     "\"in_progress\"},"
	     "{\"id\":\"b\",\"status\":\"in_progress\",\"heartbeatTimeoutMs\":0}]}");
	b->now += 1000;
	a_stall(b, "j", "a");
	logged(b, 1);
	a_stall(b, "j", "b");
	logged(b, 0);
	says(b, "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"a\"}");
	says(b, "ok", OP_JOB_PATCH, "j", "{\"status\":\"cancelled\"}");
	b->now += 1000;
	a_stall(b, "j", "a"); /* nothing is logged behind the end */
	logged(b, 0);
}

/* Faults. */

/* A history of transactions: op `n` of one of them, or NULL. */
static struct op *scripted(const struct engine_bench *b, int transaction, int n)
{
	static const struct {
		enum op_kind kind;
		const char *job, *body, *key;
	} script[][4] = {
		{ { OP_JOB_CREATE, "j",
		    "{\"title\":\"J\",\"tasks\":[{\"id\":\"a\"},{\"id\":\"b\"}]}", "c" },
		  { OP_JOB_CREATE, "k", "{\"title\":\"K\"}", "" } },
		{ { OP_TASK_REPORT, "j",
		    "[{\"taskId\":\"a\",\"progress\":1},{\"taskId\":\"n\",\"note\":\"x\"}]", "r" },
		  { OP_TASK_REPORT, "k",
		    "{\"taskId\":\"a\",\"status\":\"in_progress\",\"heartbeatTimeoutMs\":1000}",
		    "" },
		  { OP_DELIVERABLE, "j", "{\"id\":\"d\",\"title\":\"D\",\"url\":\"/d\"}", "e" } },
		{ { OP_JOB_PATCH, "j", "{\"title\":\"J2\",\"metadata\":{\"m\":1}}", "p" },
		  { OP_COMMAND, "j", "{\"command\":\"pause\",\"taskId\":\"b\"}", "" },
		  { OP_TASK_CREATE, "k", "{\"id\":\"z\"}", "" } },
		{ { OP_JOB_DELETE, "k", "", "x" },
		  { OP_JOB_CREATE, "k", "{\"title\":\"K2\"}", "" },
		  { OP_TASK_REPORT, "j",
		    "[{\"taskId\":\"a\",\"progress\":1},{\"taskId\":\"n\",\"note\":\"x\"}]",
		    "r" } },
		{ { OP_TASK_REPORT, "k", "{\"taskId\":\"a\"}", "" },
		  { OP_JOB_PATCH, "j", "{\"status\":\"completed\"}", "q" },
		  { OP_TASK_REPORT, "j", "{\"taskId\":\"a\"}", "" } },
		{ { OP_KEY_CREATE, "", "{\"scope\":[\"admin\"]}", "" },
		  { OP_TASK_REPORT, "k",
		    "{\"taskId\":\"a\",\"status\":\"in_progress\",\"heartbeatTimeoutMs\":9000}",
		    "" },
		  { OP_JOB_PATCH, "k", "{\"heartbeatTimeoutMs\":2000}", "" } },
	};

	if (transaction >= (int)COUNT(script) || n >= 4 || !script[transaction][n].job)
		return NULL;
	return a_keyed_op(b, script[transaction][n].key, script[transaction][n].kind,
	                  script[transaction][n].job, script[transaction][n].body);
}

static enum store_result run_scripted(struct engine_bench *b, int transaction, bool *over)
{
	struct op *ops[4];
	size_t count = 0;

	while ((ops[count] = scripted(b, transaction, (int)count)))
		count++;
	*over = !count;
	b->now = NOW + transaction * 1000;
	entropy_byte = (uint8_t)(transaction * 40); /* however often it is tried */
	enum store_result r = count ? transact(b, ops, count) : STORE_OK;
	for (size_t i = 0; i < count; i++) {
		if (r != STORE_OK) {
			engine_refuse(ops[i]);
			assert_int_equal(ops[i]->problem.outcome, OUTCOME_STORAGE_UNAVAILABLE);
			assert_true(!ops[i]->body.len && !ops[i]->seq_last && !ops[i]->replayed);
		}
		op_free(ops[i]);
	}
	return r;
}

/* Everything, with call number `fails_at` failing once; what is in the store at the end, and the
 * count of calls. */
static char *run_script(bool exclusive, uint64_t cached_tasks, unsigned long fails_at,
                        enum store_result how, unsigned long *calls)
{
	struct engine_bench b;
	bool over = false;

	start(&b, exclusive);
	b.limits.cached_tasks = cached_tasks;
	b.store.fails_at = fails_at;
	b.store.how = how;
	for (int transaction = 0; !over; transaction++) {
		char *before = dumped(b.reader);
		enum store_result r = run_scripted(&b, transaction, &over);
		if (r != STORE_OK) {
			char *after = dumped(b.reader);
			assert_int_equal(r, how);
			assert_null(b.batch);
			assert_string_equal(before, after); /* nothing happened */
			free(after);
			assert_int_equal(run_scripted(&b, transaction, &over),
			                 STORE_OK); /* and nothing is broken */
		}
		free(before);
	}
	*calls = b.store.calls;
	char *end = dumped(b.reader);
	stop(&b);
	return end;
}

static void a_store_that_fails_leaves_no_trace(void **state)
{
	static const enum store_result hows[] = { STORE_FULL, STORE_BUSY, STORE_BROKEN };
	unsigned long calls, ignored;
	char *must = run_script(true, 1000, 0, STORE_OK, &calls);

	(void)state;
	assert_true(calls > 40);
	for (unsigned long n = 1; n <= calls; n++) {
		char *end = run_script(true, 1000, n, hows[n % COUNT(hows)], &ignored);
		if (strcmp(end, must) != 0)
			fail_msg("call %lu failed once, and then\n%sis not\n%s", n, end, must);
		free(end);
	}
	free(must);
}

static void what_is_kept_in_memory_changes_nothing(void **state)
{
	unsigned long with, without, ignored;
	char *kept = run_script(true, 1000, 0, STORE_OK, &with),
	     *little = run_script(true, 1, 0, STORE_OK, &ignored);
	char *nothing = run_script(false, 1000, 0, STORE_OK, &without);

	(void)state;
	assert_string_equal(kept, little);
	assert_string_equal(kept, nothing);
	assert_true(with < without); /* or it would not be worth it */
	free(kept);
	free(little);
	free(nothing);
}

#define ENGINE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* An answer that a key was made or revoked comes with the keyring that says so, or not at all. */
static void use_ticket(struct engine_bench *b, enum op_kind kind)
{
	struct op *op = op_create(kind);

	memset(op->token.id, 't', TOKEN_ID_LEN);
	ask(b, op);
	assert_int_equal(op->problem.outcome, OUTCOME_NO_CONTENT);
}

static void keys_change_only_with_the_keyring_that_the_loops_get(void **state)
{
	struct engine_bench *b = *state;
	struct op *revoke = op_create(OP_KEY_REVOKE);
	const struct credential *key;

	says(b, "created", OP_KEY_CREATE, "", "{\"scope\":[\"admin\"]}");
	assert_non_null(b->batch->keyring);
	const char *text = b->op->body.ptr + strlen("{\"key\":\"");
	key = keyring_find(b->batch->keyring, (struct slice){ text, ACCESS_KEY_LEN }, b->now);
	assert_non_null(key);
	memcpy(revoke->access_key.id, key->key.id, sizeof(key->key.id));
	for (unsigned long call = 1; call <= 5; call++) { /* begin, find, put, keyring, commit */
		b->store.calls = 0;
		b->store.fails_at = call;
		b->store.how = STORE_BUSY;
		assert_int_equal(transact(b, &revoke, 1), STORE_BUSY);
		assert_null(b->batch);
	}
	b->store.fails_at = 0;
	assert_int_equal(transact(b, &revoke, 1), STORE_OK);
	assert_int_equal(revoke->problem.outcome, OUTCOME_NO_CONTENT);
	key = keyring_get(b->batch->keyring, revoke->access_key.id);
	assert_true(key && key->key.revoked);
	op_free(revoke);
	says(b, "created", OP_JOB_CREATE, "", "{\"title\":\"T\"}");
	assert_null(b->batch->keyring);
	use_ticket(b, OP_TICKET_USE);
	assert_null(b->batch->keyring);
	use_ticket(b, OP_TICKET_RETURN);
	assert_null(b->batch->keyring);
}

/* Limits of a job, of a key, of the keys. */

static uint64_t bytes_of(struct engine_bench *b, const char *id)
{
	struct job_row row = { 0 };

	OK(b->reader->ops->begin(b->reader));
	OK(b->reader->ops->job_get(b->reader, id, &row));
	OK(b->reader->ops->commit(b->reader));
	job_row_finish(&row);
	return row.bytes;
}

static bool add_bytes(void *context, const struct event_row *row)
{
	*(uint64_t *)context += row->json.len;
	return true;
}

static void the_bytes_of_a_job_are_those_of_its_events(void **state)
{
	struct engine_bench *b = *state;
	struct job_row row = { 0 };
	uint64_t bytes = 0;

	says(b, "created", OP_JOB_CREATE, "j", "{\"title\":\"\u00e9\",\"metadata\":{\"k\":1}}");
	says(b, "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"t\",\"note\":\"\u20ac\"}");
	says(b, "created", OP_DELIVERABLE, "j",
	     "{\"title\":\"D\",\"url\":\"https://e.example/x\"}");
	OK(b->reader->ops->begin(b->reader));
	OK(b->reader->ops->job_get(b->reader, "j", &row));
	OK(b->reader->ops->events(b->reader, row.key, 0, false, 99, add_bytes, &bytes));
	OK(b->reader->ops->commit(b->reader));
	assert_int_equal(row.bytes, bytes);
	assert_true(bytes > 0);
	job_row_finish(&row);
}

static void a_full_job_can_only_be_ended(void **state)
{
	struct engine_bench *b = *state;

	says(b, "created", OP_JOB_CREATE, "j", "{\"title\":\"T\"}");
	b->limits.job_bytes = bytes_of(b, "j") + 1;
	says(b, "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");
	b->limits.job_bytes = bytes_of(b, "j");
	says(b, "job_full", OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");
	says(b, "job_full", OP_TASK_PUT, "j", "{\"status\":\"completed\"}");
	says(b, "job_full", OP_DELIVERABLE, "j",
	     "{\"title\":\"D\",\"url\":\"https://e.example/x\"}");
	says(b, "job_full", OP_COMMAND, "j", "{\"command\":\"cancel\"}");
	says(b, "job_full", OP_JOB_PATCH, "j", "{\"title\":\"U\"}");
	says(b, "job_full", OP_JOB_PATCH, "j", "{\"status\":\"revisions\"}");
	says(b, "job_full", OP_JOB_PATCH, "j", "{\"status\":\"failed\",\"title\":\"U\"}");
	says(b, "ok", OP_JOB_PATCH, "j", "{\"status\":\"failed\"}");
	says(b, "job_ended", OP_TASK_REPORT, "j", "{\"taskId\":\"t\"}");
	says(b, "created", OP_JOB_CREATE, "another", "{\"title\":\"T\"}");
}

static struct op *by(struct op *op, struct credential *key)
{
	op->by = credential_hold(key);
	return op;
}

static struct credential *a_credential(const char *id)
{
	struct access_key_row row = { .rights = RIGHT_ALL,
		                      .name = xstrdup(""),
		                      .jobs = xstrdup("*") };

	snprintf(row.id, sizeof(row.id), "%s", id);
	return credential_create(&row);
}

static void creates(struct engine_bench *b, const char *code, const char *job,
                    struct credential *key)
{
	ask(b, by(an_op(b, OP_JOB_CREATE, job, "{\"title\":\"T\"}"), key));
	assert_string_equal(outcome_code(b->op->problem.outcome), code);
}

static void a_key_has_so_many_open_jobs(void **state)
{
	struct engine_bench *b = *state;
	struct credential *key = a_credential("aaaaaaaaaaaa"),
	                  *other = a_credential("bbbbbbbbbbbb");

	creates(b, "created", "before", key); /* counts too when the limit is set later */
	b->limits.jobs_per_key = 2;
	creates(b, "created", "j1", key);
	creates(b, "too_many_jobs", "j2", key);
	creates(b, "created", "j3", other);
	creates(b, "created", "j4", NULL);
	says(b, "ok", OP_JOB_PATCH, "j1", "{\"status\":\"completed\"}");
	creates(b, "created", "j2", key);
	creates(b, "too_many_jobs", "j5", key);
	says(b, "no_content", OP_JOB_DELETE, "before", "");
	creates(b, "created", "j5", key);
	credential_release(key);
	credential_release(other);
}

static void a_job_that_ends_in_the_same_transaction_makes_room(void **state)
{
	struct engine_bench *b = *state;
	struct credential *key = a_credential("aaaaaaaaaaaa");
	struct op *ops[3];

	b->limits.jobs_per_key = 1;
	creates(b, "created", "j1", key);
	ops[0] = an_op(b, OP_JOB_PATCH, "j1", "{\"status\":\"completed\"}");
	ops[1] = by(an_op(b, OP_JOB_CREATE, "j2", "{\"title\":\"T\"}"), key);
	ops[2] = by(an_op(b, OP_JOB_CREATE, "j3", "{\"title\":\"T\"}"), key);
	assert_int_equal(transact(b, ops, 3), STORE_OK);
	assert_int_equal(ops[1]->problem.outcome, OUTCOME_CREATED);
	assert_int_equal(ops[2]->problem.outcome, OUTCOME_TOO_MANY_JOBS);
	for (int i = 0; i < 3; i++)
		op_free(ops[i]);
	credential_release(key);
}

static void there_are_so_many_keys_in_force(void **state)
{
	struct engine_bench *b = *state;
	struct op *revoke = op_create(OP_KEY_REVOKE);

	b->limits.access_keys = 2;
	says(b, "created", OP_KEY_CREATE, "", "{\"scope\":[\"admin\"]}");
	says(b, "created", OP_KEY_CREATE, "", "{\"scope\":[\"watch\"],\"expiresIn\":3600}");
	says(b, "too_many_keys", OP_KEY_CREATE, "", "{\"scope\":[\"watch\"]}");
	b->now += 3600 * 1000 - 1;
	says(b, "too_many_keys", OP_KEY_CREATE, "", "{\"scope\":[\"watch\"]}");
	b->now += 1; /* one has expired */
	says(b, "created", OP_KEY_CREATE, "", "{\"scope\":[\"watch\"]}");
	memcpy(revoke->access_key.id, b->op->body.ptr + strlen("{\"key\":\"jl_"),
	       ACCESS_KEY_ID_LEN);
	says(b, "too_many_keys", OP_KEY_CREATE, "", "{\"scope\":[\"watch\"]}");
	ask(b, revoke);
	says(b, "created", OP_KEY_CREATE, "", "{\"scope\":[\"watch\"]}");
}

/* Another node may have made the first key since the client was let in. */
static void who_needed_no_key_makes_and_revokes_none_when_there_is_one(void **state)
{
	struct engine_bench *b = *state;
	struct op *first = an_op(b, OP_KEY_CREATE, "", "{\"scope\":[\"admin\"]}");
	struct op *second = an_op(b, OP_KEY_CREATE, "", "{\"scope\":[\"admin\"]}");
	struct op *revoke = op_create(OP_KEY_REVOKE);

	first->by_open = second->by_open = revoke->by_open = true;
	ask(b, first);
	assert_int_equal(first->problem.outcome, OUTCOME_CREATED);
	memcpy(revoke->access_key.id, first->access_key.id, ACCESS_KEY_ID_LEN);
	ask(b, second);
	assert_int_equal(second->problem.outcome, OUTCOME_UNAUTHORIZED);
	ask(b, revoke);
	assert_int_equal(revoke->problem.outcome, OUTCOME_UNAUTHORIZED);
	assert_null(b->batch->keyring);
}

/* A report of every task with an id of these. */
static const char *report_of_many(const char *members)
{
	static struct buf body;

	body.len = 0;
	for (unsigned i = 0; i < NAMES; i++)
		buf_format(&body, "%s{\"taskId\":\"%s\",%s}", i ? "," : "[", many_id(i), members);
	buf_char(&body, ']');
	return buf_string(&body);
}

static void every_task_of_thousands_is_found(void **state)
{
	struct engine_bench *b = *state;
	char end[64];

	b->limits.batch_items = NAMES;
	says(b, "created", OP_JOB_CREATE, "j", "{\"title\":\"T\",\"heartbeatTimeoutMs\":5000}");
	says(b, "ok", OP_TASK_REPORT, "j", report_of_many("\"status\":\"in_progress\""));
	logged(b, NAMES);
	says(b, "ok", OP_TASK_REPORT, "j", report_of_many("\"progress\":7"));
	logged(b, NAMES);
	snprintf(end, sizeof(end), "\"seq\":%d,", 2 * NAMES + 1);
	has(event(b, NAMES - 1), end);
	has(event(b, NAMES - 1), "\"status\":\"in_progress\"");
	/* the tasks that have no limit of their own follow that of the job */
	says(b, "ok", OP_JOB_PATCH, "j", "{\"heartbeatTimeoutMs\":9000}");
	b->now += 6000;
	for (unsigned i = 0; i < NAMES; i += 400) {
		a_stall(b, "j", many_id(i));
		logged(b, 0);
	}
	b->now += 4000;
	for (unsigned i = 0; i < NAMES; i += 400) {
		a_stall(b, "j", many_id(i));
		logged(b, 1);
	}
}

static void every_job_of_thousands_is_found(void **state)
{
	struct engine_bench *b = *state;
	char body[200];

	b->limits.cached_tasks = NAMES / 2; /* the others are read from the store again */
	for (unsigned i = 0; i < NAMES; i++) {
		snprintf(body, sizeof(body), "{\"id\":\"%s\",\"title\":\"T\"}", many_id(i));
		says(b, "created", OP_JOB_CREATE, "", body);
	}
	for (unsigned i = 0; i < NAMES; i++) {
		says(b, "ok", OP_TASK_REPORT, many_id(i), "{\"taskId\":\"t\"}");
		has(event(b, 0), "\"seq\":2,");
	}
}

static bool count_job(void *context, const struct job_row *row)
{
	(void)row;
	++*(int *)context;
	return true;
}

static void send_canary(struct engine_bench *b, uint64_t number)
{
	struct op *op = op_create(OP_CANARY);

	op->canary = number;
	ask(b, op);
	assert_int_equal(b->op->problem.outcome, OUTCOME_NO_CONTENT);
	assert_int_equal(b->batch->count, 1);
	assert_string_equal(b->batch->events[0].job_id, CANARY_JOB);
	assert_int_equal(b->batch->events[0].seq, number);
}

static void a_canary_is_an_event_of_no_job_and_one_row(void **state)
{
	struct engine_bench *b = *state;
	const struct store_ops *ops = b->reader->ops;
	struct idempotency_row row = { 0 };
	int jobs = 0;

	assert_false(id_valid(slice_of(CANARY_JOB)));
	send_canary(b, 7);
	send_canary(b, 9);
	assert_int_equal(ops->begin(b->reader), STORE_OK);
	assert_int_equal(ops->jobs(b->reader, -1, 0, 10, count_job, &jobs), STORE_NONE);
	assert_int_equal(ops->idempotency_get(b->reader, CANARY_JOB, CANARY_JOB, &row), STORE_OK);
	assert_int_equal(row.seq_first, 9);
	free(row.body);
	ops->rollback(b->reader);
}

/* ---- days and the end of a job's time ---- */

static void the_row_of_a_day_is_written_when_a_job_begins_and_when_it_ends(void **state)
{
	struct engine_bench *b = *state;

	says(b, "created", OP_JOB_CREATE, "j", "{\"title\":\"T\",\"tasks\":[{\"id\":\"a\"}]}");
	assert_string_equal(days(b), "0 j pending e1 t1 c0 f0 x0 d0; ");
	says(
	    b, "ok", OP_TASK_REPORT, "j",
	    "[{\"taskId\":\"a\",\"status\":\"completed\"},{\"taskId\":\"b\",\"status\":\"failed\"},"
	    "{\"taskId\":\"c\",\"status\":\"cancelled\"}]");
	says(b, "created", OP_DELIVERABLE, "j", "{\"id\":\"d\",\"title\":\"D\"}");
	assert_string_equal(days(b), "0 j pending e1 t1 c0 f0 x0 d0; ");
	says(b, "ok", OP_JOB_PATCH, "j", "{\"status\":\"completed\"}");
	assert_string_equal(days(b), "0 j completed e6 t3 c1 f1 x1 d1 ended; ");
}

static void what_happens_in_the_same_transaction_is_in_the_row(void **state)
{
	struct engine_bench *b = *state;
	struct op *ops[] = {
		an_op(b, OP_JOB_CREATE, "j", "{\"title\":\"T\"}"),
		an_op(b, OP_TASK_REPORT, "j", "{\"taskId\":\"a\",\"status\":\"completed\"}"),
		an_op(b, OP_JOB_PATCH, "j", "{\"status\":\"failed\"}"),
	};

	assert_int_equal(transact(b, ops, COUNT(ops)), STORE_OK);
	assert_string_equal(days(b), "0 j failed e3 t1 c1 f0 x0 d0 ended; ");
	for (size_t i = 0; i < COUNT(ops); i++)
		op_free(ops[i]);
}

/* The row of the earlier day has what was true then, not what the first change of the next day
 * makes of it. */
static void a_job_that_goes_on_has_a_row_for_each_day_on_which_it_changed(void **state)
{
	struct engine_bench *b = *state;

	make_job(b);
	says(b, "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"a\",\"status\":\"in_progress\"}");
	b->now = NOW / DAY_MS * DAY_MS + DAY_MS - 1; /* the last moment of the day */
	says(b, "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"b\",\"status\":\"completed\"}");
	b->now++;
	says(b, "ok", OP_TASK_REPORT, "j",
	     "[{\"taskId\":\"a\",\"status\":\"failed\"},{\"taskId\":\"c\"}]");
	assert_string_equal(days(b),
	                    "0 j pending e3 t2 c1 f0 x0 d0; 1 j pending e5 t3 c1 f1 x0 d0; ");
	b->now += 3 * DAY_MS;
	says(b, "ok", OP_JOB_PATCH, "j", "{\"status\":\"completed\"}");
	assert_string_equal(days(b),
	                    "0 j pending e3 t2 c1 f0 x0 d0; 1 j pending e5 t3 c1 f1 x0 d0; "
	                    "4 j completed e6 t3 c1 f1 x0 d0 ended; ");
}

static void a_clock_that_goes_back_makes_no_other_row(void **state)
{
	struct engine_bench *b = *state;

	make_job(b);
	b->now -= 2 * DAY_MS;
	says(b, "ok", OP_JOB_PATCH, "j", "{\"status\":\"completed\"}");
	assert_string_equal(days(b), "0 j completed e2 t0 c0 f0 x0 d0 ended; ");
}

static void the_row_of_a_deleted_job_stays(void **state)
{
	struct engine_bench *b = *state;
	struct op *ops[] = {
		an_op(b, OP_JOB_CREATE, "k", "{\"title\":\"T\"}"),
		an_op(b, OP_TASK_REPORT, "k", "{\"taskId\":\"a\"}"),
		an_op(b, OP_JOB_DELETE, "k", ""),
	};

	make_job(b);
	says(b, "ok", OP_TASK_REPORT, "j", "{\"taskId\":\"a\"}");
	says(b, "no_content", OP_JOB_DELETE, "j", "");
	assert_string_equal(days(b), "0 j pending e2 t1 c0 f0 x0 d0; ");
	assert_int_equal(transact(b, ops, COUNT(ops)), STORE_OK);
	assert_string_equal(days(b),
	                    "0 j pending e2 t1 c0 f0 x0 d0; 0 k pending e2 t1 c0 f0 x0 d0; ");
	for (size_t i = 0; i < COUNT(ops); i++)
		op_free(ops[i]);
}

static void a_row_that_cannot_be_written_fails_the_transaction(void **state)
{
	struct engine_bench *b = *state;

	make_job(b);
	for (unsigned long call = 1; call < 30; call++) {
		struct op *op = an_op(b, OP_JOB_PATCH, "j", "{\"status\":\"completed\"}");
		b->now = NOW + DAY_MS;
		b->store.how = STORE_FULL;
		b->store.calls = 0;
		b->store.fails_at = call;
		enum store_result r = transact(b, &op, 1);
		bool failed = b->store.calls >= call;
		b->store.fails_at = 0;
		op_free(op);
		if (!failed) {
			assert_int_equal(r, STORE_OK);
			assert_true(call > 8); /* begin, rows, days, commit */
			break;
		}
		assert_int_equal(r, STORE_FULL);
		assert_string_equal(days(b), "0 j pending e1 t0 c0 f0 x0 d0; ");
	}
	assert_string_equal(days(b), "0 j pending e1 t0 c0 f0 x0 d0; "
	                             "1 j completed e2 t0 c0 f0 x0 d0 ended; ");
}

static void expire(struct engine_bench *b)
{
	struct op *op = op_create(OP_JOB_EXPIRE);

	snprintf(op->job_id, sizeof(op->job_id), "j");
	ask(b, op);
}

static void an_ended_job_is_removed_when_its_time_is_over_and_not_before(void **state)
{
	struct engine_bench *b = *state;

	b->limits.job_retention_ms = 1000;
	make_job(b);
	b->now += 5000;
	expire(b); /* it has not ended */
	assert_int_equal(b->batch->count, 0);
	says(b, "ok", OP_JOB_PATCH, "j", "{\"status\":\"completed\"}");
	b->now += 1000;
	expire(b);
	assert_int_equal(b->batch->count, 0);
	b->now++;
	b->limits.job_retention_ms = 0; /* never */
	expire(b);
	assert_int_equal(b->batch->count, 0);
	b->limits.job_retention_ms = 1000;
	expire(b);
	assert_int_equal(b->batch->count, 1);
	assert_true(b->batch->events[0].deleted); /* watchers are told as with DELETE */
	assert_int_equal(b->op->problem.outcome, OUTCOME_NO_CONTENT);
	expire(b);
	assert_string_equal(outcome_code(b->op->problem.outcome), "not_found");
	assert_string_equal(days(b), "0 j completed e2 t0 c0 f0 x0 d0 ended; ");
	make_job(b);
}

/* The row of a day is made of what was written before the next day began. */
static void ops_of_another_day_need_another_transaction(void **state)
{
	struct engine_bench *b = *state;
	int64_t midnight = 20000 * DAY_MS;

	assert_int_equal(engine_begin(b->engine, midnight - 2, 0, true), STORE_OK);
	assert_true(engine_set_time(b->engine, midnight - 1, 1, true));
	assert_false(engine_set_time(b->engine, midnight, 2, true));
	engine_rollback(b->engine);
}

static const struct CMUnitTest tests[] = {
	ENGINE_TEST(the_row_of_a_day_is_written_when_a_job_begins_and_when_it_ends),
	ENGINE_TEST(what_happens_in_the_same_transaction_is_in_the_row),
	ENGINE_TEST(a_job_that_goes_on_has_a_row_for_each_day_on_which_it_changed),
	ENGINE_TEST(a_clock_that_goes_back_makes_no_other_row),
	ENGINE_TEST(the_row_of_a_deleted_job_stays),
	ENGINE_TEST(ops_of_another_day_need_another_transaction),
	ENGINE_TEST(a_row_that_cannot_be_written_fails_the_transaction),
	ENGINE_TEST(an_ended_job_is_removed_when_its_time_is_over_and_not_before),
	ENGINE_TEST(a_job_begins_with_event_1),
	ENGINE_TEST(the_answer_to_a_creation_is_its_snapshot),
	ENGINE_TEST(who_gives_no_id_gets_one),
	ENGINE_TEST(a_name_is_taken_once),
	ENGINE_TEST(a_job_moves_freely_until_it_ends),
	ENGINE_TEST(nothing_is_added_to_a_job_that_has_ended),
	ENGINE_TEST(what_is_not_there_is_not_found),
	ENGINE_TEST(metadata_stands_in_the_event_that_changes_it),
	ENGINE_TEST(a_deleted_job_can_be_made_again_and_is_another),
	ENGINE_TEST(a_whole_life_fits_into_one_transaction),
	ENGINE_TEST(an_update_changes_what_it_mentions),
	ENGINE_TEST(an_unknown_task_is_made),
	ENGINE_TEST(a_job_holds_so_many_tasks),
	ENGINE_TEST(a_task_moves_freely),
	ENGINE_TEST(a_task_knows_when_it_started_and_ended),
	ENGINE_TEST(a_lower_attempt_is_over),
	ENGINE_TEST(a_batch_is_fenced_item_by_item),
	ENGINE_TEST(a_task_costs_no_more_in_a_large_batch),
	ENGINE_TEST(a_refused_op_leaves_the_others_alone),
	ENGINE_TEST(a_batch_is_answered_item_by_item),
	ENGINE_TEST(the_same_key_and_body_is_the_same_request),
	ENGINE_TEST(the_same_key_and_another_body_is_a_mistake),
	ENGINE_TEST(a_key_belongs_to_its_job),
	ENGINE_TEST(a_refusal_is_not_remembered),
	ENGINE_TEST(a_key_is_forgotten_after_its_time),
	ENGINE_TEST(creations_and_deletions_are_remembered_too),
	ENGINE_TEST(the_key_of_a_deletion_belongs_to_its_job),
	ENGINE_TEST(an_epoch_is_random_in_every_place),
	ENGINE_TEST(every_random_bit_makes_another_epoch),
	ENGINE_TEST(keys_of_a_deleted_job_go_with_it),
	ENGINE_TEST(one_transaction_sees_its_own_keys),
	ENGINE_TEST(keys_outlive_the_engine),
	ENGINE_TEST(time_within_a_job_does_not_go_back),
	ENGINE_TEST(deliverables_are_added_once),
	ENGINE_TEST(a_command_is_logged_and_changes_nothing),
	ENGINE_TEST(a_task_that_is_silent_for_too_long_is_said_to_be),
	ENGINE_TEST(a_job_says_how_long_its_tasks_may_be_silent),
	ENGINE_TEST(the_bytes_of_a_job_are_those_of_its_events),
	ENGINE_TEST(a_full_job_can_only_be_ended),
	ENGINE_TEST(a_key_has_so_many_open_jobs),
	ENGINE_TEST(a_job_that_ends_in_the_same_transaction_makes_room),
	ENGINE_TEST(there_are_so_many_keys_in_force),
	ENGINE_TEST(who_needed_no_key_makes_and_revokes_none_when_there_is_one),
	ENGINE_TEST(keys_change_only_with_the_keyring_that_the_loops_get),
	ENGINE_TEST(every_task_of_thousands_is_found),
	ENGINE_TEST(every_job_of_thousands_is_found),
	ENGINE_TEST(a_canary_is_an_event_of_no_job_and_one_row),
	TEST(a_store_that_fails_leaves_no_trace),
	TEST(what_is_kept_in_memory_changes_nothing),
};

int main(void)
{
	return RUN("engine", tests);
}
