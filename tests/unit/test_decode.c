#include "kit.h"

#include <math.h>

#include "joblight/core/decode.h"
#include "joblight/core/json.h"

static struct problem problem; /* of the last refusal */

/* The op that a body makes, or NULL. */
static struct op *decode(enum op_kind kind, struct slice body)
{
	struct op *op = op_create(kind);

	problem_finish(&problem);
	problem = (struct problem){ 0 };
	if (decode_json(&limits_default, body, op, &problem))
		return op;
	op_free(op);
	return NULL;
}

static struct op *taken(enum op_kind kind, const char *body)
{
	struct op *op = decode(kind, slice_of(body));

	if (!op)
		fail_msg("refused: %s: %s", body, problem.detail);
	return op;
}

/* The problem as clients get it; always JSON, always UTF-8. */
static const char *problem_text(void)
{
	static struct buf text;
	size_t at;

	text.len = 0;
	problem_encode(&problem, &text);
	assert_null(json_check(buf_as_slice(&text), 32, &at));
	return buf_string(&text);
}

static void refused_text(enum op_kind kind, struct slice body, enum outcome outcome,
                         const char *part)
{
	struct op *op = decode(kind, body);

	if (op)
		fail_msg("taken: %.*s", (int)body.len, body.ptr);
	if (problem.outcome != outcome || !strstr(problem_text(), part))
		fail_msg("%.*s: %s", (int)body.len, body.ptr, problem_text());
}

static void refused(enum op_kind kind, const char *body, enum outcome outcome, const char *part)
{
	refused_text(kind, slice_of(body), outcome, part);
}

/* Names the field that is at fault. */
static void bad_field(enum op_kind kind, const char *body, const char *field)
{
	char part[160];

	snprintf(part, sizeof(part), "\"errors\":[{\"field\":\"%s\",", field);
	refused(kind, body, OUTCOME_INVALID_FIELD, part);
}

static bool is(struct slice text, const char *must)
{
	return slice_is(text, must);
}

/* A member of `len` bytes: {"NAME":"xxx…"}, with `front` before it. */
static struct slice with_text(const char *front, const char *name, size_t len, const char *back)
{
	static struct buf b;

	b.len = 0;
	buf_format(&b, "{%s\"%s\":\"", front, name);
	while (len--)
		buf_char(&b, 'x');
	buf_format(&b, "\"%s}", back);
	return buf_as_slice(&b);
}

static void at_most(enum op_kind kind, const char *front, const char *name, size_t most)
{
	struct op *op = decode(kind, with_text(front, name, most, ""));

	assert_non_null(op);
	op_free(op);
	refused_text(kind, with_text(front, name, most + 1, ""), OUTCOME_INVALID_FIELD, name);
}

/* Jobs. */

static void a_job_has_these_fields(void **state)
{
	struct op *op = taken(
	    OP_JOB_CREATE,
	    "{\"id\":\"j1\",\"title\":\"Q4 "
	    "report\",\"status\":\"hardening\",\"heartbeatTimeoutMs\":5000,"
	    "\"metadata\":{ \"n\" : 1.50, \"s\" : \"a  b\" },"
	    "\"tasks\":[{\"id\":\"t1\"},{\"title\":\"two\",\"status\":\"blocked\"}]}");

	(void)state;
	assert_string_equal(op->job_id, "j1");
	assert_true(op->has_title && is(op->title, "Q4 report"));
	assert_true(op->has_status && op->status == JOB_HARDENING);
	assert_true(op->has_silence && op->silence_ms == 5000);
	assert_true(op->has_metadata);
	assert_true(is(buf_as_slice(&op->metadata), "{\"n\":1.50,\"s\":\"a  b\"}"));
	assert_int_equal(op->task_count, 2);
	assert_true(is(op->tasks[0].id, "t1") && !op->tasks[0].has_title);
	assert_true(!op->tasks[1].id.len && is(op->tasks[1].title, "two") &&
	            op->tasks[1].status == TASK_BLOCKED);
	op_free(op);
}

static void a_job_needs_a_title_and_nothing_else(void **state)
{
	struct op *op = taken(OP_JOB_CREATE, "{\"title\":\"T\"}");

	(void)state;
	assert_string_equal(op->job_id, "");
	assert_false(op->has_status || op->has_metadata || op->has_silence || op->task_count);
	op_free(op);
	bad_field(OP_JOB_CREATE, "{}", "title");
	bad_field(OP_JOB_CREATE, "{\"title\":\"\"}", "title");
	bad_field(OP_JOB_CREATE, "{\"title\":null}", "title");
	bad_field(OP_JOB_CREATE, "{\"title\":7}", "title");
}

static void a_title_shows_something(void **state)
{
	static const char *const blanks[] = {
		" ", " \\t\\n ", "\u00a0", "\u3000\u2003", "\u200b\ufeff", "\\u2028"
	};
	char body[128];

	(void)state;
	for (size_t i = 0; i < COUNT(blanks); i++) {
		snprintf(body, sizeof(body), "{\"title\":\"%s\"}", blanks[i]);
		bad_field(OP_JOB_CREATE, body, "title");
		bad_field(OP_TASK_PUT, body, "title");
		snprintf(body, sizeof(body), "{\"title\":\"%s.\"}", blanks[i]);
		op_free(taken(OP_JOB_CREATE, body));
	}
}

