#include "db_open.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "joblight/base/log.h"

int db_fail(const char *what, const char *why)
{
	fprintf(stderr, "joblight: %s: %s\n", what, why);
	return 1;
}

int db_flush(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	if (errno != EPIPE)
		perror("joblight: standard output");
	return 1;
}

const char *db_shown(const struct config *c)
{
	static char shown[DATABASE_SHOWN_MAX];

	database_show(c->db, shown, sizeof(shown));
	return shown;
}

/* A database that is missing is not made by a verb that works on one.  What a server would log for
 * information is none for somebody who has typed a command. */
static bool exists(const char *path)
{
	log_set_level(LOG_LEVEL_WARN);
	if (strcmp(path, ":memory:") == 0) {
		db_fail("--db", "it takes a file");
		return false;
	}
	if (database_is_remote(path) || access(path, F_OK) == 0)
		return true;
	db_fail(path, strerror(errno));
	return false;
}

void db_peek_end(struct store *s)
{
	s->ops->rollback(s);
	s->ops->close(s);
}

struct store *db_peek_at(const char *location)
{
	char error[512] = "", shown[DATABASE_SHOWN_MAX];
	struct store *s = exists(location) ? database_peek(location, error, sizeof(error)) : NULL;

	if (error[0])
		fprintf(stderr, "joblight: %s\n", error);
	if (!s)
		return NULL;
	if (s->ops->begin(s) == STORE_OK)
		return s;
	database_show(location, shown, sizeof(shown));
	db_fail(shown, store_error(s));
	s->ops->close(s);
	return NULL;
}

struct store *db_peek(const struct config *c)
{
	return db_peek_at(c->db);
}

struct database *db_open_at(const char *location)
{
	char error[512] = "";
	struct database *db = database_open(location, DURABILITY_FULL, error, sizeof(error));

	if (error[0])
		fprintf(stderr, "joblight: %s\n", error);
	return db;
}

struct database *db_open_copy(const char *location)
{
	char error[512] = "";
	struct database *db = database_open_copy(location, DURABILITY_FULL, error, sizeof(error));

	if (error[0])
		fprintf(stderr, "joblight: %s\n", error);
	return db;
}

struct database *db_open(const struct config *c)
{
	return exists(c->db) ? db_open_at(c->db) : NULL;
}

bool db_is_file(const struct config *c, const char *instead)
{
	if (database_is_remote(c->db))
		db_fail(db_shown(c), instead);
	return !database_is_remote(c->db);
}

struct database *db_open_file(const struct config *c, const char *instead)
{
	return db_is_file(c, instead) ? db_open(c) : NULL;
}
