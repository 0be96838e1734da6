/* Answers to operations, as HTTP and WebSocket clients get them. */
#include "kit.h"
#include "joblight/core/answer.h"

static struct op *op_with(enum op_kind kind, const char *body)
{
	struct op *op = op_create(kind);

	memcpy(op->job_id, "j", 2);
	memcpy(op->key, "k\"1", 4);
	memcpy(op->epoch, "0123456789", EPOCH_LEN + 1);
	op->seq_last = 7;
	buf_text(&op->body, body);
	return op;
}

static void answers(struct op *op, const char *expected)
{
	struct buf out = { 0 };

	answer_encode(&out, op, 3);
	assert_string_equal(buf_string(&out), expected);
	buf_finish(&out);
	op_free(op);
}

static void an_answer_about_a_part_of_a_job_tells_its_watchers(void **state)
{
	(void)state;
	answers(op_with(OP_TASK_PUT, "{\"id\":\"t\"}\n"), "{\"id\":\"t\",\"watchers\":3}");
	answers(op_with(OP_COMMAND, "{\"ok\":true}\n"), "{\"ok\":true,\"watchers\":3}");
}

static void an_answer_about_a_job_does_not(void **state)
{
	(void)state;
	answers(op_with(OP_JOB_CREATE, "{\"id\":\"j\"}\n"), "{\"id\":\"j\"}");
	answers(op_with(OP_JOB_PATCH, "{\"id\":\"j\"}\n"), "{\"id\":\"j\"}");
}

static void an_array_is_answered_by_an_array(void **state)
{
	struct op *op = op_with(OP_TASK_REPORT, "{\"seq\":1}\n{\"seq\":2}\n");

	(void)state;
	op->batch = true;
	answers(op, "[{\"seq\":1,\"watchers\":3},{\"seq\":2,\"watchers\":3}]");
	op = op_with(OP_TASK_REPORT, "{\"seq\":1}\n");
	op->batch = true;
	answers(op, "[{\"seq\":1,\"watchers\":3}]");
}

/* Before the release of 0.1.0, answers were stored without their closing brace. */
static void an_answer_stored_by_an_older_version_is_whole(void **state)
{
	(void)state;
	answers(op_with(OP_TASK_REPORT, "{\"ok\":true,\"cursor\":\"0123456789.7\"\n"),
	        "{\"ok\":true,\"cursor\":\"0123456789.7\",\"watchers\":3}");
	answers(op_with(OP_JOB_CREATE, "{\"id\":\"j\",\"cursor\":\"0123456789.7\"\n"),
	        "{\"id\":\"j\",\"cursor\":\"0123456789.7\"}");
}

static void an_ack_has_the_key_and_the_position(void **state)
{
	struct op *op = op_with(OP_TASK_REPORT, "{\"seq\":6}\n{\"seq\":7}\n");
	struct buf out = { 0 };

	(void)state;
	answer_encode_ack(&out, op, 2);
	assert_string_equal(buf_string(&out), "{\"type\":\"ack\",\"id\":\"k\\\"1\",\"seq\":7,"
	                                      "\"cursor\":\"0123456789.7\",\"watchers\":2}");
	out.len = 0;
	op->replayed = true;
	answer_encode_ack(&out, op, 2);
	assert_string_equal(buf_string(&out),
	                    "{\"type\":\"ack\",\"id\":\"k\\\"1\",\"seq\":7,"
	                    "\"cursor\":\"0123456789.7\",\"watchers\":2,\"duplicate\":true}");
	buf_finish(&out);
	op_free(op);
}

static void a_new_jobs_answer_tells_its_id(void **state)
{
	struct op *op = op_with(OP_JOB_CREATE, "{\"id\":\"made-up\",\"title\":\"T\"}\n");

	(void)state;
	assert_true(slice_is(answer_job_id(op), "made-up"));
	op_free(op);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_answer_about_a_part_of_a_job_tells_its_watchers),
		TEST(an_answer_about_a_job_does_not),
		TEST(an_array_is_answered_by_an_array),
		TEST(an_answer_stored_by_an_older_version_is_whole),
		TEST(an_ack_has_the_key_and_the_position),
		TEST(a_new_jobs_answer_tells_its_id),
	};
	return RUN("answer", tests);
}