static void a_number_that_no_reader_can_hold_is_refused(void **state)
{
	(void)state;
	bad_field(OP_JOB_CREATE, "{\"title\":\"T\",\"metadata\":{\"a\":1e400}}", "metadata");
	bad_field(OP_JOB_CREATE, "{\"title\":\"T\",\"metadata\":{\"a\":[{\"b\":-1e400}]}}",
	          "metadata");
	bad_field(OP_COMMAND, "{\"command\":\"c\",\"args\":{\"a\":1e309}}", "args");
	op_free(taken(OP_JOB_CREATE, "{\"title\":\"T\",\"metadata\":{\"a\":1e308,\"b\":1e-400}}"));
}

static void a_progress_too_small_to_be_read_is_none(void **state)
{
	static const char *const small[] = { "1e-320", "-0", "4e-324", "1e-999" };
	char body[96];

	(void)state;
	for (size_t i = 0; i < COUNT(small); i++) {
		snprintf(body, sizeof(body), "{\"taskId\":\"t\",\"progress\":%s}", small[i]);
		struct op *op = taken(OP_TASK_REPORT, body);
		assert_true(op->tasks->progress == 0 && !signbit(op->tasks->progress));
		op_free(op);
	}
}

static void a_byte_order_mark_is_skipped(void **state)
{
	struct op *op = taken(OP_JOB_CREATE,
	                      "\xef\xbb\xbf{\"title\":\"T\",\"metadata\":{\"a\":1}}");

	(void)state;
	assert_true(is(op->title, "T"));
	assert_string_equal(buf_string(&op->metadata), "{\"a\":1}");
	op_free(op);
	refused(OP_JOB_CREATE, "\xef\xbb\xbf\xef\xbb\xbf{\"title\":\"T\"}", OUTCOME_INVALID_JSON,
	        "");
	refused(OP_JOB_CREATE, "\xef\xbb\xbf", OUTCOME_INVALID_JSON, "empty");
}

static void a_patch_changes_at_least_one_field(void **state)
{
	struct op *op = taken(OP_JOB_PATCH, "{\"metadata\":null}");

	(void)state;
	assert_true(op->has_metadata && is(buf_as_slice(&op->metadata), "{}"));
	assert_false(op->has_title || op->has_status);
	op_free(op);
	bad_field(OP_JOB_PATCH, "{}", "body");
	refused(OP_JOB_PATCH, "{\"id\":\"j\"}", OUTCOME_UNKNOWN_FIELD, "\"field\":\"id\"");
	refused(OP_JOB_PATCH, "{\"tasks\":[]}", OUTCOME_UNKNOWN_FIELD, "\"field\":\"tasks\"");
}

static void statuses_are_listed_when_one_is_unknown(void **state)
{
	(void)state;
	refused(OP_JOB_PATCH, "{\"status\":\"done\"}", OUTCOME_INVALID_FIELD,
	        "must be one of pending, in_progress, revisions, hardening, completed, failed, "
	        "cancelled");
	refused(OP_TASK_PUT, "{\"status\":\"hardening\"}", OUTCOME_INVALID_FIELD,
	        "must be one of pending, in_progress, blocked, completed, failed, cancelled");
	bad_field(OP_JOB_PATCH, "{\"status\":1}", "status");
	bad_field(OP_JOB_PATCH, "{\"status\":null}", "status");
	bad_field(OP_JOB_PATCH, "{\"status\":\"Completed\"}", "status");
}

static void metadata_is_an_object_and_stays_as_it_was_written(void **state)
{
	struct op *op = taken(
	    OP_JOB_PATCH,
	    "{\"metadata\":{\"big\":12345678901234567890,\"e\":1e2,\"u\":\"\\u00e9\"}}");

	(void)state;
	assert_true(is(buf_as_slice(&op->metadata),
	               "{\"big\":12345678901234567890,\"e\":1e2,\"u\":\"\\u00e9\"}"));
	op_free(op);
	bad_field(OP_JOB_PATCH, "{\"metadata\":[]}", "metadata");
	bad_field(OP_JOB_PATCH, "{\"metadata\":\"{}\"}", "metadata");
	bad_field(OP_JOB_PATCH, "{\"meta\\u0064ata\":{}}", "metadata");
}

static void metadata_is_measured_without_its_white_space(void **state)
{
	size_t text = (size_t)limits_default.metadata_bytes - strlen("{\"a\":\"\"}");
	struct op *op = decode(OP_JOB_PATCH, with_text("\"metadata\":{      ", "a", text, "}"));

	(void)state;
	assert_non_null(op);
	op_free(op);
	refused_text(OP_JOB_PATCH, with_text("\"metadata\":{", "a", text + 1, "}"),
	             OUTCOME_INVALID_FIELD, "metadata");
}

/* Tasks. */

