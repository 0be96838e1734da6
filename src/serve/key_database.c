#include "key_database.h"

#include <errno.h>
#include <unistd.h>

#include "joblight/base/clock.h"
#include "joblight/base/xalloc.h"
#include "joblight/store/backend.h"

typedef enum store_result transaction(struct store *s, void *context);

/* NONE: the transaction has printed its own message. */
static bool run(const char *path, transaction *transact, void *context)
{
	char error[512];
	struct database *db = database_open(path, DURABILITY_FULL, error, sizeof(error));

	if (!db) {
		fprintf(stderr, "joblight: %s\n", error);
		return false;
	}
	struct store *s = database_writer(db);
	enum store_result r = s->ops->begin(s);
	if (r == STORE_OK)
		r = transact(s, context);
	if (r == STORE_OK)
		r = s->ops->commit(s);
	else
		s->ops->rollback(s);
	if (r != STORE_OK && r != STORE_NONE)
		fprintf(stderr, "joblight: %s: %s\n", path, store_error(s));
	database_close(db);
	return r == STORE_OK;
}

static enum store_result put(struct store *s, void *row)
{
	return s->ops->access_key_put(s, row);
}

bool key_database_put(const char *db, const struct access_key_row *row)
{
	struct access_key_row copy = *row;

	return run(db, put, &copy);
}

struct walk {
	access_key_visit *visit;
	void *context;
};

static enum store_result list(struct store *s, void *context)
{
	struct walk *w = context;
	enum store_result r = s->ops->access_keys(s, w->visit, w->context);

	return r == STORE_NONE ? STORE_OK : r;
}

static bool exists(const char *db)
{
	if (access(db, F_OK) == 0)
		return true;
	fprintf(stderr, "joblight: %s: %s\n", db, strerror(errno));
	return false;
}

bool key_database_list(const char *db, access_key_visit *visit, void *context)
{
	struct walk w = { visit, context };

	return exists(db) && run(db, list, &w);
}

struct search {
	const char *id;
	struct access_key_row found;
};

static bool find(void *context, const struct access_key_row *row)
{
	struct search *q = context;

	if (strcmp(row->id, q->id) != 0)
		return true;
	q->found = *row;
	q->found.name = xstrdup(row->name);
	q->found.jobs = xstrdup(row->jobs);
	return false;
}

static enum store_result revoke_row(struct store *s, void *context)
{
	struct search *q = context;
	enum store_result r = s->ops->access_keys(s, find, q);

	if ((r == STORE_OK || r == STORE_NONE) && !q->found.name) {
		fprintf(stderr, "joblight: there is no key %s\n", q->id);
		return STORE_NONE;
	}
	if (r != STORE_OK)
		return r;
	if (!q->found.revoked)
		q->found.revoked = clock_wall_ms();
	return s->ops->access_key_put(s, &q->found);
}

bool key_database_revoke(const char *db, const char *id)
{
	struct search q = { .id = id };
	bool ok = exists(db) && run(db, revoke_row, &q);

	access_key_row_finish(&q.found);
	return ok;
}
