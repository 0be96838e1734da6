/*
 * Exports and imports: a job that was exported and imported is the same job, whatever the pages and
 * pieces; an export that was changed in any way is refused and leaves nothing.
 */
#include "store_kit.h"

#include "faulty_store.h"
#include "kit.h"
#include "joblight/core/decode.h"
#include "joblight/core/engine.h"
#include "joblight/core/job_export.h"
#include "joblight/core/job_import.h"

#define NOW INT64_C(1770318000000)

/* A server: a store with an engine. */
struct place {
	struct database *db;
	struct store *reader;
	struct faulty_store store;
	struct store_ops ops;
	struct limits limits;
	struct engine *engine;
	struct batch *batch;
	int64_t now;
};

struct world {
	struct place from, to;
	struct buf file;
};

static uint8_t entropy_byte;

static void entropy(void *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = entropy_byte++;
}

static void place_open(struct place *p)
{
	*p = (struct place){ .limits = limits_default, .now = NOW };
	p->db = open_or_fail(":memory:");
	p->reader = database_reader(p->db);
	faulty_init(&p->store, database_writer(p->db), &p->ops, true);
	p->engine = engine_create(&p->store.base, &p->limits, entropy);
}

static void place_close(struct place *p)
{
	batch_release(p->batch);
	engine_free(p->engine);
	p->reader->ops->close(p->reader);
	database_close(p->db);
}

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	place_open(&w->from);
	place_open(&w->to);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	place_close(&w->from);
	place_close(&w->to);
	buf_finish(&w->file);
	free(w);
	return 0;
}

static enum store_result try(struct place *p, struct op *op)
{
	enum store_result r = engine_begin(p->engine, p->now, p->now, true);

	batch_release(p->batch);
	p->batch = NULL;
	if (r != STORE_OK)
		return r;
	r = engine_apply(p->engine, op);
	if (r != STORE_OK) {
		engine_rollback(p->engine);
		return r;
	}
	return engine_commit(p->engine, &p->batch);
}

static void say(struct place *p, enum op_kind kind, const char *job, const char *body)
{
	struct op *op = op_create(kind);
	struct problem problem = { 0 };

	snprintf(op->job_id, sizeof(op->job_id), "%s", job);
	if (body[0] && !decode_json(&p->limits, slice_of(body), op, &problem))
		fail_msg("%s: %s", body, problem.detail);
	OK(try(p, op));
	if (outcome_is_error(op->problem.outcome))
		fail_msg("%s: %s", body, op->problem.detail);
	op_free(op);
	p->now += 1000;
}

/* A job with everything that a job can have. */
static void make_job(struct place *p)
{
	say(p, OP_JOB_CREATE, "j",
	    "{\"title\":\"Q4 \xe2\x80\x94 "
	    "\\\"report\\\"\",\"metadata\":{\"a\":[1.50,{\"b\":null}]},"
	    "\"heartbeatTimeoutMs\":60000,\"status\":\"in_progress\","
	    "\"tasks\":[{\"id\":\"z\"},{\"id\":\"a\",\"status\":\"in_progress\",\"title\":\"A\"}]"
	    "}");
	say(p, OP_TASK_REPORT, "j",
	    "[{\"taskId\":\"a\",\"progress\":33.333333333,\"note\":\"line\\nline\",\"attempt\":2},"
	    "{\"taskId\":\"b\",\"status\":\"in_progress\",\"heartbeatTimeoutMs\":1000}]");
	say(p, OP_DELIVERABLE, "j", "{\"id\":\"d2\",\"title\":\"two\",\"url\":\"https://a/\"}");
	say(p, OP_DELIVERABLE, "j", "{\"id\":\"d1\",\"title\":\"one\"}");
	say(p, OP_COMMAND, "j", "{\"command\":\"pause\",\"args\":{\"for\":1.0}}");
	say(p, OP_TASK_REPORT, "j",
	    "[{\"taskId\":\"a\",\"status\":\"failed\"},{\"taskId\":\"a\",\"status\":\"in_"
	    "progress\"},"
	    "{\"taskId\":\"a\",\"status\":\"completed\",\"note\":null},{\"taskId\":\"z\"}]");
	say(p, OP_JOB_PATCH, "j",
	    "{\"title\":\"new\",\"metadata\":{\"c\":2},\"heartbeatTimeoutMs\":null}");
}

static void end_job(struct place *p)
{
	say(p, OP_JOB_PATCH, "j", "{\"status\":\"completed\"}");
}

/* ---- exporting ---- */

static enum export_result export_in_pages(struct store *s, size_t bytes, struct buf *out)
{
	struct export_at at = { 0 };
	enum export_result r = EXPORT_OK;
	uint8_t sha256[DIGEST_LEN];