static void an_update_has_these_fields(void **state)
{
	struct op *op = taken(OP_TASK_REPORT,
	                      "{\"taskId\":\"t3\",\"status\":\"in_progress\",\"title\":\"Render\","
	                      "\"note\":\"page 42\",\"progress\":42.5,\"attempt\":7,"
	                      "\"heartbeatTimeoutMs\":60000}");
	const struct task_change *t = op->tasks;

	(void)state;
	assert_int_equal(op->task_count, 1);
	assert_false(op->batch);
	assert_true(is(t->id, "t3") && is(t->title, "Render") && is(t->note, "page 42"));
	assert_true(t->has_status == GIVEN_VALUE && t->status == TASK_IN_PROGRESS);
	assert_true(t->has_progress == GIVEN_VALUE && t->progress == 42.5);
	assert_true(t->has_attempt == GIVEN_VALUE && t->attempt == 7);
	assert_true(t->has_silence == GIVEN_VALUE && t->silence_ms == 60000);
	op_free(op);
}

static void what_is_not_mentioned_is_not_given(void **state)
{
	struct op *op = taken(OP_TASK_REPORT, "{\"taskId\":\"t3\"}");
	const struct task_change *t = op->tasks;

	(void)state;
	assert_true(!t->has_status && !t->has_title && !t->has_note && !t->has_progress &&
	            !t->has_attempt && !t->has_silence);
	op_free(op);
}

static void null_clears_note_and_progress(void **state)
{
	struct op *op = taken(OP_TASK_PUT,
	                      "{\"note\":null,\"progress\":null,\"heartbeatTimeoutMs\":null}");

	(void)state;
	assert_int_equal(op->tasks->has_note, GIVEN_NULL);
	assert_int_equal(op->tasks->has_progress, GIVEN_NULL);
	assert_int_equal(op->tasks->silence_ms, 0);
	op_free(op);
	bad_field(OP_TASK_PUT, "{\"title\":null}", "title");
	bad_field(OP_TASK_PUT, "{\"status\":null}", "status");
	bad_field(OP_TASK_PUT, "{\"attempt\":null}", "attempt");
}

static void progress_is_a_number_from_0_to_100(void **state)
{
	static const char *const good[] = { "0", "-0", "100", "0.5", "1e2", "99.999" };
	static const char *const bad[] = {
		"-1", "-0.001", "100.001", "101", "1e999", "-1e999", "\"50\"", "true", "[]", "{}",
	};
	char body[64];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		snprintf(body, sizeof(body), "{\"progress\":%s}", good[i]);
		op_free(taken(OP_TASK_PUT, body));
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(body, sizeof(body), "{\"progress\":%s}", bad[i]);
		bad_field(OP_TASK_PUT, body, "progress");
	}
}

static void attempt_is_a_whole_number(void **state)
{
	static const char *const bad[] = { "-1",   "1.5", "9007199254740992", "1e99", "\"1\"",
		                           "null", "true" };
	struct op *op = taken(OP_TASK_PUT, "{\"attempt\":9007199254740991}");
	char body[64];

	(void)state;
	assert_true(op->tasks->attempt == INT64_C(9007199254740991));
	op_free(op);
	op_free(taken(OP_TASK_PUT, "{\"attempt\":0}"));
	op_free(taken(OP_TASK_PUT, "{\"attempt\":2.0}"));
	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(body, sizeof(body), "{\"attempt\":%s}", bad[i]);
		bad_field(OP_TASK_PUT, body, "attempt");
	}
}

static void a_heartbeat_timeout_is_neither_short_nor_endless(void **state)
{
	static const char *const good[] = { "0", "1000", "86400000", "null" };
	static const char *const bad[] = { "1",      "999",      "86400001", "-1",
		                           "1000.5", "\"1000\"", "true" };
	char body[64];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		snprintf(body, sizeof(body), "{\"heartbeatTimeoutMs\":%s}", good[i]);
		op_free(taken(OP_TASK_PUT, body));
		op_free(taken(OP_JOB_PATCH, body));
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(body, sizeof(body), "{\"heartbeatTimeoutMs\":%s}", bad[i]);
		bad_field(OP_TASK_PUT, body, "heartbeatTimeoutMs");
		bad_field(OP_JOB_PATCH, body, "heartbeatTimeoutMs");
	}
}

static void texts_have_their_limits(void **state)
{
	(void)state;
	at_most(OP_TASK_PUT, "", "note", (size_t)limits_default.note_bytes);
	at_most(OP_TASK_PUT, "", "title", (size_t)limits_default.title_bytes);
	at_most(OP_JOB_CREATE, "", "title", (size_t)limits_default.title_bytes);
	at_most(OP_DELIVERABLE, "", "title", (size_t)limits_default.title_bytes);
}

static void ids_have_their_limit_and_their_letters(void **state)
{
	struct op *op = decode(OP_TASK_REPORT, with_text("", "taskId", ID_MAX, ""));

	(void)state;
	assert_non_null(op);
	op_free(op);
	refused_text(OP_TASK_REPORT, with_text("", "taskId", ID_MAX + 1, ""), OUTCOME_INVALID_ID,
	             "taskId");
	refused(OP_TASK_REPORT, "{\"taskId\":\"\"}", OUTCOME_INVALID_ID, "taskId");
	refused(OP_TASK_REPORT, "{\"taskId\":\"..\"}", OUTCOME_INVALID_ID, "taskId");
	refused(OP_TASK_REPORT, "{\"taskId\":7}", OUTCOME_INVALID_ID, "taskId");
	refused(OP_TASK_REPORT, "{\"taskId\":null}", OUTCOME_INVALID_ID, "taskId");
	refused(OP_JOB_CREATE, "{\"id\":\"'; DROP TABLE jobs\",\"title\":\"T\"}",
	        OUTCOME_INVALID_ID, "\"field\":\"id\"");
}

