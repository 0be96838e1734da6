/* The routes of /api/jobs that read: jobs, their tasks, their log. */
#include <stdio.h>

#include "net/condition.h"
#include "net/loop_private.h"
#include "http_store.h"
#include "router.h"

#define LIST_DEFAULT 100

static void answer_text(struct conn *c, struct read_result *result)
{
	reply_json_shared(c, OUTCOME_OK, "Cache-Control: no-cache\r\n", result);
}

/* Answers with a part of the snapshot as an object of its own. */
static void answer_part(struct conn *c, struct read_result *result)
{
	struct buf before = { 0 }, after = { 0 };

	buf_char(&before, '{');
	buf_char(&after, '}');
	reply_json_around(c, OUTCOME_OK, "Cache-Control: no-cache\r\n", &before, result, &after);
}

static void read_job(struct conn *c, struct request *r, enum read_kind kind,
                     http_read_answer *answer)
{
	struct read_query q = { .kind = kind };

	id_copy(q.job_id, r->params[0]);
	http_read(c, &q, answer);
}

/* The ETag of a job is its cursor. */
struct job_tag {
	char etag[CURSOR_MAX + 3], lines[CURSOR_MAX + 64];
};

static struct job_tag tag_of(const struct read_result *r)
{
	struct job_tag t;

	snprintf(t.etag, sizeof(t.etag), "\"%s.%llu\"", r->epoch, (unsigned long long)r->head);
	snprintf(t.lines, sizeof(t.lines), "ETag: %s\r\nCache-Control: no-cache\r\n", t.etag);
	return t;
}

static void answer_job(struct conn *c, struct read_result *result)
{
	reply_json_shared(c, OUTCOME_OK, tag_of(result).lines, result);
}

static void answer_if_changed(struct conn *c, struct read_result *head)
{
	struct job_tag t = tag_of(head);

	if (condition_of(c->request, t.lines) == CONDITION_NOT_MODIFIED)
		reply_empty(c, OUTCOME_NOT_MODIFIED, t.lines);
	else
		read_job(c, c->request, READ_JOB, answer_job);
}

/* A request with an ETag is first compared with the row of the job, without making the snapshot. */
void jobs_get(struct conn *c, struct request *r)
{
	if (r->headers[HEADER_IF_NONE_MATCH].len)
		read_job(c, r, READ_HEAD, answer_if_changed);
	else
		read_job(c, r, READ_JOB, answer_job);
}

void tasks_list(struct conn *c, struct request *r)
{
	read_job(c, r, READ_TASKS, answer_part);
}

void deliverables_list(struct conn *c, struct request *r)
{
	read_job(c, r, READ_DELIVERABLES, answer_part);
}

/* Adds to each job of a list what only this loop knows. */
static void answer_list(struct conn *c, struct read_result *result)
{
	const struct loop *l = c->loop;
	struct buf body = { 0 };
	size_t at = 0;

	for (size_t i = 0; i < result->row_count; i++) {
		const struct read_row *row = &result->rows[i];
		char id[ID_MAX + 1];
		id_copy(id, (struct slice){ result->text.ptr + row->id_at, row->id_len });
		buf_add(&body, result->text.ptr + at, row->end - at);
		buf_format(&body, ",\"watchers\":%u,\"agents\":", hub_watchers(l->hub, id));
		attendance_agents(l->attendance, id, &body);
		at = row->end;
	}
	buf_add(&body, result->text.ptr + at, result->text.len - at);
	reply_json_taken(c, OUTCOME_OK, "Cache-Control: no-cache\r\n", &body);
}

static bool read_status(const struct request *r, struct read_query *q, struct problem *problem)
{
	enum job_status status;
	struct slice text;

	q->status = -1;
	if (!request_arg(r, "status", &text))
		return true;
	if (!job_status_parse(text, &status))
		return problem_set(problem, OUTCOME_BAD_REQUEST, "status must be one of %s",
		                   job_status_all());
	q->status = (int)status;
	return true;
}

/* A key that is not for all jobs gets tokens of its own: see query.c. */
static bool read_token(const struct conn *c, const struct request *r, struct read_query *q,
                       struct problem *problem)
{
	uint64_t token;
	struct slice text;

	if (!c->credential || credential_covers(c->credential, "*")) {
		if (!request_number(r, "pageToken", 0, 1, INT64_MAX, &token, problem))
			return false;
		q->below = (int64_t)token;
		return true;
	}
	q->viewer = c->credential;
	if (!request_arg(r, "pageToken", &text))
		return true;
	if (!id_valid(text))
		return problem_set(problem, OUTCOME_BAD_REQUEST,
		                   "pageToken is not one of this list");
	id_copy(q->job_id, text);
	if (!credential_covers(c->credential, q->job_id))
		id_conceal(q->job_id);
	return true;
}

void jobs_list(struct conn *c, struct request *r)
{
	struct read_query q = { .kind = READ_JOBS };
	struct problem problem = { 0 };
	uint64_t limit;

	if (!request_number(r, "limit", LIST_DEFAULT, 1, c->loop->limits->page_rows, &limit,
	                    &problem) ||
	    !read_token(c, r, &q, &problem) || !read_status(r, &q, &problem)) {
		reply_problem(c, &problem, "");
		return;
	}
	q.limit = (size_t)limit;
	q.bytes = c->loop->limits->page_bytes;
	http_read(c, &q, answer_list);
}

static bool read_order(const struct request *r, struct read_query *q, struct problem *problem)
{
	struct slice text;

	if (!request_arg(r, "order", &text) || slice_is(text, "asc"))
		return true;
	q->descending = slice_is(text, "desc");
	return q->descending ||
	       problem_set(problem, OUTCOME_BAD_REQUEST, "order must be asc or desc");
}

void activity_page(struct conn *c, struct request *r)
{
	struct read_query q = { .kind = READ_ACTIVITY };
	struct problem problem = { 0 };
	uint64_t limit;

	if (!read_order(r, &q, &problem) ||
	    !request_number(r, "limit", LIST_DEFAULT, 1, c->loop->limits->page_rows, &limit,
	                    &problem) ||
	    !request_number(r, "after", q.descending ? INT64_MAX : 0, 0, INT64_MAX, &q.from,
	                    &problem)) {
		reply_problem(c, &problem, "");
		return;
	}
	q.limit = (size_t)limit;
	q.bytes = c->loop->limits->page_bytes;
	id_copy(q.job_id, r->params[0]);
	http_read(c, &q, answer_text);
}