	out->len = 0;
	while (r == EXPORT_OK && at.part != EXPORT_DONE) {
		OK(s->ops->begin(s));
		r = job_export_page(s, "j", &at, bytes, out);
		OK(s->ops->commit(s));
	}
	digest_sha256(buf_as_slice(out), sha256);
	job_export_end(&at, sha256, out);
	return r;
}

static void export_job(struct world *w)
{
	assert_int_equal(export_in_pages(w->from.reader, 1000, &w->file), EXPORT_OK);
}

static void export_ended_job(struct world *w)
{
	make_job(&w->from);
	end_job(&w->from);
	export_job(w);
}

/* ---- importing ---- */

struct wish {
	const char *as;
	bool replace, keep_epoch;
};

static struct op *a_piece(const struct wish *wish, struct slice bytes, enum import_step step)
{
	struct op *op = op_create(OP_JOB_IMPORT);

	if (wish->as)
		snprintf(op->job_id, sizeof(op->job_id), "%s", wish->as);
	op->replace = wish->replace;
	op->keep_epoch = wish->keep_epoch;
	op->import_step = step;
	buf_slice(&op->payload, bytes);
	return op;
}

/* The last answer; the caller frees it. */
static struct op *import_bytes(struct place *p, const struct wish *wish, struct slice file,
                               size_t piece)
{
	for (;;) {
		size_t len = piece < file.len ? piece : file.len;
		bool last = len == file.len;
		struct op *op = a_piece(wish, (struct slice){ file.ptr, len },
		                        last ? IMPORT_LAST : IMPORT_PIECE);
		OK(try(p, op));
		if (last || outcome_is_error(op->problem.outcome))
			return op;
		op_free(op);
		file.ptr += len;
		file.len -= len;
	}
}

static const struct wish plain = { 0 };

static void imports(struct place *p, const struct wish *wish, const struct buf *file, size_t piece,
                    const char *answer)
{
	struct op *op = import_bytes(p, wish, buf_as_slice(file), piece);

	if (outcome_is_error(op->problem.outcome))
		fail_msg("%s", op->problem.detail);
	if (!strstr(buf_string(&op->body), answer))
		fail_msg("no %s in %s", answer, op->body.ptr);
	op_free(op);
}

static const char *dump_of(struct store *s)
{
	static struct buf text;

	OK(s->ops->begin(s));
	dump(s, &text);
	OK(s->ops->commit(s));
	return buf_string(&text);
}

/* What the import leaves when it was refused. */
static void prune_all(struct place *p)
{
	struct store *s = database_writer(p->db);
	uint64_t rows;
	enum store_result r = STORE_OK;

	while (r == STORE_OK) {
		OK(s->ops->begin(s));
		r = prune(s, 0, 0, UINT64_MAX, 1000);
		OK(s->ops->commit(s));
	}
	OK(s->ops->begin(s));
	OK(prunable(s, 0, 0, UINT64_MAX, 1000, &rows));
	OK(s->ops->commit(s));
	assert_int_equal(rows, 0);
}

static void is_refused(struct place *p, struct slice file, size_t piece, const char *why)
{
	struct op *op = import_bytes(p, &plain, file, piece);

	if (op->problem.outcome != OUTCOME_INVALID_IMPORT)
		fail_msg("taken: %.*s", (int)file.len, file.ptr);
	if (!strstr(op->problem.detail, why))
		fail_msg("\"%s\" is not in \"%s\"", why, op->problem.detail);
	op_free(op);
	assert_string_equal(dump_of(p->reader), "");
	prune_all(p);
}

/* Copies the dump and makes the moments of the import the same. */
static char *comparable(struct store *s, struct place *p)
{
	struct buf out = { 0 };
	char imported[48];
	const char *text = dump_of(s), *at;

	snprintf(imported, sizeof(imported), "imported=%lld", (long long)p->now);
	at = strstr(text, imported);
	buf_add(&out, text, at ? (size_t)(at - text) : strlen(text));
	if (at) {
		buf_text(&out, "imported=0");
		buf_text(&out, at + strlen(imported));
	}
	buf_string(&out);
	return out.ptr;
}

/* Removes the line that begins with this. */
static void blank(char *text, const char *start)
{
	char *line = strstr(text, start);

	assert_non_null(line);
	memmove(line, strchr(line, '\n') + 1, strlen(strchr(line, '\n') + 1) + 1);
}

static void a_job_comes_back_as_it_was(void **state)
{
	struct world *w = *state;
	static const size_t pieces[] = { 1, 7, 64, 1000, 1 << 20 };

	export_ended_job(w);
	char *before = comparable(w->from.reader, &w->from);
	blank(before, "  task 2 b ");
	for (size_t i = 0; i < COUNT(pieces); i++) {
		struct place p;
		place_open(&p);
		imports(&p, &plain, &w->file, pieces[i], "\"epochKept\":true");
		char *after = comparable(p.reader, &p);
		blank(after, "  task 2 b "); /* it was waited for, and is not any more */
		assert_string_equal(after, before);
		free(after);
		place_close(&p);
	}
	free(before);
}

