/* `joblight db new-epoch`, `prune` and `vacuum`, while no server uses the database. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "db.h"
#include "db_open.h"
#include "joblight/base/clock.h"
#include "joblight/base/random.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/engine.h"

/* ---- new-epoch ---- */

#define PAGE_JOBS 256

struct page {
	struct job_row rows[PAGE_JOBS];
	size_t count;
};

static bool keep_job(void *context, const struct job_row *row)
{
	struct page *p = context;
	struct job_row *copy = &p->rows[p->count++];

	*copy = *row;
	copy->title = xstrdup(row->title);
	copy->metadata = xstrdup(row->metadata);
	return true;
}

static enum store_result renew(struct store *s, struct job_row *row)
{
	uint8_t entropy[EPOCH_LEN];

	random_bytes(entropy, sizeof(entropy));
	epoch_format(entropy, row->epoch);
	return s->ops->job_put(s, row);
}

/* All jobs below this key, newest first; *below is 0 when none is left. */
static enum store_result renew_page(struct store *s, int64_t *below, uint64_t *count)
{
	struct page *p = xcalloc(1, sizeof(*p));
	enum store_result r = s->ops->jobs(s, -1, *below, PAGE_JOBS, keep_job, p);

	*below = p->count ? p->rows[p->count - 1].key : 0;
	*count += p->count;
	for (size_t i = 0; i < p->count; i++) {
		if (r == STORE_OK)
			r = renew(s, &p->rows[i]);
		job_row_finish(&p->rows[i]);
	}
	free(p);
	return r == STORE_NONE ? STORE_OK : r;
}

/* In one transaction: afterwards all have a new epoch, or none. */
static enum store_result renew_all(struct store *s, uint64_t *count)
{
	int64_t below = 0;
	enum store_result r;

	do
		r = renew_page(s, &below, count);
	while (r == STORE_OK && below > 1);
	return r;
}

static enum store_result renew_one(struct store *s, const char *job_id, uint64_t *count)
{
	struct job_row row = { 0 };
	enum store_result r = s->ops->job_get(s, job_id, &row);

	if (r == STORE_OK)
		r = renew(s, &row);
	job_row_finish(&row);
	*count = r == STORE_OK;
	return r;
}

int db_new_epoch(const struct config *c, const char *job_id)
{
	struct database *db = db_open(c);
	struct store *s = db ? database_writer(db) : NULL;
	uint64_t count = 0;
	int status = 0;

	if (!db)
		return 1;
	enum store_result r = s->ops->begin(s);
	if (r == STORE_OK)
		r = job_id ? renew_one(s, job_id, &count) : renew_all(s, &count);
	if (r == STORE_OK)
		r = s->ops->commit(s);
	if (r == STORE_NONE)
		status = db_fail(job_id, "there is no job with this id");
	else if (r != STORE_OK)
		status = db_fail(db_shown(c), store_error(s));
	s->ops->rollback(s);
	database_close(db);
	if (status == 0)
		printf("%s: %" PRIu64 " jobs have a new epoch\n", db_shown(c), count);
	return db_flush(status);
}

/* ---- prune ---- */

#define BUDGET 1000
#define EXPIRED_JOBS 64

static bool add_removal(void *context, const char *job_id)
{
	struct op ***tail = context;
	struct op *op = op_create(OP_JOB_EXPIRE);

	memcpy(op->job_id, job_id, strlen(job_id) + 1);
	**tail = op;
	*tail = (struct op **)&op->mail.next;
	return true;
}

static enum store_result find_expired(struct store *s, int64_t before, struct op **first)
{
	struct op **tail = first;
	enum store_result r = s->ops->begin(s);

	if (r != STORE_OK)
		return r;
	r = s->ops->ended_jobs(s, before, EXPIRED_JOBS, add_removal, &tail);
	s->ops->rollback(s);
	return r;
}

/* Removes the jobs of the operations, which it frees. */
static enum store_result remove_jobs(struct engine *e, int64_t now, struct op *first)
{
	struct batch *batch = NULL;
	enum store_result r = engine_begin(e, now, 0, false);
	bool began = r == STORE_OK;

	for (struct op *op = first, *next; op; op = next) {
		next = (struct op *)op->mail.next;
		if (r == STORE_OK)
			r = engine_apply(e, op);
		op_free(op);
	}
	if (r == STORE_OK)
		r = engine_commit(e, &batch);
	else if (began)
		engine_rollback(e);
	batch_release(batch);
	return r;
}

