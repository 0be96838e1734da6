#include "kit.h"

#include "joblight/core/encode.h"
#include "joblight/core/json.h"

#define T INT64_C(1770318000000) /* 2026-02-05T19:00:00.000Z */

static struct task_row a_task(void)
{
	return (struct task_row){ .id = "t3",
		                  .title = "Render pages",
		                  .status = TASK_IN_PROGRESS,
		                  .progress = NAN,
		                  .attempt = -1,
		                  .silence_ms = -1,
		                  .position = 2,
		                  .created = T,
		                  .updated = T + 1 };
}

static struct job_row a_job(void)
{
	return (struct job_row){ .id = "j1",
		                 .epoch = "k3f9xyz012",
		                 .title = "Q4 \"report\"",
		                 .metadata = "{\"a\":1}",
		                 .status = JOB_REVISIONS,
		                 .seq = 43,
		                 .first = 1,
		                 .tasks = 1,
		                 .created = T,
		                 .updated = T + 1 };
}

/* Valid JSON, exactly this. */
static void written(struct buf *out, const char *must)
{
	size_t at;

	assert_string_equal(buf_string(out), must);
	assert_null(json_check(buf_as_slice(out), 32, &at));
	buf_finish(out);
}

static void a_task_update_is_the_contracts(void **state)
{
	struct task_row t = a_task();
	struct buf out = { 0 };

	(void)state;
	t.note = "page 42 of 100";
	t.progress = 42;
	encode_task_update(&out, "j1", 42, T, NULL, &t);
	written(&out, "{\"type\":\"task_update\",\"jobId\":\"j1\",\"seq\":42,\"taskId\":\"t3\","
	              "\"status\":\"in_progress\","
	              "\"title\":\"Render pages\",\"note\":\"page 42 of 100\",\"progress\":42,"
	              "\"timestamp\":\"2026-02-05T19:00:00.000Z\"}");
}

static void what_is_not_set_is_left_out(void **state)
{
	struct task_row t = a_task();
	struct buf out = { 0 };

	(void)state;
	encode_task_update(&out, "j1", 1, T, NULL, &t);
	written(&out, "{\"type\":\"task_update\",\"jobId\":\"j1\",\"seq\":1,\"taskId\":\"t3\","
	              "\"status\":\"in_progress\","
	              "\"title\":\"Render pages\",\"timestamp\":\"2026-02-05T19:00:00.000Z\"}");
}

static void nothing_and_zero_are_not_the_same(void **state)
{
	struct task_row t = a_task();
	struct buf out = { 0 };

	(void)state;
	t.note = "";
	t.progress = 0;
	t.attempt = 0;
	t.silence_ms = 0;
	encode_task_update(&out, "j1", 1, T, NULL, &t);
	written(&out, "{\"type\":\"task_update\",\"jobId\":\"j1\",\"seq\":1,\"taskId\":\"t3\","
	              "\"status\":\"in_progress\","
	              "\"title\":\"Render "
	              "pages\",\"note\":\"\",\"progress\":0,\"attempt\":0,\"heartbeatTimeoutMs\":0,"
	              "\"timestamp\":\"2026-02-05T19:00:00.000Z\"}");
}

static void a_silent_task_says_so(void **state)
{
	struct task_row t = a_task();
	struct buf out = { 0 };

	(void)state;
	t.silence_ms = 5000;
	t.stalled = true;
	encode_task_update(&out, "j1", 1, T, NULL, &t);
	assert_non_null(strstr(buf_string(&out), ",\"heartbeatTimeoutMs\":5000,\"stalled\":true,"));
	buf_finish(&out);
}

/* No note ends an event early on any transport. */
static void an_event_stays_on_one_line(void **state)
{
	struct task_row t = a_task();
	struct buf out = { 0 };
	size_t at;

	(void)state;
	t.note = "\n\nid: 9.9\ndata: {}\r\n\r\n\x01\x1f\x7f \"\\ \xe2\x80\xa8 \xef\xbb\xbf "
	         "\xf0\x9f\x92\xa1 </script> %s %n";
	t.title = t.note;
	encode_task_update(&out, "j1", 1, T, NULL, &t);
	assert_null(json_check(buf_as_slice(&out), 32, &at));
	for (size_t i = 0; i < out.len; i++)
		assert_true((unsigned char)out.ptr[i] >= ' ');
	buf_finish(&out);
}

static void a_job_update_is_the_contracts(void **state)
{
	struct job_row j = a_job();
	struct buf out = { 0 };

	(void)state;
	encode_job_update(&out, &j, 43, T, NULL, 0, NULL, 0);
	written(&out,
	        "{\"type\":\"job_update\",\"jobId\":\"j1\",\"seq\":43,\"status\":\"revisions\","
	        "\"title\":\"Q4 \\\"report\\\"\",\"timestamp\":\"2026-02-05T19:00:00.000Z\"}");
	encode_job_update(&out, &j, 43, T, NULL, JOB_UPDATE_METADATA, NULL, 0);
	written(
	    &out,
	    "{\"type\":\"job_update\",\"jobId\":\"j1\",\"seq\":43,\"status\":\"revisions\","
	    "\"title\":\"Q4 "
	    "\\\"report\\\"\",\"metadata\":{\"a\":1},\"timestamp\":\"2026-02-05T19:00:00.000Z\"}");
}