static void an_export_is_the_same_in_pages_of_any_size(void **state)
{
	struct world *w = *state;
	struct buf other = { 0 };

	export_ended_job(w);
	for (size_t bytes = 1; bytes < 5000; bytes = bytes * 3 + 1) {
		assert_int_equal(export_in_pages(w->from.reader, bytes, &other), EXPORT_OK);
		assert_int_equal(other.len, w->file.len);
		assert_memory_equal(other.ptr, w->file.ptr, other.len);
	}
	buf_finish(&other);
}

static void what_was_imported_is_exported_as_the_same_bytes(void **state)
{
	struct world *w = *state;
	struct buf again = { 0 };

	export_ended_job(w);
	imports(&w->to, &plain, &w->file, 100, "\"seq\":12");
	assert_int_equal(export_in_pages(w->to.reader, 1 << 20, &again), EXPORT_OK);
	assert_int_equal(again.len, w->file.len);
	assert_memory_equal(again.ptr, w->file.ptr, again.len);
	buf_finish(&again);
}

/* ---- damage ---- */

static struct slice line_at(const struct buf *file, unsigned number)
{
	const char *at = file->ptr, *end;

	while (number--) {
		at = strchr(at, '\n');
		at++;
	}
	end = strchr(at, '\n');
	return (struct slice){ at, (size_t)(end - at) + 1 };
}

static unsigned lines_of(struct buf *file)
{
	unsigned count = 0;

	for (const char *at = buf_string(file); (at = strchr(at, '\n')); at++)
		count++;
	return count;
}

static void an_export_without_one_of_its_lines_is_refused(void **state)
{
	struct world *w = *state;

	export_ended_job(w);
	for (unsigned n = 0; n < lines_of(&w->file); n++) {
		struct slice line = line_at(&w->file, n);
		struct buf damaged = { 0 };
		buf_add(&damaged, w->file.ptr, (size_t)(line.ptr - w->file.ptr));
		buf_text(&damaged, line.ptr + line.len);
		is_refused(&w->to, buf_as_slice(&damaged), 300, "line ");
		buf_finish(&damaged);
	}
}

static void an_export_with_a_line_twice_is_refused(void **state)
{
	struct world *w = *state;

	export_ended_job(w);
	for (unsigned n = 0; n < lines_of(&w->file); n++) {
		struct slice line = line_at(&w->file, n);
		struct buf damaged = { 0 };
		buf_add(&damaged, w->file.ptr, (size_t)(line.ptr - w->file.ptr) + line.len);
		buf_text(&damaged, line.ptr);
		is_refused(&w->to, buf_as_slice(&damaged), 300, "line ");
		buf_finish(&damaged);
	}
}

static void an_export_with_two_lines_changed_over_is_refused(void **state)
{
	struct world *w = *state;

	export_ended_job(w);
	for (unsigned n = 0; n + 1 < lines_of(&w->file); n++) {
		struct slice line = line_at(&w->file, n), next = line_at(&w->file, n + 1);
		struct buf damaged = { 0 };
		buf_add(&damaged, w->file.ptr, (size_t)(line.ptr - w->file.ptr));
		buf_slice(&damaged, next);
		buf_slice(&damaged, line);
		buf_text(&damaged, next.ptr + next.len);
		is_refused(&w->to, buf_as_slice(&damaged), 300, "line ");
		buf_finish(&damaged);
	}
}

static void an_export_that_is_cut_off_anywhere_is_refused(void **state)
{
	struct world *w = *state;

	export_ended_job(w);
	for (size_t len = 0; len < w->file.len; len += 13)
		is_refused(&w->to, (struct slice){ w->file.ptr, len }, 500,
		           len ? "the export ends here, incomplete" : "nothing to import");
	is_refused(&w->to, (struct slice){ w->file.ptr, w->file.len - 1 }, 500, "incomplete");
}

static void an_export_with_a_changed_byte_is_refused(void **state)
{
	struct world *w = *state;

	export_ended_job(w);
	for (size_t at = 0; at < w->file.len; at += 3) {
		char before = w->file.ptr[at];
		w->file.ptr[at] = (char)(before ^ 1);
		is_refused(&w->to, buf_as_slice(&w->file), 1 << 20, "line ");
		w->file.ptr[at] = (char)(before ^ 0x80); /* not UTF-8 */
		is_refused(&w->to, buf_as_slice(&w->file), 1 << 20, "line ");
		w->file.ptr[at] = before;
	}
	imports(&w->to, &plain, &w->file, 1 << 20, "\"seq\":12");
}

