/*
 * Messages of other nodes, and of whoever else publishes on the same channel.
 *
 * covers: src/bus/node_message.c src/bus/wire.h
 *
 * What is read can be framed for a stream, and a broken body changes nothing.  Events that were
 * read are the same after they were written and read again.
 */
#include "fuzz.h"

#include "bus/node_message.h"
#include "joblight/core/json.h"

static void check_event(const struct batch *b, const struct event *e)
{
	struct slice json = event_json(b, e), title = event_title(b, e);

	PROMISE(id_valid(slice_of(e->job_id)) && strlen(e->epoch) == EPOCH_LEN);
	PROMISE(e->seq >= 1 && e->seq < UINT64_MAX - 1);
	PROMISE(e->type < EVENT_LOGGED_COUNT && e->job_status < JOB_STATUS_COUNT);
	PROMISE(!title.len || (utf8_valid(title) && !memchr(title.ptr, '\0', title.len)));
	PROMISE(!json.len || (utf8_valid(json) && !memchr(json.ptr, '\n', json.len)));
	PROMISE(e->is_head + e->deleted <= 1 && (e->is_head || e->deleted) == !json.len);
}

static bool equal(const struct batch *a, const struct event *x, const struct batch *b,
                  const struct event *y)
{
	struct slice j = event_json(a, x), k = event_json(b, y);

	return strcmp(x->job_id, y->job_id) == 0 && x->seq == y->seq && x->type == y->type &&
	       x->is_head == y->is_head && x->deleted == y->deleted && j.len == k.len &&
	       (!j.len || memcmp(j.ptr, k.ptr, j.len) == 0);
}

static void write_again(const struct batch *b)
{
	struct batch *again = batch_create();
	const struct event *at[1];
	struct buf body = { 0 };

	for (size_t i = 0; i < b->count; i++) {
		if (b->events[i].is_head)
			continue;
		at[0] = &b->events[i];
		body.len = again->count = again->text.len = 0;
		node_events_write(&body, b, at, 1, NODE_MESSAGE_MAX);
		PROMISE(node_events_read(buf_as_slice(&body), again) && again->count == 1);
		PROMISE(equal(b, at[0], again, &again->events[0]));
	}
	buf_finish(&body);
	batch_release(again);
}

static void check_events(struct slice body)
{
	struct batch *b = batch_create();

	batch_add(b);
	buf_text(&b->text, "before");
	if (!node_events_read(body, b))
		PROMISE(b->count == 1 && b->text.len == 6);
	for (size_t i = 1; i < b->count; i++)
		check_event(b, &b->events[i]);
	if (b->count > 1) {
		memcpy(&b->events[0], &b->events[1], sizeof(b->events[0]));
		write_again(b);
	}
	batch_release(b);
}

static void write_count_again(const struct node_count *count)
{
	struct buf body = { 0 };
	struct node_records r;
	struct node_count again;

	node_counts_begin(&body, PART_FIRST);
	node_counts_add(&body, count->job_id, count->count);
	PROMISE(node_records_begin(&r, buf_as_slice(&body)) && r.parts == PART_FIRST);
	PROMISE(node_counts_next(&r, &again) && again.count == count->count);
	PROMISE(strcmp(again.job_id, count->job_id) == 0 && !node_counts_next(&r, &again));
	buf_finish(&body);
}

static void write_report_again(const struct presence_report *report)
{
	struct buf body = { 0 };
	struct node_records r;
	struct presence_report again;

	node_agents_begin(&body, PART_CHANGES);
	node_agents_add(&body, report, 1000);
	PROMISE(node_records_begin(&r, buf_as_slice(&body)));
	PROMISE(node_agents_next(&r, &again, 1000) && again.due_ms == report->due_ms);
	PROMISE(strcmp(again.agent, report->agent) == 0 && again.owner == report->owner);
	buf_finish(&body);
}

static void check_records(struct slice body)
{
	struct node_records r;
	struct node_count count;
	struct presence_report report;

	if (!node_records_begin(&r, body))
		return;
	while (node_counts_next(&r, &count)) {
		PROMISE(id_valid(slice_of(count.job_id)));
		write_count_again(&count);
	}
	node_records_begin(&r, body);
	while (node_agents_next(&r, &report, 1000)) {
		PROMISE(report.due_ms >= 1000 && report.loop < BUS_LOOPS_MAX);
		PROMISE(utf8_valid(slice_of(report.state)));
		PROMISE(report.agent[0] ? id_valid(slice_of(report.job_id)) : report.owner != 0);
		write_report_again(&report);
	}
}

static void write_head_again(const struct node_message *m)
{
	struct buf bytes = { 0 };
	struct node_message again;

	node_message_write(&bytes, m);
	PROMISE(node_message_read(buf_as_slice(&bytes), &again) == NODE_MESSAGE_OK);
	PROMISE(again.kind == m->kind && again.node == m->node && again.number == m->number);
	buf_finish(&bytes);
}

static void check_body(struct slice body)
{
	check_events(body);
	check_records(body);
	node_ask_names(body, 1);
}

void fuzz_one(struct slice input)
{
	struct slice text = fuzz_copy(input);
	struct node_message m;

	if (node_message_read(text, &m) == NODE_MESSAGE_OK) {
		write_head_again(&m);
		check_body(m.body);
	}
	check_body(text);
	fuzz_free(text);
}
