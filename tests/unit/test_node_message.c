/* The messages between nodes: what one writes, another reads, and nothing else gets through. */
#include "kit.h"

#include "bus/node_message.h"
#include "bus/wire.h"

#define EPOCH "epoch00001"
#define ME UINT64_C(0x8899aabbccddeeff)

static struct event *add(struct batch *b, uint64_t seq, const char *json, const char *title)
{
	struct event *e = batch_add(b);

	snprintf(e->job_id, sizeof(e->job_id), "j");
	memcpy(e->epoch, EPOCH, sizeof(EPOCH));
	e->seq = seq;
	e->type = EVENT_JOB_UPDATE;
	e->job_status = JOB_HARDENING;
	e->json_at = b->text.len;
	e->json_len = strlen(json);
	buf_text(&b->text, json);
	e->title_at = b->text.len;
	e->title_len = strlen(title);
	buf_text(&b->text, title);
	return e;
}

/* The body for all events of the batch. */
static void write_events(struct buf *out, const struct batch *b)
{
	const struct event *at[300];

	assert_true(b->count <= COUNT(at));
	for (size_t i = 0; i < b->count; i++)
		at[i] = &b->events[i];
	node_events_write(out, b, at, b->count, NODE_MESSAGE_MAX);
}

static void a_head_is_read_as_it_was_written(void **state)
{
	struct node_message in = { NODE_COUNTS, ME, 300, SLICE("body") }, out;
	struct buf bytes = { 0 };

	(void)state;
	node_message_write(&bytes, &in);
	assert_int_equal(node_message_read(buf_as_slice(&bytes), &out), NODE_MESSAGE_OK);
	assert_int_equal(out.kind, NODE_COUNTS);
	assert_true(out.node == ME);
	assert_int_equal(out.number, 300);
	assert_true(slice_is(out.body, "body"));
	for (size_t len = 0; len < bytes.len; len++)
		assert_int_not_equal(node_message_read((struct slice){ bytes.ptr, len }, &out),
		                     NODE_MESSAGE_OK);
	buf_char(&bytes, 'x');
	assert_int_equal(node_message_read(buf_as_slice(&bytes), &out), NODE_MESSAGE_BROKEN);
	buf_finish(&bytes);
}

static void other_versions_and_kinds_are_foreign(void **state)
{
	struct node_message in = { NODE_HERE, ME, 0, { "", 0 } }, out;
	struct buf bytes = { 0 };

	(void)state;
	assert_int_equal(node_message_read(SLICE(""), &out), NODE_MESSAGE_FOREIGN);
	assert_int_equal(node_message_read(SLICE("{\"seq\":1}"), &out), NODE_MESSAGE_FOREIGN);
	node_message_write(&bytes, &in);
	bytes.ptr[2]++;
	assert_int_equal(node_message_read(buf_as_slice(&bytes), &out), NODE_MESSAGE_FOREIGN);
	bytes.ptr[2]--;
	bytes.ptr[3] = NODE_BYE + 1;
	assert_int_equal(node_message_read(buf_as_slice(&bytes), &out), NODE_MESSAGE_FOREIGN);
	buf_finish(&bytes);
}

static void assert_event(const struct batch *b, size_t i, uint64_t seq, const char *json,
                         const char *title)
{
	const struct event *e = &b->events[i];

	assert_string_equal(e->job_id, "j");
	assert_string_equal(e->epoch, EPOCH);
	assert_int_equal(e->seq, seq);
	assert_true(slice_is(event_json(b, e), json));
	assert_true(slice_is(event_title(b, e), title));
	assert_int_equal(e->type, EVENT_JOB_UPDATE);
	assert_int_equal(e->job_status, JOB_HARDENING);
	assert_false(e->is_head);
}

static void events_are_read_as_they_were_written(void **state)
{
	struct batch *b = batch_create(), *read = batch_create();
	struct buf body = { 0 };

	(void)state;
	add(b, 7, "{\"a\":1}", "caf\xc3\xa9");
	add(b, 8, "{}", "");
	write_events(&body, b);
	batch_add(read);
	assert_true(node_events_read(buf_as_slice(&body), read));
	assert_int_equal(read->count, 3);
	assert_event(read, 1, 7, "{\"a\":1}", "caf\xc3\xa9");
	assert_event(read, 2, 8, "{}", "");
	buf_finish(&body);
	batch_release(b);
	batch_release(read);
}