/* Replaces a text and makes the SHA-256 right again, as somebody would who edits the file. */
static void edit(struct world *w, const char *from, const char *to)
{
	struct buf out = { 0 };
	uint8_t sha256[DIGEST_LEN];
	char hex[2 * DIGEST_LEN + 1];
	char *at = strstr(w->file.ptr, from);

	assert_non_null(at);
	buf_add(&out, w->file.ptr, (size_t)(at - w->file.ptr));
	buf_text(&out, to);
	buf_text(&out, at + strlen(from));
	char *end = strstr(buf_string(&out), "{\"end\":");
	digest_sha256((struct slice){ out.ptr, (size_t)(end - out.ptr) }, sha256);
	digest_hex(sha256, DIGEST_LEN, hex);
	memcpy(strstr(end, "sha256\":\"") + strlen("sha256\":\""), hex, strlen(hex));
	buf_finish(&w->file);
	w->file = out;
}

static void an_edited_export_is_refused_by_the_fold(void **state)
{
	static const struct {
		const char *from, *to, *why;
	} edits[] = {
		{ "{\"task\":{\"id\":\"b\",\"status\":\"in_progress\"",
		  "{\"task\":{\"id\":\"b\",\"status\":\"pending\"",
		  "line 16: the task is not what the events make of it" },
		{ "\"title\":\"one\",\"createdAt\"", "\"title\":\"won\",\"createdAt\"",
		  "line 19: the deliverables are not what the events make of them" },
		{ "\"title\":\"new\",\"status\":\"completed\"",
		  "\"title\":\"old\",\"status\":\"completed\"",
		  "line 19: the job is not what the events make of it" },
		{ "\"seq\":5,\"deliverableId\":\"d1\"", "\"seq\":5,\"deliverableId\":\"d2\"",
		  "line 6: the job has this deliverable already" },
		{ "\"seq\":3,\"taskId\"", "\"seq\":2,\"taskId\"",
		  "line 4: this event was there before" },
		{ "\"seq\":3,\"taskId\"", "\"seq\":4,\"taskId\"",
		  "line 4: an event is missing before it" },
		{ "\"jobId\":\"j\",\"seq\":3", "\"jobId\":\"k\",\"seq\":3",
		  "line 4: it is an event of another job" },
		{ "\"timestamp\":\"2026-02-05T19:00:01.000Z\"",
		  "\"timestamp\":\"2026-02-05T18:00:01.000Z\"",
		  "line 3: it is earlier than the event before it" },
		{ "\"timestamp\":\"2026-02-05T19:00:01.000Z\"", "\"timestamp\":\"today\"",
		  "line 3: it has no timestamp" },
		{ "\"created\":true", "\"created\":false",
		  "line 2: the first event does not create the job" },
		{ "{\"type\":\"command\"", "{\"type\":\"presence\"",
		  "line 7: it is of no type that this joblight logs" },
		{ "{\"type\":\"command\"", "{\"type\":\"remark\"",
		  "line 7: it is of no type that this joblight logs" },
		{ "\"command\":\"pause\"", "\"order\":\"pause\"", "line 7: it has no command" },
		{ "\"version\":1", "\"version\":2",
		  "line 1: its version is 2, and this joblight knows 1" },
		{ "\"version\":1", "\"version\":\"1\"", "line 1: its version cannot be read" },
		{ "\"first\":1", "\"first\":0", "line 1: it has no id, epoch or first" },
		{ "{\"joblight\":\"job\"", "{\"joblight\":\"jobs\"",
		  "line 1: this is not the export of a job" },
		{ "\"joblight\"", "\"other\"", "line 1: this is not the export of a job" },
		{ "\"seq\":3,\"taskId\"", "\"seq\":3,\"seq\":3,\"taskId\"",
		  "line 4: it has a name twice" },
		{ "\"attempt\":2", "\"attempt\":2.5",
		  "line 3: a number of the task cannot be read" },
		{ "\"taskId\":\"b\"", "\"taskId\":\"/\"", "line 4: it has no taskId" },
		{ "{\"task\":{\"id\":\"z\"", "{\"task\":{\"id\":\"y\"",
		  "line 14: the task is not what the events make of it" },
	};
	struct world *w = *state;

	make_job(&w->from);
	end_job(&w->from);
	for (size_t i = 0; i < COUNT(edits); i++) {
		export_job(w);
		edit(w, edits[i].from, edits[i].to);
		is_refused(&w->to, buf_as_slice(&w->file), 400, edits[i].why);
	}
}

static void more_after_the_end_is_refused(void **state)
{
	struct world *w = *state;

	export_ended_job(w);
	buf_char(&w->file, '\n');
	is_refused(&w->to, buf_as_slice(&w->file), 1 << 20, "line 21: there is more after the end");
	w->file.ptr[w->file.len - 1] = 'x';
	is_refused(&w->to, buf_as_slice(&w->file), 1 << 20, "line 21: the export ends here");
}

