#include "ask.h"

#include <stdlib.h>

#include "dispatch.h"
#include "joblight/base/clock.h"
#include "joblight/base/xalloc.h"
#include "joblight/base/clock.h"
#include "loop_private.h"
#include "request_record.h"
#include "request_span.h"
#include "refused.h"

/* Writes. */

/* A request has its own span, and only wants to know of the commit. */
static bool wants_span(const struct conn *c, const struct op *op)
{
	if (c->state == CONN_SOCKET)
		return span_is_wanted(c->loop, op->traceparent);
	return c->record && c->record->is_traced;
}

bool ask_write(struct conn *c, struct op *op)
{
	struct loop *l = c->loop;

	op->loop = l;
	op->reply_to = c->id;
	op->submitted_us = clock_monotonic_us();
	op->by = credential_hold(c->credential);
	op->by_open = !c->credential;
	op->began_us = wants_span(c, op) ? clock_monotonic_us() : 0;
	if (op_audited(op->kind))
		refused_client(c, op->client);
	if (l->service->submit(l->service->context, op))
		return true;
	metric_count(METRIC_REFUSALS + LABEL_REASON_STORE);
	return false;
}

void ask_answered(struct loop *l, struct op *op)
{
	struct conn *c = conn_find(l, op->reply_to);

	if (op->kind == OP_CANARY)
		canary_returned(l, op);
	else if (c && c->state == CONN_SOCKET)
		c->transport->answered(c, op);
	else if (c && c->state == CONN_BUSY)
		l->dispatch->answered(c, op);
	else
		l->dispatch->unanswered(l, op);
}

/* Reads. */

struct conn_read {
	struct read_request request; /* first */
	uint64_t reply_to;
	ask_answer *answer;
	_Alignas(max_align_t) char data[];
};

/*
 * A request waits for one read at a time. conn_detach() marks that read as gone, and the reader
 * then drops it.
 */
static void set_reading(struct conn *c, struct read_request *r)
{
	if (c->state == CONN_BUSY)
		c->reading = r;
}

static void free_read(struct conn_read *q)
{
	credential_release(q->request.query.viewer);
	free(q);
}

static void conn_read_done(struct read_request *request)
{
	struct conn_read *q = (struct conn_read *)request;
	struct conn *c = conn_find(request->loop, q->reply_to);

	if (c && (c->state == CONN_BUSY || c->state == CONN_SOCKET)) {
		set_reading(c, NULL);
		q->answer(c, request->result, q->data);
	}
	read_result_release(request->result);
	free_read(q);
}

bool ask_read(struct conn *c, const struct read_query *query, ask_answer *answer, const void *data,
              size_t len)
{
	struct loop *l = c->loop;
	struct conn_read *q = xcalloc(1, sizeof(*q) + len);

	q->request.query = *query;
	credential_hold(query->viewer);
	q->request.loop = l;
	q->request.done = conn_read_done;
	atomic_init(&q->request.gone, false);
	q->reply_to = c->id;
	q->answer = answer;
	if (len)
		memcpy(q->data, data, len);
	set_reading(c, &q->request);
	if (l->service->read(l->service->context, &q->request))
		return true;
	set_reading(c, NULL);
	free_read(q);
	metric_count(METRIC_REFUSALS + LABEL_REASON_STORE);
	return false;
}

bool ask_read_of_hub(struct loop *l, struct read_request *r)
{
	struct conn *c = conn_find(l, r->asker);

	r->loop = l;
	if (!l->service->read(l->service->context, r))
		return false;
	if (c)
		c->reads++;
	return true;
}

static void read_answered(struct loop *l, struct read_request *r)
{
	struct conn *c = conn_find(l, r->asker);

	if (c) {
		c->reads--;
		if (c->state == CONN_SOCKET)
			c->transport->read_back(c);
	}
	r->done(r);
}

/* Writing out the result of a read takes some hundred events, so each turn takes only a few. */
bool ask_take_reads(struct loop *l)
{
	if (!l->answers)
		l->answers = mailbox_take(&l->reads);
	for (size_t left = l->limits->round_visits; l->answers && left; left--) {
		struct read_request *r = container_of(l->answers, struct read_request, mail);
		l->answers = l->answers->next;
		read_answered(l, r);
	}
	return l->answers || !mailbox_is_empty(&l->reads);
}
