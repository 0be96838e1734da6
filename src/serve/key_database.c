#include "key_database.h"

#include <errno.h>
#include <unistd.h>

#include "joblight/base/clock.h"
#include "joblight/core/keyring.h"
#include "joblight/store/backend.h"

typedef enum store_result transaction(struct store *s, void *context);

/* NONE: the transaction has printed its own message. */
static bool run(const char *path, transaction *transact, void *context)
{
	char error[512], shown[DATABASE_SHOWN_MAX];
	struct database *db = database_open(path, DURABILITY_FULL, error, sizeof(error));

	if (!db) {
		fprintf(stderr, "joblight: %s\n", error);
		return false;
	}
	database_show(path, shown, sizeof(shown));
	struct store *s = database_writer(db);
	enum store_result r = s->ops->begin(s);
	if (r == STORE_OK)
		r = transact(s, context);
	if (r == STORE_OK)
		r = s->ops->commit(s);
	else
		s->ops->rollback(s);
	if (r != STORE_OK && r != STORE_NONE)
		fprintf(stderr, "joblight: %s: %s\n", shown, store_error(s));
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
	if (database_is_remote(db) || access(db, F_OK) == 0)
		return true;
	fprintf(stderr, "joblight: %s: %s\n", db, strerror(errno));
	return false;
}

bool key_database_list(const char *db, access_key_visit *visit, void *context)
{
	struct walk w = { visit, context };

	return exists(db) && run(db, list, &w);
}

static enum store_result revoke_row(struct store *s, void *id)
{
	struct access_key_row row = { 0 };
	enum store_result r = access_key_find(s, id, &row);

	if (r == STORE_NONE)
		fprintf(stderr, "joblight: there is no key %s\n", (const char *)id);
	if (r != STORE_OK)
		return r;
	if (!row.revoked)
		row.revoked = clock_wall_ms();
	r = s->ops->access_key_put(s, &row);
	access_key_row_finish(&row);
	return r;
}

bool key_database_revoke(const char *db, const char *id)
{
	char copy[ACCESS_KEY_ID_LEN + 1];

	snprintf(copy, sizeof(copy), "%s", id);
	return exists(db) && run(db, revoke_row, copy);
}
