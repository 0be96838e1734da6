/* What a WebSocket client may say. */
#include "kit.h"

#include "joblight/core/decode.h"
#include "joblight/core/hub.h"
#include "joblight/core/message.h"

static struct problem problem;

static bool decode(const char *text, struct message *m)
{
	problem_finish(&problem);
	problem = (struct problem){ 0 };
	return message_decode(&limits_default, slice_of(text), m, &problem);
}

static struct message taken(const char *text)
{
	struct message m;

	if (!decode(text, &m))
		fail_msg("refused: %s: %s", text, problem.detail);
	return m;
}

static struct message refused(const char *text, enum outcome outcome, const char *part)
{
	struct message m;

	if (decode(text, &m))
		fail_msg("taken: %s", text);
	if (problem.outcome != outcome || !strstr(problem.detail, part))
		fail_msg("%s: %s: %s", text, outcome_code(problem.outcome), problem.detail);
	assert_null(m.op);
	return m;
}

static void subscribing_says_where_to_go_on(void **state)
{
	struct message m = taken("{\"type\":\"subscribe\",\"jobId\":\"j1\",\"since\":\"k3f9.7\"}");

	(void)state;
	assert_int_equal(m.kind, MESSAGE_SUBSCRIBE);
	assert_string_equal(m.job_id, "j1");
	assert_int_equal(m.since.kind, POSITION_CURSOR);
	assert_int_equal(m.since.seq, 7);
	assert_int_equal(m.types, TYPE_BITS_ALL);
	assert_int_equal(taken("{\"type\":\"subscribe\",\"jobId\":\"j\"}").since.kind,
	                 POSITION_NONE);
	assert_int_equal(
	    taken("{\"type\":\"subscribe\",\"jobId\":\"j\",\"since\":null}").since.kind,
	    POSITION_NONE);
	assert_int_equal(
	    taken("{\"type\":\"subscribe\",\"jobId\":\"j\",\"since\":\"\"}").since.kind,
	    POSITION_NONE);
	assert_int_equal(
	    taken("{\"type\":\"subscribe\",\"jobId\":\"j\",\"since\":\"abc\"}").since.kind,
	    POSITION_INVALID);
}

static void subscribing_may_choose_types(void **state)
{
	struct message m = taken(
	    "{\"jobId\":\"j\",\"types\":\"command,presence\",\"type\":\"subscribe\"}");

	(void)state;
	assert_int_equal(m.types, TYPE_BIT(EVENT_COMMAND) | TYPE_BIT(EVENT_PRESENCE));
	refused("{\"type\":\"subscribe\",\"jobId\":\"j\",\"types\":\"x\"}", OUTCOME_INVALID_FIELD,
	        "types");
	refused("{\"type\":\"subscribe\",\"jobId\":\"j\",\"types\":[]}", OUTCOME_INVALID_FIELD,
	        "types");
	refused("{\"type\":\"subscribe\",\"jobId\":\"j\",\"since\":7}", OUTCOME_INVALID_FIELD,
	        "since");
}

static void refused_number(const char *name, const char *value)
{
	char text[128];

	snprintf(text, sizeof(text), "{\"type\":\"subscribe\",\"jobId\":\"j\",\"%s\":%s}", name,
	         value);
	refused(text, OUTCOME_INVALID_FIELD, name);
}

static void subscribing_may_choose_a_heartbeat_and_speak_for_tabs(void **state)
{
	static const char *const bad[] = { "0",    "-1",     "5.5",  "61",  "1e9",
		                           "null", "\"10\"", "true", "[10]" };
	struct message m = taken("{\"type\":\"subscribe\",\"jobId\":\"j\"}");

	(void)state;
	assert_true(m.heartbeat_s == 0 && m.tabs == 0);
	m = taken("{\"type\":\"subscribe\",\"jobId\":\"j\",\"heartbeat\":5,\"tabs\":1}");
	assert_true(m.heartbeat_s == 5 && m.tabs == 1);
	m = taken("{\"type\":\"subscribe\",\"jobId\":\"j\",\"heartbeat\":60,\"tabs\":32}");
	assert_true(m.heartbeat_s == 60 && m.tabs == 32);
	refused_number("heartbeat", "4");
	refused_number("tabs", "33");
	for (size_t i = 0; i < COUNT(bad); i++) {
		refused_number("heartbeat", bad[i]);
		refused_number("tabs", bad[i]);
	}
}

static void small_messages_are_small(void **state)
{
	(void)state;
	assert_int_equal(taken("{\"type\":\"ping\"}").kind, MESSAGE_PING);
	assert_int_equal(taken("{\"type\":\"unsubscribe\",\"jobId\":\"j\"}").kind,
	                 MESSAGE_UNSUBSCRIBE);
	refused("{\"type\":\"ping\",\"x\":1}", OUTCOME_UNKNOWN_FIELD, "x");
	refused("{\"type\":\"unsubscribe\",\"jobId\":\"j\",\"since\":\"a.1\"}",
	        OUTCOME_UNKNOWN_FIELD, "since");
}