/* The longest line that is taken is not valid here, but that is another mistake. */
static void a_line_without_an_end_is_refused_when_it_is_too_long(void **state)
{
	struct world *w = *state;
	struct buf file = { 0 };

	buf_reserve(&file, IMPORT_LINE_MAX + 2);
	memset(file.ptr, 'x', IMPORT_LINE_MAX + 1);
	file.ptr[IMPORT_LINE_MAX] = '\n';
	file.len = IMPORT_LINE_MAX + 1;
	is_refused(&w->to, buf_as_slice(&file), 1 << 20, "line 1: this is not the export of a job");
	file.ptr[IMPORT_LINE_MAX] = 'x';
	is_refused(&w->to, buf_as_slice(&file), 1 << 20, "line 1: it has more than 33554432 bytes");
	file.ptr[file.len++] = '\n';
	is_refused(&w->to, buf_as_slice(&file), 1 << 25, "line 1: it has more than 33554432 bytes");
	buf_finish(&file);
}

/* ---- a log that was pruned ---- */

static void prune_log(struct place *p, uint64_t keep)
{
	struct store *s = database_writer(p->db);

	OK(s->ops->begin(s));
	OK(prune(s, 0, 0, keep, 1000));
	OK(s->ops->commit(s));
}

static void a_pruned_log_is_imported_with_its_rows(void **state)
{
	struct world *w = *state;
	struct buf again = { 0 };

	make_job(&w->from);
	end_job(&w->from);
	prune_log(&w->from, 4);
	export_job(w);
	imports(&w->to, &plain, &w->file, 50, "\"first\":9");
	assert_int_equal(export_in_pages(w->to.reader, 1 << 20, &again), EXPORT_OK);
	assert_int_equal(again.len, w->file.len);
	assert_memory_equal(again.ptr, w->file.ptr, again.len);
	buf_finish(&again);
	char *before = comparable(w->from.reader, &w->from),
	     *after = comparable(w->to.reader, &w->to);
	assert_memory_equal(after, before,
	                    strcspn(before, "\n")); /* its bytes, and the pruned ones */
	free(before);
	free(after);
}

static void a_pruned_log_is_compared_with_what_its_events_say(void **state)
{
	static const struct {
		const char *from, *to, *why;
	} edits[] = {
		{ "\"title\":\"new\",\"status\":\"completed\"",
		  "\"title\":\"old\",\"status\":\"completed\"",
		  "line 11: the job is not what the events make of it" },
		{ "\"updatedAt\":\"2026-02-05T19:00:07", "\"updatedAt\":\"2026-02-05T19:00:08",
		  "line 6: the counts" },
		{ "{\"task\":{\"id\":\"a\"", "{\"task\":{\"id\":\"z\"",
		  "line 7: this task was there before" },
		{ "\"position\":1", "\"position\":2", "line 7: task 1 belongs here" },
		{ "{\"deliverable\":{\"id\":\"d1\"", "{\"deliverable\":{\"id\":\"d2\"",
		  "line 11: the deliverables are not" },
	};
	struct world *w = *state;

	make_job(&w->from);
	end_job(&w->from);
	prune_log(&w->from, 4);
	for (size_t i = 0; i < COUNT(edits); i++) {
		if (strstr(edits[i].why, "counts"))
			continue;
		export_job(w);
		edit(w, edits[i].from, edits[i].to);
		is_refused(&w->to, buf_as_slice(&w->file), 400, edits[i].why);
	}
}

/* ---- which id, which epoch ---- */

static void a_job_that_is_there_is_replaced_only_if_asked(void **state)
{
	struct world *w = *state;
	struct wish replace = { .replace = true };

	export_ended_job(w);
	say(&w->to, OP_JOB_CREATE, "j", "{\"title\":\"mine\"}");
	struct op *op = import_bytes(&w->to, &plain, buf_as_slice(&w->file), 1000);
	assert_int_equal(op->problem.outcome, OUTCOME_JOB_EXISTS);
	op_free(op);
	assert_non_null(strstr(dump_of(w->to.reader), "\"mine\""));
	imports(&w->to, &replace, &w->file, 1000, "\"epochKept\":true");
	assert_null(strstr(dump_of(w->to.reader), "\"mine\""));
	assert_int_equal(w->to.batch->count, 1);
	assert_true(w->to.batch->events[0].deleted); /* who watches it is told */
	prune_all(&w->to);
	assert_non_null(strstr(dump_of(w->to.reader), "event 12 "));
	op = import_bytes(&w->to, &plain, buf_as_slice(&w->file), 1000);
	assert_int_equal(op->problem.outcome, OUTCOME_JOB_EXISTS); /* also after the replacement */
	op_free(op);
}

static void under_another_id_it_is_another_job(void **state)
{
	struct world *w = *state;
	struct wish copy = { .as = "copy-of-j", .keep_epoch = true };

	export_ended_job(w);
	imports(&w->to, &plain, &w->file, 1000, "{\"id\":\"j\"");
	imports(&w->to, &copy, &w->file, 1000, "{\"id\":\"copy-of-j\"");
	imports(&w->from, &copy, &w->file, 1000, "\"epochKept\":false");
	const char *text = dump_of(w->to.reader);
	assert_non_null(strstr(text, "job copy-of-j "));
	assert_non_null(strstr(text, "{\"type\":\"command\",\"jobId\":\"copy-of-j\",\"seq\":6,"));
	assert_non_null(strstr(text, "{\"type\":\"command\",\"jobId\":\"j\",\"seq\":6,"));
}

