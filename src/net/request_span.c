#include "request_span.h"

#include <stdio.h>

#include "joblight/base/clock.h"
#include "joblight/base/digest.h"
#include "joblight/base/random.h"
#include "loop_private.h"
#include "request_record.h"

bool span_is_wanted(const struct loop *l, const char *traceparent)
{
	const struct span_sink *sink = l->loops->config.spans;

	if (!sink)
		return false;
	if (traceparent[0])
		return traceparent_is_sampled(traceparent);
	return sink->root_percent >= 100 || random_u64() % 100 < sink->root_percent;
}

static void make_id(char *out, size_t bytes)
{
	uint8_t id[TRACE_ID_LEN / 2];

	random_bytes(id, bytes);
	digest_hex(id, bytes, out);
}

static void copy(char *out, struct slice text)
{
	memcpy(out, text.ptr, text.len);
	out[text.len] = '\0';
}

/* `began_us` is monotonic.  The wall clock is read once, so a span is as long as it took. */
static void begin(struct span *s, const struct conn *c, const char *traceparent, uint64_t began_us,
                  uint64_t committed_us)
{
	uint64_t now = clock_monotonic_us();

	make_id(s->span_id, SPAN_ID_LEN / 2);
	if (traceparent[0]) {
		copy(s->trace_id, traceparent_trace_id(traceparent));
		copy(s->parent_id, traceparent_span_id(traceparent));
	} else {
		make_id(s->trace_id, TRACE_ID_LEN / 2);
	}
	s->ended_us = clock_wall_us();
	s->began_us = s->ended_us - (int64_t)(now - began_us);
	s->committed_us = committed_us ? s->ended_us - (int64_t)(now - committed_us) : 0;
	client_address_format(&c->address, s->client);
}

static void add(const struct conn *c, const struct span *s)
{
	const struct span_sink *sink = c->loop->loops->config.spans;

	sink->add(sink->context, s);
}

void span_of_record(const struct conn *c, const struct request_record *record)
{
	struct span s = { .method = record->method,
		          .route = record->route,
		          .seq = record->seq,
		          .status = record->status,
		          .replayed = record->replayed };

	begin(&s, c, record->traceparent, record->began_us, record->committed_us);
	if (record->path && strlen(record->path) <= SPAN_PATH_MAX)
		copy(s.path, slice_of(record->path));
	memcpy(s.job_id, record->job_id, sizeof(s.job_id));
	memcpy(s.task_id, record->task_id, sizeof(s.task_id));
	memcpy(s.request_id, record->request_id, sizeof(s.request_id));
	add(c, &s);
}

void span_of_message(const struct conn *c, const struct op *op, const char *name)
{
	struct span s = { .route = name,
		          .seq = op->seq_last,
		          .status = outcome_status(op->problem.outcome),
		          .replayed = op->replayed };

	if (!op->began_us)
		return;
	begin(&s, c, op->traceparent, op->began_us, op->committed_us);
	id_reveal(s.job_id, op->job_id);
	if (op->task_count == 1 && op->tasks->id.len <= ID_MAX)
		copy(s.task_id, op->tasks->id);
	add(c, &s);
}