static void a_creation_brings_its_tasks(void **state)
{
	struct job_row j = a_job();
	struct task_row tasks[2] = { a_task(), a_task() };
	struct buf out = { 0 };

	(void)state;
	snprintf(tasks[1].id, sizeof(tasks[1].id), "t4");
	tasks[1].attempt = 3;
	j.silence_ms = 1000;
	encode_job_update(&out, &j, 1, T, NULL, JOB_UPDATE_METADATA | JOB_UPDATE_CREATED, tasks, 2);
	written(
	    &out,
	    "{\"type\":\"job_update\",\"jobId\":\"j1\",\"seq\":1,\"status\":\"revisions\","
	    "\"title\":\"Q4 "
	    "\\\"report\\\"\",\"metadata\":{\"a\":1},\"heartbeatTimeoutMs\":1000,\"created\":true,"
	    "\"tasks\":[{\"id\":\"t3\",\"status\":\"in_progress\",\"title\":\"Render pages\"},"
	    "{\"id\":\"t4\",\"status\":\"in_progress\",\"title\":\"Render pages\",\"attempt\":3}],"
	    "\"timestamp\":\"2026-02-05T19:00:00.000Z\"}");
	encode_job_update(&out, &j, 1, T, NULL, JOB_UPDATE_CREATED, NULL, 0);
	assert_non_null(strstr(buf_string(&out), "\"created\":true,\"tasks\":[],"));
	buf_finish(&out);
}

static void a_deliverable_is_the_contracts(void **state)
{
	struct deliverable_row d = { "d1", "report.pdf", "https://a/?b=\"c\"", "application/pdf",
		                     T };
	struct buf out = { 0 };

	(void)state;
	encode_deliverable_event(&out, "j1", 44, T, NULL, &d);
	written(&out, "{\"type\":\"deliverable\",\"jobId\":\"j1\",\"seq\":44,\"deliverableId\":"
	              "\"d1\",\"title\":\"report.pdf\","
	              "\"url\":\"https://a/?b=\\\"c\\\"\",\"mediaType\":\"application/pdf\","
	              "\"timestamp\":\"2026-02-05T19:00:00.000Z\"}");
	d.url = d.media_type = NULL;
	encode_deliverable(&out, &d);
	written(
	    &out,
	    "{\"id\":\"d1\",\"title\":\"report.pdf\",\"createdAt\":\"2026-02-05T19:00:00.000Z\"}");
}

static void a_command_is_the_contracts(void **state)
{
	struct command c = { SLICE("cancel"), "t3", SLICE("{\"force\":true}"), "ann" };
	struct buf out = { 0 };

	(void)state;
	encode_command(&out, "j1", 45, T, NULL, &c);
	written(&out, "{\"type\":\"command\",\"jobId\":\"j1\",\"seq\":45,\"command\":\"cancel\","
	              "\"taskId\":\"t3\","
	              "\"args\":{\"force\":true},\"actor\":\"ann\",\"timestamp\":\"2026-02-05T19:"
	              "00:00.000Z\"}");
	c.task_id = "";
	c.actor = NULL;
	c.args = SLICE("{}");
	encode_command(&out, "j1", 45, T, NULL, &c);
	written(
	    &out,
	    "{\"type\":\"command\",\"jobId\":\"j1\",\"seq\":45,\"command\":\"cancel\",\"args\":{},"
	    "\"timestamp\":\"2026-02-05T19:00:00.000Z\"}");
}

static void a_snapshot_has_these_parts(void **state)
{
	struct job_row j = a_job();
	struct task_row t = a_task();
	struct buf out = { 0 };

	(void)state;
	j.ended = T + 2;
	buf_char(&out, '{');
	encode_job_head(&out, &j);
	encode_job_position(&out, &j);
	buf_char(&out, '}');
	written(
	    &out,
	    "{\"id\":\"j1\",\"title\":\"Q4 "
	    "\\\"report\\\"\",\"status\":\"revisions\",\"metadata\":{\"a\":1},"
	    "\"createdAt\":\"2026-02-05T19:00:00.000Z\",\"updatedAt\":\"2026-02-05T19:00:00.001Z\","
	    "\"endedAt\":\"2026-02-05T19:00:00.002Z\",\"seq\":43,\"epoch\":\"k3f9xyz012\","
	    "\"cursor\":\"k3f9xyz012.43\"}");
	t.started = T + 3;
	encode_task(&out, &t);
	written(
	    &out,
	    "{\"id\":\"t3\",\"status\":\"in_progress\",\"title\":\"Render pages\",\"position\":2,"
	    "\"createdAt\":\"2026-02-05T19:00:00.000Z\",\"updatedAt\":\"2026-02-05T19:00:00.001Z\","
	    "\"startedAt\":\"2026-02-05T19:00:00.003Z\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_task_update_is_the_contracts),    TEST(what_is_not_set_is_left_out),
		TEST(nothing_and_zero_are_not_the_same), TEST(a_silent_task_says_so),
		TEST(an_event_stays_on_one_line),        TEST(a_job_update_is_the_contracts),
		TEST(a_creation_brings_its_tasks),       TEST(a_deliverable_is_the_contracts),
		TEST(a_command_is_the_contracts),        TEST(a_snapshot_has_these_parts),
	};

	return RUN("encode", tests);
}