static void an_update_has_the_webhooks_fields(void **state)
{
	struct message m = taken("{\"type\":\"update\",\"id\":\"u-1\",\"jobId\":\"j1\",\"taskId\":"
	                         "\"t3\",\"progress\":42}");

	(void)state;
	assert_int_equal(m.op->kind, OP_TASK_REPORT);
	assert_string_equal(m.op->job_id, "j1");
	assert_string_equal(m.op->key, "u-1"); /* its id is the idempotency key */
	assert_string_equal(m.id, "u-1");
	assert_int_equal(m.op->task_count, 1);
	assert_false(m.op->batch);
	assert_true(m.op->tasks->progress == 42);
	op_free(m.op);
	refused("{\"type\":\"update\",\"id\":\"u\",\"jobId\":\"j\"}", OUTCOME_INVALID_FIELD,
	        "taskId");
	refused("{\"type\":\"update\",\"id\":\"u\",\"jobId\":\"j\",\"taskId\":\"t\",\"x\":1}",
	        OUTCOME_UNKNOWN_FIELD, "x");
	refused("{\"type\":\"update\",\"jobId\":\"j\",\"taskId\":\"t\"}", OUTCOME_INVALID_FIELD,
	        "id");
}

static void many_updates_are_one_batch(void **state)
{
	struct message m = taken("{\"type\":\"update\",\"id\":\"u\",\"jobId\":\"j\",\"updates\":[{"
	                         "\"taskId\":\"a\"},{\"taskId\":\"b\"}]}");

	(void)state;
	assert_true(m.op->batch);
	assert_int_equal(m.op->task_count, 2);
	op_free(m.op);
	refused("{\"type\":\"update\",\"id\":\"u\",\"jobId\":\"j\",\"updates\":[{\"taskId\":\"a\"},"
	        "{\"status\":\"x\"}]}",
	        OUTCOME_INVALID_FIELD, "[1].status");
	refused("{\"type\":\"update\",\"id\":\"u\",\"jobId\":\"j\",\"updates\":[]}",
	        OUTCOME_INVALID_FIELD, "at least one");
	refused("{\"type\":\"update\",\"id\":\"u\",\"jobId\":\"j\",\"updates\":{}}",
	        OUTCOME_INVALID_FIELD, "updates");
	refused("{\"type\":\"update\",\"id\":\"u\",\"jobId\":\"j\",\"taskId\":\"t\",\"updates\":[{"
	        "\"taskId\":\"a\"}]}",
	        OUTCOME_INVALID_FIELD, "updates");
}

/* So that it does not matter which way a repetition comes. */
static void an_update_is_the_same_request_as_over_http(void **state)
{
	struct message m = taken(
	    "{\"type\":\"update\",\"id\":\"u\",\"jobId\":\"j\",\"taskId\":\"t\",\"note\":\"n\"}");
	struct op *http = op_create(OP_TASK_REPORT);
	uint8_t a[32], b[32];

	(void)state;
	snprintf(http->job_id, sizeof(http->job_id), "j");
	assert_true(decode_json(&limits_default, SLICE("{\"note\":\"n\",\"taskId\":\"t\"}"), http,
	                        &problem));
	op_fingerprint(http, a);
	op_fingerprint(m.op, b);
	assert_memory_equal(a, b, sizeof(a));
	op_free(m.op);
	op_free(http);
}

static void a_command_is_a_word_to_the_workers(void **state)
{
	struct message m = taken("{\"type\":\"command\",\"id\":\"c\",\"jobId\":\"j\",\"command\":"
	                         "\"cancel\",\"args\":{ \"a\" : 1.50 }}");

	(void)state;
	assert_int_equal(m.op->kind, OP_COMMAND);
	assert_true(slice_is(m.op->command, "cancel"));
	assert_true(slice_is(buf_as_slice(&m.op->payload), "{\"a\":1.50}"));
	op_free(m.op);
	refused("{\"type\":\"command\",\"id\":\"c\",\"jobId\":\"j\"}", OUTCOME_INVALID_FIELD,
	        "command");
	refused(
	    "{\"type\":\"command\",\"id\":\"c\",\"jobId\":\"j\",\"command\":\"x\",\"updates\":[]}",
	    OUTCOME_UNKNOWN_FIELD, "updates");
	refused("{\"type\":\"command\",\"jobId\":\"j\",\"command\":\"x\"}", OUTCOME_INVALID_FIELD,
	        "id");
}