static void every_way_to_a_task_has_its_own_fields(void **state)
{
	(void)state;
	op_free(taken(OP_TASK_CREATE, "{\"id\":\"t\"}"));
	op_free(taken(OP_TASK_CREATE, "{\"title\":\"T\"}"));
	op_free(taken(OP_TASK_PUT, "{}"));
	bad_field(OP_TASK_CREATE, "{}", "title");
	bad_field(OP_TASK_REPORT, "{\"status\":\"completed\"}", "taskId");
	refused(OP_TASK_REPORT, "{\"taskId\":\"t\",\"id\":\"t\"}", OUTCOME_UNKNOWN_FIELD,
	        "\"field\":\"id\"");
	refused(OP_TASK_CREATE, "{\"taskId\":\"t\"}", OUTCOME_UNKNOWN_FIELD,
	        "\"field\":\"taskId\"");
	refused(OP_TASK_PUT, "{\"id\":\"t\"}", OUTCOME_UNKNOWN_FIELD, "\"field\":\"id\"");
}

/* Batches. */

static void a_batch_is_an_array_of_updates(void **state)
{
	struct op *op = taken(
	    OP_TASK_REPORT,
	    "[{\"taskId\":\"a\"},{\"taskId\":\"b\",\"progress\":5},{\"taskId\":\"a\"}]");

	(void)state;
	assert_true(op->batch);
	assert_int_equal(op->task_count, 3);
	assert_true(is(op->tasks[1].id, "b") && op->tasks[1].progress == 5);
	op_free(op);
	bad_field(OP_TASK_REPORT, "[]", "body");
	bad_field(OP_TASK_PUT, "[{}]", "body");
	bad_field(OP_JOB_CREATE, "[{\"title\":\"T\"}]", "body");
}

static struct slice batch_of(size_t items)
{
	static struct buf b;

	b.len = 0;
	for (size_t i = 0; i < items; i++)
		buf_format(&b, "%c{\"taskId\":\"t\"}", i ? ',' : '[');
	buf_char(&b, ']');
	return buf_as_slice(&b);
}

static void a_batch_has_its_limit(void **state)
{
	struct op *op = decode(OP_TASK_REPORT, batch_of(256));

	(void)state;
	assert_non_null(op);
	assert_int_equal(op->task_count, 256);
	op_free(op);
	refused_text(OP_TASK_REPORT, batch_of(257), OUTCOME_INVALID_FIELD,
	             "at most 256 updates, this one 257");
}

static void a_bad_item_is_named_by_its_index(void **state)
{
	(void)state;
	bad_field(OP_TASK_REPORT, "[{\"taskId\":\"a\"},{\"taskId\":\"b\",\"status\":\"x\"}]",
	          "[1].status");
	bad_field(OP_TASK_REPORT, "[{\"taskId\":\"a\"},{}]", "[1].taskId");
	bad_field(OP_TASK_REPORT, "[{\"taskId\":\"a\"},7]", "[1]");
	refused(OP_TASK_REPORT, "[{\"taskId\":\"a\",\"x\":1}]", OUTCOME_UNKNOWN_FIELD,
	        "\"field\":\"[0].x\"");
	refused(OP_TASK_REPORT, "[{\"taskId\":\"-\"}]", OUTCOME_INVALID_ID,
	        "\"field\":\"[0].taskId\"");
	bad_field(OP_JOB_CREATE,
	          "{\"title\":\"T\",\"tasks\":[{\"id\":\"a\"},{\"id\":\"b\",\"progress\":200}]}",
	          "tasks[1].progress");
	bad_field(OP_JOB_CREATE, "{\"title\":\"T\",\"tasks\":{}}", "tasks");
}

/* What comes behind a bad task is named by its own name. */
static void every_mistake_is_named_in_one_answer(void **state)
{
	(void)state;
	refused(OP_TASK_PUT, "{\"progress\":200,\"note\":5,\"status\":\"x\"}",
	        OUTCOME_INVALID_FIELD, "\"field\":\"progress\"");
	assert_non_null(strstr(problem_text(), "\"field\":\"note\""));
	assert_non_null(strstr(problem_text(), "\"field\":\"status\""));
	refused(OP_JOB_CREATE, "{\"tasks\":[{\"id\":\"-\"}],\"extra\":1}", OUTCOME_UNKNOWN_FIELD,
	        "\"field\":\"extra\"");
	assert_non_null(strstr(problem_text(), "\"field\":\"tasks[0].id\""));
}

