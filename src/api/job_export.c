/* GET /api/jobs/:job/export: pages of the export, each read when the client has taken the one
 * before. */
#include "joblight/core/job_export.h"

#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "net/ask.h"
#include "net/capacity.h"
#include "net/loop_private.h"
#include "net/transport.h"
#include "router.h"

#define PAGE_BYTES (64 * 1024)

struct export
{
	char job_id[ID_MAX + 1];
	struct export_at at; /* where the next page begins */
	struct digest *all;  /* of what was sent */
	bool begun;
};

static void detach(struct conn *c)
{
	(void)c; /* the read is marked as gone by conn_detach() */
}

static void free_export(struct conn *c)
{
	struct export *x = c->session;

	digest_free(x->all);
	free(x);
}

/* The client sees that the export is not complete. */
static void stop(struct conn *c)
{
	conn_close(c);
}

static void half_closed(struct conn *c)
{
	(void)c; /* it still gets its answer */
}

static const struct transport transport = {
	.detach = detach,
	.free = free_export,
	.stop = stop,
	.half_closed = half_closed,
};

static void refuse(struct conn *c, const struct problem *p)
{
	const struct export *x = c->session;

	if (x->begun)
		conn_close(c);
	else
		reply_problem(c, p, "");
}

static void read_page(struct conn *c);

static void send_page(struct conn *c, struct export *x, struct buf *page)
{
	char headers[ID_MAX + 160];
	bool last = x->at.part == EXPORT_DONE;
	uint8_t sha256[DIGEST_LEN];

	digest_add(x->all, buf_as_slice(page));
	if (last) {
		digest_result(x->all, sha256);
		job_export_end(&x->at, sha256, page);
	}
	if (x->begun) {
		reply_stream_add(c, page, last);
		return;
	}
	x->begun = true;
	snprintf(headers, sizeof(headers),
	         "Cache-Control: no-store\r\n"
	         "Content-Disposition: attachment; filename=\"%s.ndjson\"\r\n",
	         x->job_id);
	reply_stream_begin(c, "application/x-ndjson", headers, read_page, page, last);
}

static void answered(struct conn *c, struct read_result *result, const void *data)
{
	struct export *x = c->session;
	struct buf page = { 0 };

	(void)data;
	if (outcome_is_error(result->problem.outcome)) {
		refuse(c, &result->problem);
		return;
	}
	x->at = result->export;
	buf_slice(&page, buf_as_slice(&result->text));
	send_page(c, x, &page);
}

static void read_page(struct conn *c)
{
	const struct export *x = c->session;
	struct read_query q = { .kind = READ_EXPORT, .export = x->at, .bytes = PAGE_BYTES };
	struct problem busy = { .outcome = OUTCOME_OVERLOADED,
		                .detail = "too many reads are waiting; repeat this in a moment" };

	memcpy(q.job_id, x->job_id, sizeof(q.job_id));
	if (!ask_read(c, &q, answered, NULL, 0))
		refuse(c, &busy);
}

void job_export_get(struct conn *c, struct request *r)
{
	struct problem problem = { 0 };

	if (!capacity_takes_stream(c, &problem)) {
		reply_problem(c, &problem, "");
		problem_finish(&problem);
		return;
	}
	struct export *x = xcalloc(1, sizeof(*x));
	id_copy(x->job_id, r->params[0]);
	x->all = digest_create();
	c->transport = &transport;
	c->session = x;
	read_page(c);
}