static void the_end_of_a_deleted_job_is_told(void **state)
{
	struct batch *b = batch_create(), *read = batch_create();
	struct buf body = { 0 };

	(void)state;
	add(b, 7, "", "")->deleted = true;
	write_events(&body, b);
	assert_true(node_events_read(buf_as_slice(&body), read));
	assert_int_equal(read->count, 1);
	assert_true(read->events[0].deleted);
	assert_int_equal(read->events[0].seq, 7);
	buf_finish(&body);
	batch_release(b);
	batch_release(read);
}

static void a_part_of_a_body_changes_nothing(void **state)
{
	struct batch *b = batch_create(), *read = batch_create();
	struct buf body = { 0 };
	size_t whole = 0, heads = 0;

	(void)state;
	add(b, 7, "{\"a\":1}", "t");
	add(b, 8, "{\"b\":2}", "t");
	write_events(&body, b);
	for (size_t len = 0; len < body.len; len++) {
		struct slice part = { body.ptr, len };
		read->count = read->text.len = 0;
		if (!node_events_read(part, read)) {
			assert_int_equal(read->count, 0);
			assert_int_equal(read->text.len, 0);
		} else {
			/* records that were left out are told by the head */
			whole++;
			heads += read->events[read->count - 1].is_head;
			assert_int_equal(read->events[read->count - 1].seq, 8);
		}
	}
	assert_int_equal(whole, 2);
	assert_int_equal(heads, 2);
	buf_finish(&body);
	batch_release(b);
	batch_release(read);
}

/* The offset of the record of the second event. */
static size_t second_record(struct slice body)
{
	struct wire w = wire_of(body);

	wire_text(&w);
	wire_text(&w);
	return (size_t)(w.at - body.ptr);
}

static void an_unknown_type_is_left_to_the_database(void **state)
{
	struct batch *b = batch_create(), *read = batch_create();
	struct buf body = { 0 };

	(void)state;
	add(b, 7, "{\"a\":1}", "t");
	add(b, 8, "{\"b\":2}", "t");
	add(b, 9, "{\"c\":3}", "t");
	write_events(&body, b);
	body.ptr[second_record(buf_as_slice(&body)) + 1] = EVENT_LOGGED_COUNT;
	assert_true(node_events_read(buf_as_slice(&body), read));
	assert_int_equal(read->count, 2);
	assert_event(read, 0, 7, "{\"a\":1}", "t");
	assert_true(read->events[1].is_head);
	assert_int_equal(read->events[1].seq, 9);
	assert_string_equal(read->events[1].epoch, EPOCH);
	buf_finish(&body);
	batch_release(b);
	batch_release(read);
}

static void a_head_is_read_as_a_head(void **state)
{
	struct batch *b = batch_create(), *read = batch_create();
	struct buf body = { 0 };

	(void)state;
	add(b, 7, "", "");
	b->events[0].is_head = true;
	write_events(&body, b);
	assert_true(node_events_read(buf_as_slice(&body), read));
	assert_int_equal(read->count, 1);
	assert_true(read->events[0].is_head);
	assert_int_equal(read->events[0].seq, 7);
	assert_int_equal(read->events[0].job_status, JOB_HARDENING);
	assert_string_equal(read->events[0].epoch, EPOCH);
	buf_finish(&body);
	batch_release(b);
	batch_release(read);
}

/* A newer node may add to a record, and to the body after the last one. */
static void what_a_newer_node_adds_is_skipped(void **state)
{
	struct batch *read = batch_create();
	struct buf body = { 0 }, record = { 0 };

	(void)state;
	wire_add_text(&record, SLICE("j"));
	wire_add_text(&record, SLICE(EPOCH));
	wire_add_number(&record, 1);
	wire_add_number(&record, 1);
	buf_char(&record, JOB_HARDENING);
	buf_text(&record, "something new");
	wire_add_text(&body, buf_as_slice(&record));
	record.len = 0;
	buf_char(&record, EVENT_JOB_UPDATE);
	buf_char(&record, JOB_HARDENING);
	buf_char(&record, 2); /* a flag that is unknown */
	wire_add_text(&record, SLICE("t"));
	wire_add_text(&record, SLICE("{}"));
	buf_text(&record, "more");
	wire_add_text(&body, buf_as_slice(&record));
	buf_text(&body, "and more");
	assert_true(node_events_read(buf_as_slice(&body), read));
	assert_int_equal(read->count, 1);
	assert_event(read, 0, 1, "{}", "t");
	buf_finish(&body);
	buf_finish(&record);
	batch_release(read);
}

