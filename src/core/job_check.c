#include "joblight/core/job_check.h"

#include "joblight/base/buf.h"
#include "joblight/core/job_export.h"
#include "joblight/core/job_import.h"

#define PAGE_BYTES (256 * 1024)

struct check {
	struct store *s, *scratch;
	job_fault *report;
	void *context;
	struct job_check *counts;
	enum store_result failed;
};

static void fault(struct check *c, const char *job_id, const char *words)
{
	c->counts->faults++;
	c->report(c->context, job_id, words);
}

/* Feeds the export of the job to an import.  False: the problem is set, or the store failed. */
static bool feed(struct check *c, const struct job_row *job, struct job_import *import,
                 struct export_at *at, struct problem *problem)
{
	struct digest *all = digest_create();
	struct buf page = { 0 };
	enum export_result r = EXPORT_OK;
	uint8_t sha256[DIGEST_LEN];

	while (at->part != EXPORT_DONE && r == EXPORT_OK && !outcome_is_error(problem->outcome)) {
		page.len = 0;
		r = job_export_page(c->s, job->id, at, PAGE_BYTES, &page);
		digest_add(all, buf_as_slice(&page));
		if (r == EXPORT_OK)
			job_import_take(import, buf_as_slice(&page), 0, problem);
	}
	page.len = 0;
	digest_result(all, sha256);
	job_export_end(at, sha256, &page);
	if (r == EXPORT_OK && !outcome_is_error(problem->outcome))
		job_import_take(import, buf_as_slice(&page), 0, problem);
	digest_free(all);
	buf_finish(&page);
	if (r == EXPORT_FAILED)
		c->failed = STORE_BROKEN;
	if (r == EXPORT_CHANGED)
		problem_set(problem, OUTCOME_INVALID_IMPORT,
		            "an event is missing after %llu, and the last one is %llu",
		            (unsigned long long)at->seq, (unsigned long long)job->seq);
	return r == EXPORT_OK && !outcome_is_error(problem->outcome);
}

/* The job with its own counts of what it has. */
static bool counts_fit(const struct job_row *job, const struct export_at *at)
{
	return job->tasks == at->tasks && job->deliverables == at->deliverables;
}

static bool check_job(void *context, const struct job_row *job)
{
	struct check *c = context;
	struct problem problem = { 0 };
	struct export_at at = { 0 };
	enum store_result r;
	struct job_import *import = job_import_begin(c->scratch, NULL, &r);

	c->counts->jobs++;
	c->counts->folded += job->first == 1;
	bool ok = feed(c, job, import, &at, &problem) && job_import_is_complete(import, &problem);
	if (at.seq >= at.first && at.first)
		c->counts->events += at.seq + 1 - at.first;
	if (ok && !counts_fit(job, &at))
		fault(c, job->id, "it has another number of tasks or deliverables");
	else if (!ok && !c->failed)
		fault(c, job->id, problem.detail);
	job_import_free(import);
	problem_finish(&problem);
	c->scratch->ops->rollback(c->scratch); /* what was folded is not needed any more */
	return !c->failed && c->scratch->ops->begin(c->scratch) == STORE_OK;
}

enum store_result job_check_one(struct store *s, struct store *scratch, const struct job_row *row,
                                job_fault *report, void *context, struct job_check *counts)
{
	struct check c = { s, scratch, report, context, counts, STORE_OK };
	enum store_result r = scratch->ops->begin(scratch);

	if (r == STORE_OK)
		check_job(&c, row);
	scratch->ops->rollback(scratch);
	return c.failed ? c.failed : r;
}

enum store_result job_check_all(struct store *s, struct store *scratch, job_fault *report,
                                void *context, struct job_check *counts)
{
	struct check c = { s, scratch, report, context, counts, STORE_OK };
	enum store_result r = scratch->ops->begin(scratch);

	*counts = (struct job_check){ 0 };
	if (r == STORE_OK)
		r = s->ops->jobs(s, -1, 0, SIZE_MAX, check_job, &c);
	scratch->ops->rollback(scratch);
	return c.failed ? c.failed : r == STORE_NONE ? STORE_OK : r;
}
