/*
 * Sequences of operations on the core engine with the memory store: a model check.
 *
 * covers: src/core/engine.c src/core/apply*.c src/core/event_log.c src/core/idempotency.c
 * src/core/working_set.c src/core/encode.c src/store/memory*.c
 *
 * The input is a program: each step is an operation in the open transaction, a commit, a rollback,
 * a failure of the store at one of its next calls, a step of the clock, or pruning.  After every
 * commit:
 *   - each event of the batch has the next seq of its job, and the log holds the same bytes;
 *   - an operation that was refused has no event, and one that was answered has those it names;
 *   - the log of each job has the events from its first to its head without a hole;
 *   - the snapshot is the fold of the events, by a second implementation in model.c.
 * A transaction that failed leaves nothing.
 */
#include "fuzz.h"

#include "model.h"

#include "../unit/faulty_store.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/answer.h"
#include "joblight/core/decode.h"
#include "joblight/core/engine.h"
#include "joblight/store/backend.h"

#define OPS_MAX 16 /* of a transaction */
#define STEPS_MAX 200
#define NOW INT64_C(1770318000000)

struct program {
	struct slice input;
	struct limits limits;
	struct database *db;
	struct store *reader;
	struct faulty_store store;
	struct store_ops ops;
	struct engine *engine;
	struct model *model;
	struct op *applied[OPS_MAX];
	size_t count;
	bool open;
	int64_t now;
};

static uint8_t entropy_state;

static void entropy(void *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = entropy_state = (uint8_t)(entropy_state * 5 + 17);
}

static void start(struct program *p, struct slice input)
{
	char error[200];

	*p = (struct program){ .input = input, .limits = limits_default, .now = NOW };
	p->limits.tasks_per_job = 6;
	p->limits.deliverables_per_job = 3;
	p->db = database_open(":memory:", DURABILITY_FULL, error, sizeof(error));
	p->reader = database_reader(p->db);
	entropy_state = fuzz_byte(&p->input);
	faulty_init(&p->store, database_writer(p->db), &p->ops, entropy_state & 1);
	p->engine = engine_create(&p->store.base, &p->limits, entropy);
	p->model = model_create();
}

static void drop_ops(struct program *p)
{
	for (size_t i = 0; i < p->count; i++)
		op_free(p->applied[i]);
	p->count = 0;
	p->open = false;
	p->store.calls = p->store.fails_at = 0;
}

static void lose(struct program *p)
{
	for (size_t i = 0; i < p->count; i++) {
		engine_refuse(p->applied[i]);
		PROMISE(p->applied[i]->problem.outcome == OUTCOME_STORAGE_UNAVAILABLE);
	}
	drop_ops(p);
	model_check(p->model, p->reader);
}

static void roll_back(struct program *p)
{
	if (!p->open)
		return;
	engine_rollback(p->engine);
	lose(p);
}

static void check_answer(const struct op *op)
{
	struct buf text = { 0 };

	if (outcome_is_error(op->problem.outcome)) {
		PROMISE(op->problem.detail[0]);
		PROMISE(op->replayed || !op->seq_last);
	}
	if (op->kind < OP_JOB_IMPORT)
		answer_encode(&text, op, 1);
	buf_finish(&text);
}

static void commit(struct program *p)
{
	struct batch *batch = NULL;

	if (!p->open)
		return;
	if (engine_commit(p->engine, &batch) != STORE_OK) {
		PROMISE(!batch && p->store.fails_at);
		lose(p);
		return;
	}
	model_take(p->model, batch, p->applied, p->count);
	for (size_t i = 0; i < p->count; i++)
		check_answer(p->applied[i]);
	batch_release(batch);
	drop_ops(p);
	model_check(p->model, p->reader);
}

static bool begin(struct program *p)
{
	if (!p->open) {
		enum store_result r = engine_begin(p->engine, p->now, p->now, true);
		p->open = r == STORE_OK;
		PROMISE(p->open || p->store.fails_at);
		if (!p->open)
			p->store.calls = p->store.fails_at = 0;
	}
	return p->open;
}

/* The bodies: a few names and values, so that operations meet. */