static void presence_is_a_state_and_perhaps_a_task(void **state)
{
	struct message m = taken("{\"type\":\"presence\",\"jobId\":\"j\",\"state\":\"typing\","
	                         "\"taskId\":\"t\",\"agent\":\"ann\"}");

	(void)state;
	assert_string_equal(m.report.job_id, "j");
	assert_string_equal(m.report.state, "typing");
	assert_string_equal(m.report.task_id, "t");
	assert_string_equal(m.report.agent, "ann");
	assert_string_equal(
	    taken("{\"type\":\"presence\",\"jobId\":\"j\",\"state\":\"\"}").report.state, "");
	refused("{\"type\":\"presence\",\"jobId\":\"j\"}", OUTCOME_INVALID_FIELD, "state");
	refused("{\"type\":\"presence\",\"jobId\":\"j\",\"state\":\"x\",\"agent\":\"-\"}",
	        OUTCOME_INVALID_ID, "agent");
	refused("{\"type\":\"presence\",\"jobId\":\"j\",\"state\":\"x\",\"taskId\":\"..\"}",
	        OUTCOME_INVALID_ID, "taskId");
}

static void what_cannot_be_read_says_so(void **state)
{
	static const struct {
		const char *text;
		enum outcome outcome;
	} bad[] = {
		{ "", OUTCOME_INVALID_JSON },
		{ "x", OUTCOME_INVALID_JSON },
		{ "[]", OUTCOME_INVALID_JSON },
		{ "null", OUTCOME_INVALID_JSON },
		{ "{}x", OUTCOME_INVALID_JSON },
		{ "{\"type\":\"pi\\u0000ng\"}", OUTCOME_INVALID_JSON },
		{ "{\"type\":\"ping\",\"type\":\"ping\"}", OUTCOME_DUPLICATE_KEY },
		{ "{}", OUTCOME_INVALID_FIELD },
		{ "{\"type\":7}", OUTCOME_INVALID_FIELD },
		{ "{\"type\":\"PING\"}", OUTCOME_INVALID_FIELD },
		{ "{\"type\":\"a very long type, longer than any\"}", OUTCOME_INVALID_FIELD },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_true(refused(bad[i].text, bad[i].outcome, "").unreadable);
}

/* The answer to a bad message names the message and its job as far as they are known. */
static void a_refusal_knows_whom_to_answer(void **state)
{
	struct message m = refused("{\"type\":\"update\",\"id\":\"u-7\",\"jobId\":\"j\",\"taskId\":"
	                           "\"t\",\"progress\":200}",
	                           OUTCOME_INVALID_FIELD, "progress");

	(void)state;
	assert_false(m.unreadable);
	assert_int_equal(m.kind, MESSAGE_UPDATE);
	assert_string_equal(m.id, "u-7");
	assert_string_equal(m.job_id, "j");
	refused("{\"type\":\"subscribe\"}", OUTCOME_INVALID_ID, "jobId: is missing");
	refused("{\"type\":\"subscribe\",\"jobId\":\"..\"}", OUTCOME_INVALID_ID, "jobId");
	refused("{\"type\":\"subscribe\",\"jobId\":7}", OUTCOME_INVALID_FIELD, "jobId");
}

static void an_id_is_a_short_line_of_visible_characters(void **state)
{
	char text[512], id[KEY_MAX + 2];

	(void)state;
	memset(id, 'x', sizeof(id));
	id[KEY_MAX] = '\0';
	snprintf(text, sizeof(text), "{\"type\":\"ping\",\"id\":\"%s\"}", id);
	assert_string_equal(taken(text).id, id);
	id[KEY_MAX] = 'x';
	id[KEY_MAX + 1] = '\0';
	snprintf(text, sizeof(text), "{\"type\":\"ping\",\"id\":\"%s\"}", id);
	refused(text, OUTCOME_INVALID_FIELD, "id");
	refused("{\"type\":\"ping\",\"id\":\"a b\"}", OUTCOME_INVALID_FIELD, "id");
	refused("{\"type\":\"ping\",\"id\":\"a\\nb\"}", OUTCOME_INVALID_FIELD, "id");
	refused("{\"type\":\"ping\",\"id\":\"\xc3\xa9\"}", OUTCOME_INVALID_FIELD, "id");
	refused("{\"type\":\"ping\",\"id\":7}", OUTCOME_INVALID_FIELD, "id");
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
		TEST(subscribing_says_where_to_go_on),
		TEST(subscribing_may_choose_types),
		TEST(subscribing_may_choose_a_heartbeat_and_speak_for_tabs),
		TEST(small_messages_are_small),
		TEST(an_update_has_the_webhooks_fields),
		TEST(many_updates_are_one_batch),
		TEST(an_update_is_the_same_request_as_over_http),
		TEST(a_command_is_a_word_to_the_workers),
		TEST(presence_is_a_state_and_perhaps_a_task),
		TEST(what_cannot_be_read_says_so),
		TEST(a_refusal_knows_whom_to_answer),
		TEST(an_id_is_a_short_line_of_visible_characters),
	};

	return cmocka_run_group_tests_name("message", tests, NULL, forget_problem);
}