static const char *epoch_answer(struct place *p, const struct wish *wish, const struct buf *file)
{
	struct op *op = import_bytes(p, wish, buf_as_slice(file), 1000);
	const char *answer = strstr(buf_string(&op->body), "\"epochKept\":true") ? "kept" : "new";

	if (outcome_is_error(op->problem.outcome))
		fail_msg("%s", op->problem.detail);
	op_free(op);
	return answer;
}

static void the_epoch_is_kept_where_no_other_events_can_follow(void **state)
{
	struct world *w = *state;
	struct wish replace = { .replace = true }, keep = { .replace = true, .keep_epoch = true };
	struct buf early = { 0 }, late = { 0 };

	make_job(&w->from);
	export_job(w);
	buf_slice(&early, buf_as_slice(&w->file));
	end_job(&w->from);
	export_job(w);
	buf_slice(&late, buf_as_slice(&w->file));

	assert_string_equal(epoch_answer(&w->to, &plain, &early), "new"); /* it goes on */
	assert_string_equal(epoch_answer(&w->to, &keep, &early), "kept");
	assert_string_equal(epoch_answer(&w->to, &replace, &late), "kept"); /* it begins with it */
	assert_string_equal(epoch_answer(&w->to, &replace, &late), "kept");
	assert_string_equal(epoch_answer(&w->to, &keep, &early), "kept");
	say(&w->to, OP_TASK_REPORT, "j", "{\"taskId\":\"other\"}");
	assert_string_equal(epoch_answer(&w->to, &replace, &late), "new"); /* another event 12 */
	buf_finish(&early);
	buf_finish(&late);
}

static bool add_overdue(void *context, const char *job, const char *task)
{
	buf_format(context, "%s/%s ", job, task);
	return true;
}

static const char *overdue(struct store *s, int64_t now)
{
	static struct buf text;

	text.len = 0;
	OK(s->ops->begin(s));
	s->ops->overdue_tasks(s, now, 10, add_overdue, &text);
	OK(s->ops->commit(s));
	return buf_string(&text);
}

static void a_job_that_goes_on_is_worked_at_after_the_import(void **state)
{
	struct world *w = *state;

	make_job(&w->from);
	export_job(w);
	w->to.now = NOW + 1000000;
	imports(&w->to, &plain, &w->file, 10, "\"seq\":11");
	assert_string_equal(overdue(w->to.reader, w->to.now + 999), "");
	assert_string_equal(overdue(w->to.reader, w->to.now + 1000), "j/b "); /* its own limit */
	say(&w->to, OP_TASK_REPORT, "j", "{\"taskId\":\"b\",\"status\":\"completed\"}");
	assert_int_equal(w->to.batch->events[0].seq, 12);
	say(&w->to, OP_TASK_REPORT, "j", "{\"taskId\":\"new\"}");
	end_job(&w->to);
	assert_non_null(strstr(dump_of(w->to.reader), "  task 3 new "));
}

/* ---- many, and failures ---- */

static struct op *step(struct place *p, uint64_t connection, struct slice bytes,
                       enum import_step what)
{
	struct op *op = a_piece(&plain, bytes, what);

	op->reply_to = connection;
	OK(try(p, op));
	return op;
}

static enum outcome outcome_of(struct op *op)
{
	enum outcome o = op->problem.outcome;

	op_free(op);
	return o;
}

