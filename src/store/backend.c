#include "joblight/store/backend.h"

#include <assert.h>

#include "database.h"
#include "joblight/base/log.h"

/* The last one accepts every location. */
static const struct backend *const backends[] = { &memory_backend, &sqlite_backend };

struct database *database_open(const char *location, enum durability durability, char *error,
                               size_t error_len)
{
	const struct backend *const *backend = backends;

	assert(error_len > 0);
	error[0] = '\0';
	while (!(*backend)->takes(location)) {
		backend++;
		assert(backend < backends + sizeof(backends) / sizeof(backends[0]));
	}
	return (*backend)->open(location, durability, error, error_len);
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

void database_close(struct database *db)
{
	if (db)
		db->backend->close(db);
}
