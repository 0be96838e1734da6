/* `joblight job export` and `import` on a database file. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "db.h"
#include "db_open.h"
#include "joblight/base/clock.h"
#include "joblight/base/random.h"
#include "joblight/core/engine.h"
#include "joblight/core/job_export.h"

#define PAGE_BYTES (256 * 1024)

/* ---- export: one transaction, so that it is of one moment ---- */

static bool put(struct digest *all, struct buf *page)
{
	digest_add(all, buf_as_slice(page));
	bool ok = fwrite(page->ptr, 1, page->len, stdout) == page->len;
	page->len = 0;
	return ok;
}

static enum export_result put_pages(struct store *s, const char *job_id, struct digest *all,
                                    struct export_at *at)
{
	struct buf page = { 0 };
	enum export_result r = EXPORT_OK;

	while (r == EXPORT_OK && at->part != EXPORT_DONE && !ferror(stdout)) {
		r = job_export_page(s, job_id, at, PAGE_BYTES, &page);
		if (r == EXPORT_OK)
			put(all, &page);
	}
	buf_finish(&page);
	return r;
}

static void put_end(struct digest *all, const struct export_at *at)
{
	uint8_t sha256[DIGEST_LEN];
	struct buf line = { 0 };

	digest_result(all, sha256);
	job_export_end(at, sha256, &line);
	put(all, &line);
	buf_finish(&line);
}

int db_job_export(const struct config *c, const char *job_id)
{
	struct export_at at = { 0 };
	struct store *s = db_peek(c);
	int status = 0;

	if (!s)
		return 1;
	struct digest *all = digest_create();
	switch (put_pages(s, job_id, all, &at)) {
	case EXPORT_OK:
		put_end(all, &at);
		break;
	case EXPORT_NO_JOB:
		status = db_fail(job_id, "there is no job with this id");
		break;
	case EXPORT_CHANGED:
		status = db_fail(job_id, "its log has a gap; run `joblight db check`");
		break;
	case EXPORT_FAILED:
		status = db_fail(db_shown(c), store_error(s));
	}
	digest_free(all);
	db_peek_end(s);
	return db_flush(status);
}

/* ---- import ---- */

static struct op *a_piece(const struct db_import *how, struct buf *bytes, bool last)
{
	struct op *op = op_create(OP_JOB_IMPORT);

	snprintf(op->job_id, sizeof(op->job_id), "%s", how->as ? how->as : "");
	op->replace = how->replace;
	op->keep_epoch = how->keep_epoch;
	op->import_step = last ? IMPORT_LAST : IMPORT_PIECE;
	op->payload = *bytes;
	*bytes = (struct buf){ 0 };
	return op;
}

/* Where the next run of the server will begin to count: see timeline.h. */
static int64_t steady_ms(struct store *s)
{
	struct clock_row clock = { 0 };

	if (s->ops->begin(s) != STORE_OK)
		return 0;
	enum store_result r = s->ops->clock_get(s, &clock);
	s->ops->rollback(s);
	return r == STORE_OK ? clock.steady : 0;
}

static enum store_result transact(struct engine *e, int64_t steady, struct op *op)
{
	struct batch *batch = NULL;
	enum store_result r = engine_begin(e, clock_wall_ms(), steady, false);

	if (r != STORE_OK)
		return r;
	r = engine_apply(e, op);
	if (r == STORE_OK)
		r = engine_commit(e, &batch);
	else
		engine_rollback(e);
	batch_release(batch);
	return r;
}

/* The next bytes of standard input.  False: it cannot be read, after a message. */
static bool read_piece(struct buf *bytes, bool *last)
{
	ssize_t len;

	buf_reserve(bytes, PAGE_BYTES);
	do
		len = read(STDIN_FILENO, bytes->ptr, PAGE_BYTES);
	while (len < 0 && errno == EINTR);
	if (len < 0) {
		db_fail("standard input", strerror(errno));
		return false;
	}
	bytes->len = (size_t)len;
	*last = len == 0;
	return true;
}

static int take_all(struct store *s, struct engine *e, const char *name,
                    const struct db_import *how)
{
	int64_t steady = steady_ms(s);
	bool last = false;

	while (!last) {
		struct buf bytes = { 0 };
		if (!read_piece(&bytes, &last)) {
			buf_finish(&bytes);
			return 1;
		}
		struct op *op = a_piece(how, &bytes, last);
		int status = 0;
		if (transact(e, steady, op) != STORE_OK)
			status = db_fail(name, store_error(s));
		else if (outcome_is_error(op->problem.outcome))
			status = db_fail("the import was refused", op->problem.detail);
		else if (last)
			fputs(buf_string(&op->body), stdout);
		op_free(op);
		if (status)
			return status;
		s->ops->checkpoint(s);
	}
	return 0;
}

/* What a refused import has written is removed by the next prune, of the server too. */
int db_job_import(const struct config *c, const struct db_import *how)
{
	struct database *db = db_open(c);

	if (!db)
		return 1;
	struct store *s = database_writer(db);
	struct engine *e = engine_create(s, &c->limits, random_bytes);
	int status = take_all(s, e, db_shown(c), how);
	engine_free(e);
	database_close(db);
	return db_flush(status);
}