static void an_answer_names_a_few_mistakes_and_not_thousands(void **state)
{
	struct buf body = { 0 };

	(void)state;
	buf_text(&body, "{\"a\":1");
	for (int i = 0; i < 5000; i++)
		buf_format(&body, ",\"f%d\":1", i);
	buf_char(&body, '}');
	refused_text(OP_TASK_PUT, buf_as_slice(&body), OUTCOME_UNKNOWN_FIELD, "\"field\":\"a\"");
	assert_true(strlen(problem_text()) < 8192);
	buf_finish(&body);
}

/* Deliverables and commands. */

static void a_deliverable_has_these_fields(void **state)
{
	struct op *op = taken(
	    OP_DELIVERABLE,
	    "{\"id\":\"d1\",\"title\":\"report.pdf\",\"url\":\"https://a.example/r.pdf\","
	    "\"mediaType\":\"application/pdf\"}");

	(void)state;
	assert_true(is(op->deliverable_id, "d1") && is(op->title, "report.pdf"));
	assert_true(is(op->url, "https://a.example/r.pdf") &&
	            is(op->media_type, "application/pdf"));
	op_free(op);
	op_free(taken(OP_DELIVERABLE, "{\"title\":\"T\"}"));
	bad_field(OP_DELIVERABLE, "{}", "title");
	bad_field(OP_DELIVERABLE, "{\"title\":\"\"}", "title");
}

static void a_link_runs_no_code_and_hides_nothing(void **state)
{
	static const char *const good[] = { "https://a/", "http://a/?q#f", "HTTPS://a", "/files/1",
		                            "/" };
	static const char *const bad[] = {
		"",
		"javascript:alert(1)",
		"JaVaScRiPt:x",
		"data:text/html,x",
		"vbscript:x",
		"ftp://a/",
		"//evil.example",
		"/\\\\evil.example",
		" https://a/",
		"a/b",
		"https:",
		"file:///etc/passwd",
		"/a\\u0009b",
		"/\\u0085",
	};
	char body[128];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		snprintf(body, sizeof(body), "{\"title\":\"T\",\"url\":\"%s\"}", good[i]);
		op_free(taken(OP_DELIVERABLE, body));
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(body, sizeof(body), "{\"title\":\"T\",\"url\":\"%s\"}", bad[i]);
		bad_field(OP_DELIVERABLE, body, "url");
	}
}

static void a_media_type_is_two_tokens(void **state)
{
	static const char *const good[] = { "a/b", "application/vnd.x+json", "image/svg+xml" };
	static const char *const bad[] = {
		"", "a", "a/", "/b", "a/b/c", "a/b; c=d", "a b/c", "a/b\\n", "text/html\\u0000",
	};
	char body[128];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		snprintf(body, sizeof(body), "{\"title\":\"T\",\"mediaType\":\"%s\"}", good[i]);
		op_free(taken(OP_DELIVERABLE, body));
	}
	for (size_t i = 0; i + 1 < COUNT(bad); i++) {
		snprintf(body, sizeof(body), "{\"title\":\"T\",\"mediaType\":\"%s\"}", bad[i]);
		bad_field(OP_DELIVERABLE, body, "mediaType");
	}
	snprintf(body, sizeof(body), "{\"title\":\"T\",\"mediaType\":\"%s\"}", bad[COUNT(bad) - 1]);
	refused(OP_DELIVERABLE, body, OUTCOME_INVALID_JSON, "u0000");
}

static void a_command_has_these_fields(void **state)
{
	struct op *op = taken(
	    OP_COMMAND, "{\"command\":\"cancel\",\"taskId\":\"t3\",\"args\":{ \"why\" : [ 1 ] }}");

	(void)state;
	assert_true(is(op->command, "cancel"));
	assert_string_equal(op->task_id, "t3");
	assert_true(is(buf_as_slice(&op->payload), "{\"why\":[1]}"));
	op_free(op);
	op = taken(OP_COMMAND, "{\"command\":\"a-b_c.9\"}");
	assert_true(is(buf_as_slice(&op->payload), "{}"));
	op_free(op);
	bad_field(OP_COMMAND, "{}", "command");
	bad_field(OP_COMMAND, "{\"command\":\"\"}", "command");
	bad_field(OP_COMMAND, "{\"command\":\"Cancel\"}", "command");
	bad_field(OP_COMMAND, "{\"command\":\"rm -rf\"}", "command");
	bad_field(OP_COMMAND, "{\"command\":\"x\",\"args\":[]}", "args");
	at_most(OP_COMMAND, "", "command", 64);
}

/* Bodies. */

static void a_body_is_json_and_nothing_behind_it(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"{",
		"{}x",
		"{} {}",
		"nul",
		"\"\\ud83d\"",
		"{\"note\":\"a\\u0000b\"}",
		"{\"note\":\"\xff\"}",
		"{\"note\":\"a\nb\"}",
		"taskId=t",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		refused(OP_TASK_PUT, bad[i], OUTCOME_INVALID_JSON, "not valid JSON");
	bad_field(OP_TASK_PUT, "null", "body");
	bad_field(OP_TASK_PUT, "\"x\"", "body");
	bad_field(OP_TASK_PUT, "7", "body");
}

static struct slice nested(size_t levels)
{
	static struct buf b;

