/* POST /api/jobs/:job/presence: an agent reports its presence over HTTP. */
#include <stdio.h>

#include "joblight/core/message.h"
#include "net/loop_private.h"
#include "http_store.h"
#include "router.h"

static void take_report(struct conn *c, struct read_result *job)
{
	const struct request *r = c->request;
	struct presence_report report = { 0 };
	struct problem problem = { 0 };
	char answer[64];

	(void)job; /* the job exists */
	memcpy(report.job_id, r->params[0].ptr, r->params[0].len);
	bool ok = presence_decode(c->loop->limits, buf_as_slice(&r->body), &report, &problem);
	if (ok && attendance_report(c->loop->attendance, &report, &problem)) {
		snprintf(answer, sizeof(answer), "{\"ok\":true,\"watchers\":%u}",
		         hub_watchers(c->loop->hub, report.job_id));
		reply_json(c, OUTCOME_OK, "", slice_of(answer));
	} else {
		reply_problem(c, &problem, "");
	}
	problem_finish(&problem);
}

void agents_presence(struct conn *c, struct request *r)
{
	struct read_query q = { .kind = READ_HEAD };

	memcpy(q.job_id, r->params[0].ptr, r->params[0].len);
	http_read(c, &q, take_report);
}
