#include "wal_copy.h"

#include <errno.h>

static void *copy(void *context)
{
	struct wal_copy *c = context;

	errno = 0;
	c->code = sqlite3_wal_checkpoint_v2(c->db, "main", SQLITE_CHECKPOINT_PASSIVE, NULL,
	                                    &c->copied);
	c->cause = errno;
	atomic_store(&c->done, true);
	return NULL;
}

static void close_both(struct wal_copy *c)
{
	sqlite3_close(c->pin);
	sqlite3_close(c->db);
	c->pin = c->db = NULL;
}

/* The first read of a connection opens the WAL; within a transaction it also takes the snapshot. */
static int open_one(sqlite3 **db, const char *path, int mode, const char *read)
{
	int code = sqlite3_open_v2(path, db, SQLITE_OPEN_NOMUTEX | mode, NULL);

	return code == SQLITE_OK ? sqlite3_exec(*db, read, NULL, NULL, NULL) : code;
}

static int open_both(struct wal_copy *c, const char *path)
{
	int code = open_one(&c->pin, path, SQLITE_OPEN_READONLY,
	                    "BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1");

	if (code != SQLITE_OK)
		return code;
	return open_one(&c->db, path, SQLITE_OPEN_READWRITE, "SELECT 1 FROM sqlite_schema LIMIT 1");
}

bool wal_copy_begin(struct wal_copy *c, const char *path, int frames)
{
	*c = (struct wal_copy){ .running = true, .frames = frames };
	if (open_both(c, path) == SQLITE_OK && pthread_create(&c->thread, NULL, copy, c) == 0) {
		pthread_setname_np(c->thread, "wal copy");
		return true;
	}
	close_both(c);
	c->running = false;
	return false;
}

bool wal_copy_is_done(struct wal_copy *c)
{
	return atomic_load(&c->done);
}

void wal_copy_end(struct wal_copy *c, bool hurry)
{
	if (!c->running)
		return;
	if (hurry)
		sqlite3_interrupt(c->db);
	pthread_join(c->thread, NULL);
	close_both(c);
	c->running = false;
}