static enum store_result remove_expired(struct store *s, const struct limits *limits, int64_t now)
{
	struct engine *e = engine_create(s, limits, random_bytes);
	enum store_result r = limits->job_retention_ms ? STORE_OK : STORE_NONE;

	while (r == STORE_OK) {
		struct op *first = NULL;
		r = find_expired(s, now - (int64_t)limits->job_retention_ms, &first);
		if (r == STORE_OK)
			r = remove_jobs(e, now, first);
	}
	engine_free(e);
	return r == STORE_NONE ? STORE_OK : r;
}

static enum store_result prune_some(struct store *s, const struct limits *limits,
                                    const struct prune_limits *p)
{
	struct store_space space = { 0 };
	enum store_result r = s->ops->prune(s, p, BUDGET);

	if (r != STORE_NONE || !limits->retention_total)
		return r;
	r = s->ops->space(s, &space);
	if (r != STORE_OK)
		return r;
	return space.used > limits->retention_total ? s->ops->prune_oldest(s, BUDGET) : STORE_NONE;
}

static enum store_result give_some_back(struct store *s)
{
	return s->ops->give_back(s, BUDGET);
}

/* Steps in transactions of their own, until there is nothing left to do. */
static enum store_result prune_all(struct store *s, const struct limits *limits,
                                   const struct prune_limits *p)
{
	enum store_result r = STORE_OK;
	bool pruned = false;

	while (r == STORE_OK) {
		r = s->ops->begin(s);
		if (r == STORE_OK)
			r = pruned ? give_some_back(s) : prune_some(s, limits, p);
		if (r == STORE_NONE && !pruned) {
			pruned = true;
			r = STORE_OK;
		}
		if (r == STORE_OK)
			r = s->ops->commit(s);
		if (r != STORE_OK)
			s->ops->rollback(s);
		if (r == STORE_OK)
			s->ops->checkpoint(s);
	}
	return r == STORE_NONE ? STORE_OK : r;
}

static enum store_result space_of(struct store *s, struct store_space *space)
{
	enum store_result r = s->ops->begin(s);

	if (r != STORE_OK)
		return r;
	r = s->ops->space(s, space);
	s->ops->rollback(s);
	return r;
}

static void print_space(const char *name, const struct store_space *before,
                        const struct store_space *after)
{
	printf("%s: %" PRIu64 " bytes are used (%" PRIu64 " before), %" PRIu64 " are free\n", name,
	       after->used, before->used, after->free);
}

int db_prune(const struct config *c)
{
	const struct limits *l = &c->limits;
	struct database *db = db_open(c);
	struct store *s = db ? database_writer(db) : NULL;
	int64_t now = clock_wall_ms();
	struct prune_limits p = { now - (int64_t)l->idempotency_ms, now - (int64_t)l->retention_ms,
		                  INT64_MIN, l->retention_events, l->retention_bytes };
	struct store_space before = { 0 }, after = { 0 };

	if (!db)
		return 1;
	if (l->statistics_ms)
		p.days_before = (now - (int64_t)l->statistics_ms) / DAY_MS;
	enum store_result r = space_of(s, &before);
	bool has_space = r != STORE_NONE;
	if (r == STORE_OK || r == STORE_NONE)
		r = remove_expired(s, l, now);
	if (r == STORE_OK)
		r = prune_all(s, l, &p);
	if (r == STORE_OK && has_space)
		r = space_of(s, &after);
	int status = r == STORE_OK ? 0 : db_fail(db_shown(c), store_error(s));
	database_close(db);
	if (status == 0 && has_space)
		print_space(db_shown(c), &before, &after);
	return db_flush(status);
}

/* ---- migrate ---- */

int db_migrate(const struct config *c)
{
	struct database *db = db_open(c);

	if (!db)
		return 1;
	database_close(db);
	printf("%s: the tables are those of this joblight\n", db_shown(c));
	return db_flush(0);
}

/* ---- vacuum ---- */

int db_vacuum(const struct config *c)
{
	char error[512];
	struct database *db = db_open_file(c, "PostgreSQL vacuums by itself");
	struct store *s = db ? database_writer(db) : NULL;
	struct store_space before = { 0 }, after = { 0 };
	int status = 0;

	if (!db)
		return 1;
	enum store_result r = space_of(s, &before);
	if (r == STORE_OK && !database_vacuum(db, error, sizeof(error)))
		status = db_fail(db_shown(c), error);
	else if (r != STORE_OK || space_of(s, &after) != STORE_OK)
		status = db_fail(db_shown(c), store_error(s));
	database_close(db);
	if (status == 0)
		print_space(db_shown(c), &before, &after);
	return db_flush(status);
}