	b.len = 0;
	buf_text(&b, "{\"metadata\":");
	for (size_t i = 1; i < levels; i++)
		buf_text(&b, "{\"a\":");
	buf_char(&b, '1');
	for (size_t i = 0; i < levels; i++)
		buf_char(&b, '}');
	return buf_as_slice(&b);
}

static void a_body_has_32_levels_at_most(void **state)
{
	struct op *op = decode(OP_JOB_PATCH, nested(32));

	(void)state;
	assert_non_null(op);
	op_free(op);
	refused_text(OP_JOB_PATCH, nested(33), OUTCOME_INVALID_JSON, "nested too deeply");
}

static void a_name_is_given_once(void **state)
{
	(void)state;
	refused(OP_TASK_PUT, "{\"note\":\"a\",\"note\":\"b\"}", OUTCOME_DUPLICATE_KEY,
	        "\\\"note\\\" is given twice");
	refused(OP_TASK_PUT, "{\"note\":\"a\",\"n\\u006fte\":\"b\"}", OUTCOME_DUPLICATE_KEY,
	        "note");
	refused(OP_JOB_PATCH, "{\"metadata\":{\"a\":{\"b\":1,\"c\":2,\"b\":3}}}",
	        OUTCOME_DUPLICATE_KEY, "b");
	refused(OP_JOB_PATCH, "{\"metadata\":{\"x\":[1,{\"b\":1,\"b\":1}]}}", OUTCOME_DUPLICATE_KEY,
	        "b");
	op_free(taken(OP_JOB_PATCH, "{\"metadata\":{\"a\":{\"b\":1},\"b\":{\"b\":1}}}"));
}

static void names_are_case_sensitive_and_known(void **state)
{
	(void)state;
	refused(OP_TASK_PUT, "{\"STATUS\":\"completed\"}", OUTCOME_UNKNOWN_FIELD,
	        "\"field\":\"STATUS\"");
	refused(OP_TASK_PUT, "{\"statuss\":\"completed\"}", OUTCOME_UNKNOWN_FIELD,
	        "known are status, note, progress, title, attempt, heartbeatTimeoutMs");
	refused(OP_TASK_PUT, "{\"\":1}", OUTCOME_UNKNOWN_FIELD, "\"field\":\"\"");
}

/* Whatever a client calls a field, the answer is valid JSON in valid UTF-8. */
static void long_names_are_cut_between_characters(void **state)
{
	struct buf name = { 0 }, once = { 0 }, twice = { 0 };

	(void)state;
	for (size_t front = 55; front < 70; front++) {
		name.len = once.len = twice.len = 0;
		for (size_t i = 0; i < front; i++)
			buf_char(&name, 'x');
		for (size_t i = 0; i < 100; i++)
			buf_text(&name, "\xf0\x9f\x92\xa1");
		buf_string(&name);
		buf_format(&once, "{\"%s\":1}", name.ptr);
		buf_format(&twice, "{\"%s\":1,\"%s\":2}", name.ptr, name.ptr);
		refused_text(OP_TASK_PUT, buf_as_slice(&once), OUTCOME_UNKNOWN_FIELD, "xxx");
		refused_text(OP_TASK_PUT, buf_as_slice(&twice), OUTCOME_DUPLICATE_KEY, "xxx");
	}
	buf_finish(&name);
	buf_finish(&once);
	buf_finish(&twice);
}

static void notes_keep_every_character(void **state)
{
	struct op *op = taken(
	    OP_TASK_PUT,
	    "{\"note\":\"\\n\\r\\t \\\"\\\\ \\u2028 \xef\xbb\xbf \\ud83d\\udca1 </script> %s\"}");

	(void)state;
	assert_true(is(op->tasks->note,
	               "\n\r\t \"\\ \xe2\x80\xa8 \xef\xbb\xbf \xf0\x9f\x92\xa1 </script> %s"));
	op_free(op);
}

/* Some versions of cJSON hold 63 digits and others all: it is read whole or refused whole. */
static void a_number_of_a_hundred_digits_is_not_cut(void **state)
{
	struct buf body = { 0 };

	(void)state;
	buf_text(&body, "{\"progress\":1");
	for (int i = 0; i < 100; i++)
		buf_char(&body, '0');
	buf_text(&body, "e-99}");
	struct op *op = decode(OP_TASK_PUT, buf_as_slice(&body));
	if (op)
		assert_true(op->tasks->progress == 10);
	else
		assert_int_equal(problem.outcome, OUTCOME_INVALID_JSON);
	op_free(op);
	buf_finish(&body);
}

/* Forms. */

static struct op *decode_as_form(const char *body)
{
	struct op *op = op_create(OP_TASK_REPORT);

	problem_finish(&problem);
	problem = (struct problem){ 0 };
	if (decode_form(&limits_default, slice_of(body), op, &problem))
		return op;
	op_free(op);
	return NULL;
}