static void each_connection_has_its_own_import_and_there_is_a_limit(void **state)
{
	struct world *w = *state;

	export_ended_job(w);
	struct slice half = { w->file.ptr, 700 }, rest = { w->file.ptr + 700, w->file.len - 700 };
	for (uint64_t c = 1; c <= 4; c++)
		assert_int_equal(outcome_of(step(&w->to, c, half, IMPORT_PIECE)),
		                 OUTCOME_NO_CONTENT);
	assert_int_equal(outcome_of(step(&w->to, 5, half, IMPORT_PIECE)), OUTCOME_OVERLOADED);
	assert_int_equal(outcome_of(step(&w->to, 2, half, IMPORT_DROP)), OUTCOME_NO_CONTENT);
	assert_int_equal(outcome_of(step(&w->to, 5, half, IMPORT_PIECE)), OUTCOME_NO_CONTENT);
	assert_int_equal(outcome_of(step(&w->to, 5, rest, IMPORT_LAST)), OUTCOME_CREATED);
	assert_int_equal(outcome_of(step(&w->to, 1, rest, IMPORT_LAST)), OUTCOME_JOB_EXISTS);
	assert_int_equal(outcome_of(step(&w->to, 2, rest, IMPORT_DROP)), OUTCOME_NO_CONTENT);
	assert_int_equal(outcome_of(step(&w->to, 6, half, IMPORT_PIECE)), OUTCOME_NO_CONTENT);
	assert_int_equal(outcome_of(step(&w->to, 7, half, IMPORT_PIECE)), OUTCOME_NO_CONTENT);
	assert_int_equal(outcome_of(step(&w->to, 8, half, IMPORT_PIECE)), OUTCOME_OVERLOADED);
	w->to.now += 600001; /* their clients have not sent anything for ten minutes */
	assert_int_equal(outcome_of(step(&w->to, 8, half, IMPORT_PIECE)), OUTCOME_NO_CONTENT);
	assert_int_equal(outcome_of(step(&w->to, 3, rest, IMPORT_LAST)), OUTCOME_INVALID_IMPORT);
	for (uint64_t c = 1; c <= 8; c++)
		assert_int_equal(outcome_of(step(&w->to, c, half, IMPORT_DROP)),
		                 OUTCOME_NO_CONTENT);
	prune_all(&w->to);
}

/* Whichever call of the store fails: the job is there as a whole or not at all, nothing stays that
 * is not removed, and the next attempt succeeds. */
static void a_store_that_fails_leaves_all_or_nothing(void **state)
{
	struct world *w = *state;
	bool failed = true;

	export_ended_job(w);
	for (unsigned long call = 1; failed; call += 3) {
		struct place p;
		place_open(&p);
		p.store.how = STORE_FULL;
		p.store.fails_at = call;
		struct slice rest = buf_as_slice(&w->file);
		failed = false;
		while (rest.len && !failed) {
			size_t len = rest.len < 900 ? rest.len : 900;
			struct op *op = a_piece(&plain, (struct slice){ rest.ptr, len },
			                        len == rest.len ? IMPORT_LAST : IMPORT_PIECE);
			failed = try(&p, op) != STORE_OK;
			op_free(op);
			rest.ptr += len;
			rest.len -= len;
		}
		p.store.fails_at = 0;
		if (failed) {
			assert_string_equal(dump_of(p.reader), "");
			/* the same connection: it is told to begin again, or it begins anew */
			struct op *op = a_piece(&plain, rest, IMPORT_LAST);
			OK(try(&p, op));
			assert_true(outcome_is_error(op->problem.outcome));
			op_free(op);
			imports(&p, &plain, &w->file, 900, "\"seq\":12");
		}
		prune_all(&p);
		assert_non_null(strstr(dump_of(p.reader), "event 12 "));
		place_close(&p);
	}
}

/* Applies the op in a transaction whose call of this number collides with one of another node, and
 * then once more; whether it did collide. */
static bool collide(struct place *p, struct op *op, unsigned long call)
{
	p->store.how = STORE_CONFLICT;
	p->store.fails_at = p->store.calls + call;
	enum store_result r = try(p, op);
	p->store.fails_at = 0;
	if (r == STORE_OK)
		return false;
	assert_int_equal(r, STORE_CONFLICT);
	engine_reset(op);
	OK(try(p, op));
	return true;
}

static bool import_with_collisions(struct place *p, const struct buf *file, size_t piece,
                                   unsigned long call)
{
	bool some = false;

	for (size_t at = 0; at < file->len; at += piece) {
		bool last = at + piece >= file->len;
		struct slice bytes = { file->ptr + at, last ? file->len - at : piece };
		struct op *op = a_piece(&plain, bytes, last ? IMPORT_LAST : IMPORT_PIECE);
		some |= collide(p, op, call);
		if (outcome_is_error(op->problem.outcome))
			fail_msg("%s", op->problem.detail);
		op_free(op);
	}
	return some;
}

/* Pieces of a part of a line, of a line, and of many. */
static void an_import_goes_on_after_each_transaction_that_was_run_again(void **state)
{
	static const size_t pieces[] = { 60, 300, 900, 1 << 20 };
	struct world *w = *state;

	export_ended_job(w);
	imports(&w->to, &plain, &w->file, 900, "\"seq\":12");
	char *expected = comparable(w->to.reader, &w->to);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		bool collided = true;
		for (unsigned long call = 2; collided; call++) {
			struct place p;
			place_open(&p);
			p.now = w->to.now;
			collided = import_with_collisions(&p, &w->file, pieces[i], call);
			char *dump = comparable(p.reader, &p);
			assert_string_equal(dump, expected);
			free(dump);
			prune_all(&p);
			place_close(&p);
		}
	}
	free(expected);
}