static void text_that_would_break_a_stream_is_refused(void **state)
{
	static const char *const texts[] = {
		"{\"a\":\"\n\"}", "{\"a\":\"\xff\"}", "[]", "{", "1", "", "{}\n"
	};
	struct batch *read = batch_create();

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct batch *b = batch_create();
		struct buf body = { 0 };
		add(b, 7, texts[i], "t");
		write_events(&body, b);
		assert_false(node_events_read(buf_as_slice(&body), read));
		assert_int_equal(read->count, 0);
		buf_finish(&body);
		batch_release(b);
	}
	batch_release(read);
}

static void ids_that_no_job_has_are_refused(void **state)
{
	static const char *const ids[] = { "", " canary", "a/b", "-a" };
	struct batch *read = batch_create();

	(void)state;
	for (size_t i = 0; i < COUNT(ids); i++) {
		struct batch *b = batch_create();
		struct buf body = { 0 };
		snprintf(add(b, 7, "{}", "t")->job_id, ID_MAX, "%s", ids[i]);
		write_events(&body, b);
		assert_false(node_events_read(buf_as_slice(&body), read));
		buf_finish(&body);
		batch_release(b);
	}
	batch_release(read);
}

static void too_many_bytes_are_left_to_the_database(void **state)
{
	struct batch *b = batch_create(), *read = batch_create();
	struct buf body = { 0 }, bytes = { 0 }, json = { 0 };
	struct node_message m = { NODE_EVENTS, ME, 0, { 0 } };

	(void)state;
	buf_text(&json, "{\"a\":\"");
	while (json.len < 30000)
		buf_char(&json, 'a');
	buf_text(&json, "\"}");
	for (uint64_t seq = 1; seq <= 100; seq++)
		add(b, seq, buf_string(&json), "t");
	write_events(&body, b);
	m.body = buf_as_slice(&body);
	node_message_write(&bytes, &m);
	assert_true(bytes.len <= NODE_MESSAGE_MAX && bytes.len > NODE_MESSAGE_MAX - 31000);
	assert_int_equal(node_message_read(buf_as_slice(&bytes), &m), NODE_MESSAGE_OK);
	assert_true(node_events_read(m.body, read));
	assert_true(read->count > 20 && read->count < 100);
	assert_true(read->events[read->count - 1].is_head);
	assert_int_equal(read->events[read->count - 1].seq, 100);
	buf_finish(&body);
	buf_finish(&bytes);
	buf_finish(&json);
	batch_release(b);
	batch_release(read);
}

static void counts_are_read_as_they_were_written(void **state)
{
	struct buf body = { 0 };
	struct node_records r;
	struct node_count count;

	(void)state;
	node_counts_begin(&body, PART_FIRST | PART_LAST);
	node_counts_add(&body, "j", 3);
	node_counts_add(&body, "k", 0);
	assert_true(node_records_begin(&r, buf_as_slice(&body)));
	assert_int_equal(r.parts, PART_FIRST | PART_LAST);
	assert_true(node_counts_next(&r, &count));
	assert_string_equal(count.job_id, "j");
	assert_int_equal(count.count, 3);
	assert_true(node_counts_next(&r, &count));
	assert_string_equal(count.job_id, "k");
	assert_int_equal(count.count, 0);
	assert_false(node_counts_next(&r, &count));
	assert_false(r.bad);
	body.len--;
	node_records_begin(&r, buf_as_slice(&body));
	while (node_counts_next(&r, &count))
		;
	assert_true(r.bad);
	assert_false(node_records_begin(&r, SLICE("")));
	buf_finish(&body);
}