static void a_form_has_the_same_fields(void **state)
{
	struct op *op = decode_as_form(
	    "taskId=t3&status=completed&progress=42.5&note=a+b%26%C3%A9%0A&attempt=3"
	    "&title=100%25&heartbeatTimeoutMs=1000");
	const struct task_change *t = op->tasks;

	(void)state;
	assert_int_equal(op->task_count, 1);
	assert_true(is(t->id, "t3") && t->status == TASK_COMPLETED && t->progress == 42.5 &&
	            t->attempt == 3);
	assert_true(is(t->note, "a b&\xc3\xa9\n") && is(t->title, "100%") && t->silence_ms == 1000);
	op_free(op);
	op = decode_as_form("&taskId=t&&note=7&");
	assert_true(is(op->tasks->note, "7"));
	op_free(op);
	op = decode_as_form("taskId=t&note=");
	assert_true(op->tasks->has_note == GIVEN_VALUE && !op->tasks->note.len);
	op_free(op);
}

static void a_form_and_the_same_json_are_one_request(void **state)
{
	struct op *form = decode_as_form("taskId=t3&status=completed&progress=42&note=done");
	struct op *json = taken(
	    OP_TASK_REPORT,
	    "{\"note\":\"done\",\"progress\":42.0,\"taskId\":\"t3\",\"status\":\"completed\"}");
	uint8_t a[32], b[32];

	(void)state;
	op_fingerprint(form, a);
	op_fingerprint(json, b);
	assert_memory_equal(a, b, sizeof(a));
	op_free(form);
	op_free(json);
}

static void forms_are_as_strict_as_json(void **state)
{
	static const struct {
		const char *body;
		enum outcome outcome;
	} bad[] = {
		{ "", OUTCOME_INVALID_FIELD },
		{ "status=completed", OUTCOME_INVALID_FIELD },
		{ "taskId=t&progress=", OUTCOME_INVALID_FIELD },
		{ "taskId=t&progress=0x10", OUTCOME_INVALID_FIELD },
		{ "taskId=t&progress=+5", OUTCOME_INVALID_FIELD },
		{ "taskId=t&progress=nan", OUTCOME_INVALID_FIELD },
		{ "taskId=t&progress=101", OUTCOME_INVALID_FIELD },
		{ "taskId=t&progress=null", OUTCOME_INVALID_FIELD },
		{ "taskId=t&attempt=1.5", OUTCOME_INVALID_FIELD },
		{ "taskId=t&status=x", OUTCOME_INVALID_FIELD },
		{ "taskId=..", OUTCOME_INVALID_ID },
		{ "taskId=t&x=1", OUTCOME_UNKNOWN_FIELD },
		{ "taskId=t&note", 0 },
		{ "taskId=t&note=a&note=b", OUTCOME_DUPLICATE_KEY },
		{ "taskId=t&note=a&n%6fte=b", OUTCOME_DUPLICATE_KEY },
		{ "taskId=t&note=%", OUTCOME_BAD_REQUEST },
		{ "taskId=t&note=%4", OUTCOME_BAD_REQUEST },
		{ "taskId=t&note=%zz", OUTCOME_BAD_REQUEST },
		{ "taskId=t&note=%00", OUTCOME_BAD_REQUEST },
		{ "taskId=t&note=%ff", OUTCOME_BAD_REQUEST },
		{ "taskId=t&note=%ed%a0%80", OUTCOME_BAD_REQUEST },
		{ "{\"taskId\":\"t\"}", OUTCOME_INVALID_FIELD }, /* of the header: it is JSON */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct op *op = decode_as_form(bad[i].body);
		if (!op == !bad[i].outcome || (!op && problem.outcome != bad[i].outcome))
			fail_msg("%s: %s", bad[i].body, op ? "taken" : problem_text());
		op_free(op);
	}
}

static void a_form_of_a_hundred_thousand_fields_costs_nothing(void **state)
{
	struct buf body = { 0 };

	(void)state;
	for (int i = 0; body.len < 262144 - 10; i++)
		buf_format(&body, "%x=&", i);
	assert_null(decode_as_form(buf_string(&body)));
	assert_int_equal(problem.outcome, OUTCOME_BAD_REQUEST);
	buf_finish(&body);
}

/* Fingerprints. */

static void different_requests_have_different_fingerprints(void **state)
{
	static const char *const bodies[] = {
		"{\"taskId\":\"t\"}",
		"{\"taskId\":\"u\"}",
		"[{\"taskId\":\"t\"}]",
		"{\"taskId\":\"t\",\"note\":\"\"}",
		"{\"taskId\":\"t\",\"note\":null}",
		"{\"taskId\":\"t\",\"note\":\"a\"}",
		"{\"taskId\":\"t\",\"title\":\"a\"}",
		"{\"taskId\":\"t\",\"progress\":0}",
		"{\"taskId\":\"t\",\"progress\":null}",
		"{\"taskId\":\"t\",\"attempt\":0}",
		"{\"taskId\":\"t\",\"status\":\"pending\"}",
		"{\"taskId\":\"t\",\"heartbeatTimeoutMs\":0}",
		"[{\"taskId\":\"t\"},{\"taskId\":\"t\"}]",
		"[{\"taskId\":\"t\",\"note\":\"u\"},{\"taskId\":\"t\"}]",
		"[{\"taskId\":\"t\"},{\"taskId\":\"t\",\"note\":\"u\"}]",
	};
	uint8_t prints[COUNT(bodies)][32];

	(void)state;
	for (size_t i = 0; i < COUNT(bodies); i++) {
		struct op *op = taken(OP_TASK_REPORT, bodies[i]);
		op_fingerprint(op, prints[i]);
		op_free(op);
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(prints[i], prints[k], 32);
	}
}