/* The first attempt of the last piece fails because another node has made the job. */
static void a_job_that_another_node_makes_meanwhile_is_there_already(void **state)
{
	struct world *w = *state;
	struct slice half = { 0 }, rest;

	export_ended_job(w);
	half = (struct slice){ w->file.ptr, 700 };
	rest = (struct slice){ w->file.ptr + 700, w->file.len - 700 };
	assert_int_equal(outcome_of(step(&w->to, 1, half, IMPORT_PIECE)), OUTCOME_NO_CONTENT);
	struct op *op = a_piece(&plain, rest, IMPORT_LAST);
	op->reply_to = 1;
	assert_int_equal(engine_begin(w->to.engine, w->to.now, w->to.now, true), STORE_OK);
	OK(engine_apply(w->to.engine, op));
	engine_rollback(w->to.engine);
	engine_reset(op);
	say(&w->to, OP_JOB_CREATE, "j", "{\"title\":\"theirs\"}");
	OK(try(&w->to, op));
	assert_int_equal(outcome_of(op), OUTCOME_JOB_EXISTS);
	assert_non_null(strstr(dump_of(w->to.reader), "theirs"));
	prune_all(&w->to);
}

/* ---- exporting a job that changes ---- */

static void a_job_that_goes_on_is_exported_as_of_its_last_page(void **state)
{
	struct world *w = *state;
	struct export_at at = { 0 };
	struct store *s = w->from.reader;
	uint8_t sha256[DIGEST_LEN];

	make_job(&w->from);
	for (int i = 0; at.part != EXPORT_DONE; i++) {
		OK(s->ops->begin(s));
		assert_int_equal(job_export_page(s, "j", &at, 600, &w->file), EXPORT_OK);
		OK(s->ops->commit(s));
		if (i < 3)
			say(&w->from, OP_TASK_REPORT, "j", "{\"taskId\":\"a\",\"note\":\"more\"}");
	}
	digest_sha256(buf_as_slice(&w->file), sha256);
	job_export_end(&at, sha256, &w->file);
	imports(&w->to, &plain, &w->file, 600, "\"seq\":14");
}

static void an_export_notices_when_what_it_has_not_read_is_gone(void **state)
{
	struct world *w = *state;
	struct export_at at = { 0 }, begun;
	struct store *s = w->from.reader;

	OK(s->ops->begin(s));
	assert_int_equal(job_export_page(s, "j", &at, 600, &w->file), EXPORT_NO_JOB);
	OK(s->ops->commit(s));
	make_job(&w->from);
	end_job(&w->from);
	OK(s->ops->begin(s));
	assert_int_equal(job_export_page(s, "j", &at, 600, &w->file), EXPORT_OK);
	OK(s->ops->commit(s));
	begun = at;
	prune_log(&w->from, 2);
	OK(s->ops->begin(s));
	assert_int_equal(job_export_page(s, "j", &at, 600, &w->file), EXPORT_CHANGED);
	OK(s->ops->commit(s));
	say(&w->from, OP_JOB_DELETE, "j", "");
	at = begun;
	OK(s->ops->begin(s));
	assert_int_equal(job_export_page(s, "j", &at, 600, &w->file), EXPORT_CHANGED);
	OK(s->ops->commit(s));
	make_job(&w->from);
	at = begun;
	OK(s->ops->begin(s));
	assert_int_equal(job_export_page(s, "j", &at, 600, &w->file), EXPORT_CHANGED);
	OK(s->ops->commit(s));
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest promises[] = {
		TEST(a_job_comes_back_as_it_was),
		TEST(an_export_is_the_same_in_pages_of_any_size),
		TEST(what_was_imported_is_exported_as_the_same_bytes),
		TEST(an_export_without_one_of_its_lines_is_refused),
		TEST(an_export_with_a_line_twice_is_refused),
		TEST(an_export_with_two_lines_changed_over_is_refused),
		TEST(an_export_that_is_cut_off_anywhere_is_refused),
		TEST(an_export_with_a_changed_byte_is_refused),
		TEST(an_edited_export_is_refused_by_the_fold),
		TEST(more_after_the_end_is_refused),
		TEST(a_line_without_an_end_is_refused_when_it_is_too_long),
		TEST(a_pruned_log_is_imported_with_its_rows),
		TEST(a_pruned_log_is_compared_with_what_its_events_say),
		TEST(a_job_that_is_there_is_replaced_only_if_asked),
		TEST(under_another_id_it_is_another_job),
		TEST(the_epoch_is_kept_where_no_other_events_can_follow),
		TEST(a_job_that_goes_on_is_worked_at_after_the_import),
		TEST(each_connection_has_its_own_import_and_there_is_a_limit),
		TEST(a_store_that_fails_leaves_all_or_nothing),
		TEST(an_import_goes_on_after_each_transaction_that_was_run_again),
		TEST(a_job_that_another_node_makes_meanwhile_is_there_already),
		TEST(a_job_that_goes_on_is_exported_as_of_its_last_page),
		TEST(an_export_notices_when_what_it_has_not_read_is_gone),
	};

	return cmocka_run_group_tests_name("imports", promises, NULL, NULL);
}
