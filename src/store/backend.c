#include "joblight/store/backend.h"

#include <assert.h>
#include <stdio.h>

#include "database.h"
#include "file_lock.h"
#include "joblight/base/log.h"
#include "joblight/base/module.h"
#include "joblight/store/upkeep.h"
#include "location.h"

/* The last one accepts every location. */
static const struct backend *const backends[] = { &memory_backend, &sqlite_backend };

static const struct backend *find_backend(const char *location, char *error, size_t error_len)
{
	const char *module = location_module(location);
	const struct backend *const *backend = backends;

	if (module)
		return module_open(module, "store", error, error_len);
	while (!(*backend)->takes(location)) {
		backend++;
		assert(backend < backends + sizeof(backends) / sizeof(backends[0]));
	}
	return *backend;
}

static struct database *open_any(const char *location, bool any, enum durability durability,
                                 char *error, size_t error_len)
{
	assert(error_len > 0);
	error[0] = '\0';
	const struct backend *backend = find_backend(location, error, error_len);
	return backend ? backend->open(location, any, durability, error, error_len) : NULL;
}

struct database *database_open(const char *location, enum durability durability, char *error,
                               size_t error_len)
{
	return open_any(location, false, durability, error, error_len);
}

struct database *database_open_copy(const char *location, enum durability durability, char *error,
                                    size_t error_len)
{
	return open_any(location, true, durability, error, error_len);
}

bool database_mark(struct database *db, bool unfinished, char *error, size_t error_len)
{
	return !db->backend->mark || db->backend->mark(db, unfinished, error, error_len);
}

bool database_claim(struct database *db, char *error, size_t error_len)
{
	return !db->backend->claim || db->backend->claim(db, error, error_len);
}

struct store *database_peek(const char *location, char *error, size_t error_len)
{
	const struct backend *backend = find_backend(location, error, error_len);

	if (backend && backend->peek)
		return backend->peek(location, error, error_len);
	if (backend)
		snprintf(error, error_len, "%s: nothing can be read there", location);
	return NULL;
}

struct store *database_writer(struct database *db)
{
	return db->writer;
}

struct store *database_reader(struct database *db)
{
	char error[512] = "";
	struct store *s = db->backend->reader(db, error, sizeof error);

	if (!s)
		log_error("cannot open another session of the database", "error", error);
	return s;
}

long database_user(const char *location)
{
	return database_is_remote(location) ? 0 : file_lock_holder(location);
}

bool database_can_be_lent(const struct database *db)
{
	return db->backend->lend != NULL;
}

void database_lend(struct database *db)
{
	db->backend->lend(db);
}

bool database_take_back(struct database *db, char *error, size_t error_len)
{
	error[0] = '\0';
	return db->backend->take_back(db, error, error_len);
}

void database_close(struct database *db)
{
	if (db)
		db->backend->close(db);
}