static const char *pick(struct program *p, const char *const *texts, size_t count)
{
	return texts[fuzz_byte(&p->input) % count];
}

#define PICK(p, ...)                                                                               \
	pick(p, (const char *const[]){ __VA_ARGS__ },                                              \
	     sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

static void add_member(struct program *p, struct buf *body, const char *name, const char *value)
{
	(void)p;
	if (value[0])
		buf_format(body, "%s\"%s\":%s", body->ptr[body->len - 1] == '{' ? "" : ",", name,
		           value);
}

static void add_task(struct program *p, struct buf *body, bool report)
{
	buf_char(body, '{');
	add_member(p, body, report ? "taskId" : "id",
	           PICK(p, "\"a\"", "\"b\"", "\"c\"", "\"d\"", ""));
	add_member(p, body, "status",
	           PICK(p, "", "\"pending\"", "\"in_progress\"", "\"blocked\"", "\"completed\"",
	                "\"failed\"", "\"cancelled\""));
	add_member(p, body, "progress", PICK(p, "", "0", "12.5", "100", "null"));
	add_member(p, body, "note", PICK(p, "", "\"n\"", "\"\\u2028\\\"x\"", "null"));
	add_member(p, body, "title", PICK(p, "", "\"T\"", "\"Ti\""));
	add_member(p, body, "attempt", PICK(p, "", "1", "2", "null", "0"));
	add_member(p, body, "heartbeatTimeoutMs", PICK(p, "", "1000", "0", "null"));
	buf_char(body, '}');
}

static void add_tasks(struct program *p, struct buf *body, bool report)
{
	unsigned count = fuzz_byte(&p->input) % 4;

	buf_char(body, '[');
	for (unsigned i = 0; i < count; i++) {
		if (i)
			buf_char(body, ',');
		add_task(p, body, report);
	}
	buf_char(body, ']');
}

static void add_job(struct program *p, struct buf *body, bool new)
{
	buf_char(body, '{');
	if (new)
		add_member(p, body, "id", PICK(p, "\"j\"", "\"k\"", "\"l\"", ""));
	add_member(p, body, "title", PICK(p, "", "\"J\"", "\"Jo\""));
	add_member(p, body, "status",
	           PICK(p, "", "\"in_progress\"", "\"pending\"", "\"revisions\"", "\"hardening\"",
	                "\"completed\"", "\"failed\"", "\"cancelled\""));
	add_member(p, body, "metadata", PICK(p, "", "{}", "{\"k\":[1,null]}"));
	add_member(p, body, "heartbeatTimeoutMs", PICK(p, "", "1000", "null", "0"));
	if (new &&fuzz_byte(&p->input) % 2) {
		buf_format(body, "%s\"tasks\":", body->ptr[body->len - 1] == '{' ? "" : ",");
		add_tasks(p, body, false);
	}
	buf_char(body, '}');
}

static void add_command(struct program *p, struct buf *body)
{
	buf_char(body, '{');
	add_member(p, body, "command", PICK(p, "\"stop\"", "\"comment\""));
	add_member(p, body, "taskId", PICK(p, "", "\"a\"", "\"z\""));
	add_member(p, body, "args", PICK(p, "", "{\"x\":1}"));
	buf_char(body, '}');
}

static void add_deliverable(struct program *p, struct buf *body)
{
	buf_char(body, '{');
	add_member(p, body, "id", PICK(p, "", "\"d\"", "\"e\"", "\"f\"", "\"g\""));
	add_member(p, body, "title", PICK(p, "\"D\"", "\"De\""));
	add_member(p, body, "url", PICK(p, "", "\"https://a.test/x\"", "\"/x\""));
	add_member(p, body, "mediaType", PICK(p, "", "\"text/plain\""));
	buf_char(body, '}');
}

static void add_body(struct program *p, struct buf *body, const struct op *op)
{
	switch (op->kind) {
	case OP_JOB_CREATE:
	case OP_JOB_PATCH:
		add_job(p, body, op->kind == OP_JOB_CREATE);
		break;
	case OP_TASK_REPORT:
		if (fuzz_byte(&p->input) % 2)
			add_tasks(p, body, true);
		else
			add_task(p, body, true);
		break;
	case OP_TASK_CREATE:
	case OP_TASK_PUT:
		add_task(p, body, false);
		break;
	case OP_DELIVERABLE:
		add_deliverable(p, body);
		break;
	case OP_COMMAND:
		add_command(p, body);
		break;
	case OP_KEY_CREATE:
		buf_format(body, "{\"name\":\"k\",\"scope\":[\"watch\"],\"jobs\":[\"j*\"]%s}",
		           PICK(p, "", ",\"expiresIn\":60"));
		break;
	default:
		break;
	}
}

/* The op; NULL: the body was refused. */
static struct op *make_op(struct program *p, enum op_kind kind)
{
	struct op *op = op_create(kind);
	struct buf body = { 0 };
	struct problem problem = { 0 };
	bool ok = true;

	if (kind != OP_JOB_CREATE)
		snprintf(op->job_id, sizeof(op->job_id), "%s", PICK(p, "j", "k", "l", "m"));
	if (kind == OP_STALL || kind == OP_TASK_PUT)
		snprintf(op->task_id, sizeof(op->task_id), "%s", PICK(p, "a", "b", "c", "d"));
	snprintf(op->key, sizeof(op->key), "%s", PICK(p, "", "", "", "k1", "k2"));
	if (kind == OP_KEY_REVOKE)
		snprintf(op->access_key.id, sizeof(op->access_key.id), "0123456789AB");
	add_body(p, &body, op);
	if (body.len)
		ok = decode_json(&p->limits, buf_as_slice(&body), op, &problem);
	problem_finish(&problem);
	buf_finish(&body);
	if (ok)
		return op;
	op_free(op);
	return NULL;
}

static void apply(struct program *p, enum op_kind kind)
{
	struct op *op;

	if (p->count == OPS_MAX || !begin(p) || !(op = make_op(p, kind)))
		return;
	p->applied[p->count++] = op;
	if (engine_apply(p->engine, op) == STORE_OK)
		return;
	PROMISE(p->store.fails_at);
	roll_back(p);
}

static void fail_soon(struct program *p)
{
	static const enum store_result how[] = { STORE_FULL, STORE_BUSY, STORE_BROKEN };
	uint8_t byte = fuzz_byte(&p->input);

	p->store.how = how[byte % 3];
	p->store.fails_at = p->store.calls + 1 + byte / 3 % 40;
}

/* As the chore does it: in a transaction of its own. */
static void prune(struct program *p)
{
	uint64_t rows;
	struct store *s = p->store.inner;
	size_t budget = 1 + fuzz_byte(&p->input) % 8;

	if (p->open)
		return;
	PROMISE(s->ops->begin(s) == STORE_OK);
	const struct prune_limits limits = { p->now - 100000, p->now - 100000, INT64_MIN, 5,
		                             UINT64_MAX };
	enum store_result counted = s->ops->prunable(s, &limits, 1000, &rows);
	enum store_result r = s->ops->prune(s, &limits, budget);
	PROMISE(counted == STORE_OK && (r == STORE_NONE) == (rows == 0));
	PROMISE(s->ops->commit(s) == STORE_OK);
	model_check(p->model, p->reader);
}

/* Another program has written: without the engine's cache nothing else is different. */
static void step(struct program *p)
{
	uint8_t byte = fuzz_byte(&p->input) % 24;

	if (byte < OP_CANARY) /* which is of no job */
		apply(p, (enum op_kind)byte);
	else if (byte < 16)
		apply(p, byte % 2 ? OP_TASK_REPORT : OP_JOB_CREATE);
	else if (byte < 20)
		commit(p);
	else if (byte == 20)
		roll_back(p);
	else if (byte == 21)
		fail_soon(p);
	else if (byte == 22)
		p->now += fuzz_byte(&p->input) * INT64_C(1000);
	else
		prune(p);
}

void fuzz_one(struct slice input)
{
	struct program p;

	start(&p, input);
	for (unsigned steps = 0; p.input.len && steps < STEPS_MAX; steps++)
		step(&p);
	p.store.fails_at = 0;
	commit(&p);
	drop_ops(&p);
	model_free(p.model);
	engine_free(p.engine);
	p.reader->ops->close(p.reader);
	database_close(p.db);
}