static void agents_are_read_with_the_time_that_is_left(void **state)
{
	struct presence_report in = { "j", "robot", "at \xe2\x98\x95", "t1", 77, 3, 1500 }, out;
	struct buf body = { 0 };
	struct node_records r;

	(void)state;
	node_agents_begin(&body, PART_CHANGES);
	node_agents_add(&body, &in, 1000);
	in.due_ms = 900; /* over */
	node_agents_add(&body, &in, 1000);
	assert_true(node_records_begin(&r, buf_as_slice(&body)));
	assert_true(node_agents_next(&r, &out, 70000));
	assert_string_equal(out.job_id, "j");
	assert_string_equal(out.agent, "robot");
	assert_string_equal(out.state, "at \xe2\x98\x95");
	assert_string_equal(out.task_id, "t1");
	assert_int_equal(out.owner, 77);
	assert_int_equal(out.loop, 3);
	assert_int_equal(out.due_ms, 70500);
	assert_true(node_agents_next(&r, &out, 70000));
	assert_int_equal(out.due_ms, 70000);
	assert_false(node_agents_next(&r, &out, 70000));
	assert_false(r.bad);
	buf_finish(&body);
}

static void reports_that_no_node_sends_are_refused(void **state)
{
	const struct presence_report bad[] = {
		{ .job_id = "j", .agent = "", .owner = 1 },
		{ .job_id = "", .agent = "", .owner = 0 },
		{ .job_id = "", .agent = "robot" },
		{ .job_id = "j", .agent = "ro bot" },
		{ .job_id = "j", .agent = "robot", .state = "\xff" },
		{ .job_id = "j", .agent = "robot", .task_id = "/" },
		{ .job_id = "j", .agent = "robot", .loop = BUS_LOOPS_MAX },
	};
	struct presence_report out;
	struct node_records r;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct buf body = { 0 };
		node_agents_begin(&body, PART_CHANGES);
		node_agents_add(&body, &bad[i], 0);
		assert_true(node_records_begin(&r, buf_as_slice(&body)));
		assert_false(node_agents_next(&r, &out, 0));
		assert_true(r.bad);
		buf_finish(&body);
	}
}

static void a_question_names_one_node_or_all(void **state)
{
	struct buf body = { 0 };

	(void)state;
	node_ask_write(&body, ME);
	assert_true(node_ask_names(buf_as_slice(&body), ME));
	assert_false(node_ask_names(buf_as_slice(&body), ME + 1));
	body.len = 0;
	node_ask_write(&body, 0);
	assert_true(node_ask_names(buf_as_slice(&body), ME));
	assert_false(node_ask_names(SLICE("short"), ME));
	buf_finish(&body);
}

static void numbers_of_any_size_are_read(void **state)
{
	static const uint64_t values[] = { 0, 127, 128, 300, UINT32_MAX, UINT64_MAX };
	static const char endless[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";

	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		struct buf bytes = { 0 };
		wire_add_number(&bytes, values[i]);
		struct wire w = wire_of(buf_as_slice(&bytes));
		assert_true(wire_number(&w) == values[i] && !w.bad && !wire_left(&w));
		buf_finish(&bytes);
	}
	struct wire w = wire_of((struct slice){ endless, sizeof(endless) - 1 });
	wire_number(&w);
	assert_true(w.bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_head_is_read_as_it_was_written),
		TEST(other_versions_and_kinds_are_foreign),
		TEST(events_are_read_as_they_were_written),
		TEST(the_end_of_a_deleted_job_is_told),
		TEST(a_part_of_a_body_changes_nothing),
		TEST(an_unknown_type_is_left_to_the_database),
		TEST(a_head_is_read_as_a_head),
		TEST(what_a_newer_node_adds_is_skipped),
		TEST(text_that_would_break_a_stream_is_refused),
		TEST(ids_that_no_job_has_are_refused),
		TEST(too_many_bytes_are_left_to_the_database),
		TEST(counts_are_read_as_they_were_written),
		TEST(agents_are_read_with_the_time_that_is_left),
		TEST(reports_that_no_node_sends_are_refused),
		TEST(a_question_names_one_node_or_all),
		TEST(numbers_of_any_size_are_read),
	};

	return RUN("node_message", tests);
}