/* They are in databases, and requests are repeated to newer versions. */
static void fingerprints_stay_the_same(void **state)
{
	static const struct {
		enum op_kind kind;
		const char *body, *hex;
	} known[] = {
		{ OP_TASK_REPORT, "{\"taskId\":\"t\"}",
		  "fa2a487895e01920ec4f38250b74dbcfa3ba823ebae9c36025a0939bc215bb3f" },
		{ OP_TASK_REPORT,
		  "[{\"taskId\":\"t3\",\"status\":\"completed\",\"progress\":42,\"note\":\"done\","
		  "\"title\":\"T\",\"attempt\":2,\"heartbeatTimeoutMs\":30000},{\"taskId\":\"u\","
		  "\"progress\":33.3,\"note\":null}]",
		  "79501feee2456cdbf469f71d8971cee6ec195e42299381b3fb6bd230f3eedbbb" },
		{ OP_TASK_REPORT, "{\"taskId\":\"t\",\"progress\":0}",
		  "1021cf6f9be93b08ae8e3ecbbfe3c7f75a906d94e1ca3e20ab69bf18c2c75612" },
		{ OP_TASK_REPORT, "{\"taskId\":\"t\",\"progress\":100}",
		  "068687c1e964811317532b699acb90531372e60a2f7479bb27155226af5c08d8" },
		{ OP_TASK_REPORT, "{\"taskId\":\"t\",\"progress\":-0.0}",
		  "1021cf6f9be93b08ae8e3ecbbfe3c7f75a906d94e1ca3e20ab69bf18c2c75612" },
		{ OP_TASK_REPORT, "{\"taskId\":\"t\",\"progress\":1e-7}",
		  "375518f3b254ca2c494532607816565e822e97af734ea4145ecf6e5cfe7930b6" },
		{ OP_JOB_CREATE,
		  "{\"id\":\"j\",\"title\":\"Job\",\"metadata\":{\"a\":1},\"tasks\":[{\"id\":\"t\","
		  "\"title\":\"A task\"}]}",
		  "e992daee0ecbf4d91c546958eb98836615ad3b7e04e870e6beca83a0a1126c82" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(known); i++) {
		struct op *op = taken(known[i].kind, known[i].body);
		uint8_t print[DIGEST_LEN];
		char hex[2 * DIGEST_LEN + 1];
		op_fingerprint(op, print);
		for (size_t k = 0; k < DIGEST_LEN; k++)
			snprintf(hex + 2 * k, 3, "%02x", print[k]);
		assert_string_equal(hex, known[i].hex);
		op_free(op);
	}
}

static int forget_problem(void **state)
{
	(void)state;
	problem_finish(&problem);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_job_has_these_fields),
		TEST(a_job_needs_a_title_and_nothing_else),
		TEST(a_title_shows_something),
		TEST(a_number_that_no_reader_can_hold_is_refused),
		TEST(a_progress_too_small_to_be_read_is_none),
		TEST(a_byte_order_mark_is_skipped),
		TEST(a_patch_changes_at_least_one_field),
		TEST(statuses_are_listed_when_one_is_unknown),
		TEST(metadata_is_an_object_and_stays_as_it_was_written),
		TEST(metadata_is_measured_without_its_white_space),
		TEST(an_update_has_these_fields),
		TEST(what_is_not_mentioned_is_not_given),
		TEST(null_clears_note_and_progress),
		TEST(progress_is_a_number_from_0_to_100),
		TEST(attempt_is_a_whole_number),
		TEST(a_heartbeat_timeout_is_neither_short_nor_endless),
		TEST(texts_have_their_limits),
		TEST(ids_have_their_limit_and_their_letters),
		TEST(every_way_to_a_task_has_its_own_fields),
		TEST(a_batch_is_an_array_of_updates),
		TEST(a_batch_has_its_limit),
		TEST(a_bad_item_is_named_by_its_index),
		TEST(every_mistake_is_named_in_one_answer),
		TEST(an_answer_names_a_few_mistakes_and_not_thousands),
		TEST(a_deliverable_has_these_fields),
		TEST(a_link_runs_no_code_and_hides_nothing),
		TEST(a_media_type_is_two_tokens),
		TEST(a_command_has_these_fields),
		TEST(a_body_is_json_and_nothing_behind_it),
		TEST(a_body_has_32_levels_at_most),
		TEST(a_name_is_given_once),
		TEST(names_are_case_sensitive_and_known),
		TEST(long_names_are_cut_between_characters),
		TEST(notes_keep_every_character),
		TEST(a_number_of_a_hundred_digits_is_not_cut),
		TEST(a_form_has_the_same_fields),
		TEST(a_form_and_the_same_json_are_one_request),
		TEST(forms_are_as_strict_as_json),
		TEST(a_form_of_a_hundred_thousand_fields_costs_nothing),
		TEST(different_requests_have_different_fingerprints),
		TEST(fingerprints_stay_the_same),
	};

	return cmocka_run_group_tests_name("decode", tests, NULL, forget_problem);
}
