/* Spans as JSON of OTLP, and the queue in which they wait. */
#include "kit.h"

#include <poll.h>

#include "joblight/core/json.h"
#include "joblight/core/otlp.h"
#include "serve/span_queue.h"

static const struct span whole = {
	.trace_id = "0af7651916cd43dd8448eb211c80319c",
	.span_id = "00f067aa0ba902b7",
	.parent_id = "b7ad6b7169203331",
	.method = "PUT",
	.route = "/api/jobs/:job/tasks/:task",
	.path = "/api/jobs/j/tasks/t",
	.began_us = 1544712660000000,
	.ended_us = 1544712661000001,
	.committed_us = 1544712660500000,
	.seq = 43,
	.status = 200,
	.replayed = true,
	.job_id = "j",
	.task_id = "t",
	.request_id = "r-1",
	.client = "192.0.2.1",
};

static char *encoded(const struct span *spans, size_t count)
{
	struct buf out = { 0 };
	size_t at;

	otlp_begin(&out, "0.1.0", "an \"instance\"");
	for (size_t i = 0; i < count; i++)
		otlp_add(&out, &spans[i]);
	otlp_end(&out);
	assert_null(json_check(buf_as_slice(&out), 16, &at));
	char *text = strdup(buf_string(&out));
	buf_finish(&out);
	return text;
}

static void a_span_has_these_members(void **state)
{
	(void)state;
	char *text = encoded(&whole, 1);

	assert_string_equal(
	    text,
	    "{\"resourceSpans\":[{\"resource\":{\"attributes\":["
	    "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"joblight\"}},"
	    "{\"key\":\"service.version\",\"value\":{\"stringValue\":\"0.1.0\"}},"
	    "{\"key\":\"service.instance.id\",\"value\":{\"stringValue\":\"an \\\"instance\\\"\"}}"
	    "]},\"scopeSpans\":[{\"scope\":{\"name\":\"joblight\",\"version\":\"0.1.0\"},\"spans\":"
	    "["
	    "{\"traceId\":\"0af7651916cd43dd8448eb211c80319c\",\"spanId\":\"00f067aa0ba902b7\","
	    "\"parentSpanId\":\"b7ad6b7169203331\",\"flags\":769,"
	    "\"name\":\"PUT /api/jobs/:job/tasks/:task\",\"kind\":2,"
	    "\"startTimeUnixNano\":\"1544712660000000000\","
	    "\"endTimeUnixNano\":\"1544712661000001000\",\"attributes\":["
	    "{\"key\":\"http.request.method\",\"value\":{\"stringValue\":\"PUT\"}},"
	    "{\"key\":\"http.route\",\"value\":{\"stringValue\":\"/api/jobs/:job/tasks/:task\"}},"
	    "{\"key\":\"url.path\",\"value\":{\"stringValue\":\"/api/jobs/j/tasks/t\"}},"
	    "{\"key\":\"http.response.status_code\",\"value\":{\"intValue\":\"200\"}},"
	    "{\"key\":\"client.address\",\"value\":{\"stringValue\":\"192.0.2.1\"}},"
	    "{\"key\":\"joblight.request_id\",\"value\":{\"stringValue\":\"r-1\"}},"
	    "{\"key\":\"joblight.job\",\"value\":{\"stringValue\":\"j\"}},"
	    "{\"key\":\"joblight.task\",\"value\":{\"stringValue\":\"t\"}},"
	    "{\"key\":\"joblight.replayed\",\"value\":{\"boolValue\":true}}],"
	    "\"events\":[{\"timeUnixNano\":\"1544712660500000000\",\"name\":\"commit\","
	    "\"attributes\":[{\"key\":\"joblight.seq\",\"value\":{\"intValue\":\"43\"}}]}]}"
	    "]}]}]}");
	free(text);
}

static void what_is_not_there_is_left_out(void **state)
{
	struct span spans[3] = {
		{ .trace_id = "0af7651916cd43dd8448eb211c80319c", .span_id = "00f067aa0ba902b7" },
		{ .route = "update", .status = 503 },
		{ .method = "GET", .path = "/\xff" }, /* not UTF-8 */
	};

	(void)state;
	char *text = encoded(spans, 3);
	assert_non_null(
	    strstr(text, "\"spanId\":\"00f067aa0ba902b7\",\"flags\":257,\"name\":\"request\","));
	assert_null(strstr(text, "parentSpanId"));
	assert_null(strstr(text, "events"));
	assert_null(strstr(text, "url.path"));
	assert_non_null(strstr(text, "\"attributes\":[]},{\"traceId\""));
	assert_non_null(strstr(text, "\"name\":\"message update\""));
	assert_non_null(strstr(
	    text,
	    "\"attributes\":[{\"key\":\"joblight.message\",\"value\":{\"stringValue\":\"update\"}},"
	    "{\"key\":\"joblight.status\",\"value\":{\"intValue\":\"503\"}}],\"status\":{\"code\":"
	    "2}}"));
	assert_non_null(strstr(text, "\"name\":\"GET\""));
	free(text);
}

static bool is_awake(const struct span_queue *q)
{
	struct pollfd fd = { .fd = q->wake, .events = POLLIN };

	return poll(&fd, 1, 0) == 1;
}

static void a_full_queue_drops_and_counts(void **state)
{
	static struct span out[SPAN_BATCH];
	struct span_queue q;
	struct span s = whole;
	size_t taken = 0, n;

	(void)state;
	assert_true(span_queue_init(&q));
	assert_int_equal(span_queue_take(&q, out, SPAN_BATCH), 0);
	for (size_t i = 0; i < SPAN_QUEUE_MAX + 3; i++) {
		s.seq = i;
		span_queue_add(&q, &s);
	}
	assert_int_equal(span_queue_count(&q), SPAN_QUEUE_MAX);
	assert_int_equal(q.added, SPAN_QUEUE_MAX);
	assert_int_equal(q.dropped, 3);
	for (; (n = span_queue_take(&q, out, SPAN_BATCH)) != 0; taken += n)
		for (size_t i = 0; i < n; i++)
			assert_int_equal(out[i].seq, taken + i);
	assert_int_equal(taken, SPAN_QUEUE_MAX);
	span_queue_finish(&q);
	span_queue_finish(&q);
}

static void the_first_span_and_a_whole_batch_wake(void **state)
{
	struct span_queue q;

	(void)state;
	assert_true(span_queue_init(&q));
	assert_false(is_awake(&q));
	for (size_t i = 1; i <= SPAN_BATCH; i++) {
		span_queue_add(&q, &whole);
		assert_int_equal(is_awake(&q), i == 1 || i == SPAN_BATCH);
		span_queue_awake(&q);
	}
	span_queue_finish(&q);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_span_has_these_members),
		TEST(what_is_not_there_is_left_out),
		TEST(a_full_queue_drops_and_counts),
		TEST(the_first_span_and_a_whole_batch_wake),
	};

	return RUN("otlp", tests);
}
