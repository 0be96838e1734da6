/*
 * A copy of the database while its server writes.  The source is read within one transaction, so
 * the copy is of one moment and does not begin again when something is written; the write-ahead log
 * of the server grows meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "joblight/base/xalloc.h"
#include "joblight/store/upkeep.h"
#include "sqlite.h"

#define STEP_PAGES 1024
#define FILE_MODE 0640 /* owner and group only */

struct copy {
	const char *location, *file;
	char *part; /* the file while it is not complete */
	int fd;     /* of the part; it holds its lock */
	char *error;
	size_t error_len;
};

static bool fail(struct copy *c, const char *what, const char *name, const char *why)
{
	if (!c->error[0])
		snprintf(c->error, c->error_len, "%s %s: %s", what, name, why);
	return false;
}

/* ---- the files ---- */

static bool is_free(struct copy *c)
{
	struct stat there;

	if (lstat(c->file, &there) == 0)
		return fail(c, "cannot write", c->file,
		            "there is a file of this name; name another one, or remove it");
	return true;
}

/* A part that a crash has left is used again. */
static bool open_part(struct copy *c)
{
	c->part = path_with_suffix(c->file, ".part");
	c->fd = open(c->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	if (c->fd < 0)
		return fail(c, "cannot write", c->part, strerror(errno));
	if (flock(c->fd, LOCK_EX | LOCK_NB) != 0)
		return fail(c, "cannot write", c->part, "another backup is writing it");
	if (ftruncate(c->fd, 0) != 0)
		return fail(c, "cannot write", c->part, strerror(errno));
	return true;
}

static bool sync_directory(struct copy *c)
{
	char *copy = xstrdup(c->file);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	free(copy);
	return ok || fail(c, "cannot sync the directory of", c->file, strerror(errno));
}

/* link() does not replace a file, which rename() would. */
static bool name_it(struct copy *c)
{
	if (fsync(c->fd) != 0)
		return fail(c, "cannot write", c->part, strerror(errno));
	if (link(c->part, c->file) != 0 && errno == EEXIST)
		return is_free(c);
	if (access(c->file, F_OK) != 0 && rename(c->part, c->file) != 0) /* without links */
		return fail(c, "cannot name", c->file, strerror(errno));
	unlink(c->part);
	return sync_directory(c);
}

/* ---- the pages ---- */

static bool sqlite_fault(struct copy *c, sqlite3 *db, int code)
{
	return fail(c, "cannot copy to", c->file, sqlite_words_for(db, code));
}

/* The first read takes the snapshot, which lasts until the connection is closed. */
static int open_source(const char *location, sqlite3 **db)
{
	int code = sqlite3_open_v2(location, db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);

	if (code != SQLITE_OK)
		return code;
	sqlite3_extended_result_codes(*db, 1);
	sqlite3_busy_timeout(*db, SQLITE_WRITER_WAIT_MS);
	sqlite3_db_config(*db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	return sqlite3_exec(*db, "BEGIN; SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
}

static int copy_pages(sqlite3 *from, sqlite3 *to)
{
	sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
	int code = backup ? SQLITE_OK : sqlite3_extended_errcode(to);

	while (backup && (code = sqlite3_backup_step(backup, STEP_PAGES)) == SQLITE_OK)
		;
	if (backup) /* its code is that of the step, if that failed */
		sqlite3_backup_finish(backup);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* The copy has no -wal file: it is one file. */
static int copy_database(sqlite3 *from, sqlite3 *to)
{
	int code = sqlite3_exec(to, "PRAGMA synchronous=OFF; PRAGMA journal_mode=OFF", NULL, NULL,
	                        NULL);

	if (code == SQLITE_OK)
		code = copy_pages(from, to);
	return code == SQLITE_OK ? sqlite3_exec(to, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL)
	                         : code;
}

static bool write_part(struct copy *c)
{
	sqlite3 *from = NULL, *to = NULL;
	bool ok;
	int code = open_source(c->location, &from);

	errno = 0;
	if (code != SQLITE_OK) {
		ok = fail(c, "cannot read", c->location, sqlite_words_for(from, code));
		sqlite3_close(from);
		return ok;
	}
	code = sqlite3_open_v2(c->part, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (code == SQLITE_OK)
		code = copy_database(from, to);
	ok = code == SQLITE_OK || sqlite_fault(c, to, code);
	sqlite3_close(to);
	sqlite3_close(from);
	return ok;
}

static bool check_part(struct copy *c, database_check *check, void *context)
{
	struct store *s = sqlite_peek(c->part, c->error, c->error_len);

	if (!s)
		return false;
	bool ok = check(context, s);
	s->ops->close(s);
	return ok || fail(c, "did not keep", c->file, "the copy has faults");
}

/* What SQLite may have made next to the part. */
static void remove_part(const struct copy *c)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };

	for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
		char *name = path_with_suffix(c->part, suffixes[i]);
		unlink(name);
		free(name);
	}
}

bool database_backup(const char *location, const char *file, database_check *check, void *context,
                     char *error, size_t error_len)
{
	struct copy c = { location, file, NULL, -1, error, error_len };
	struct store *s;
	bool began, ok;

	error[0] = '\0';
	s = sqlite_peek(location, error, error_len); /* it is a database of ours */
	if (!s)
		return false;
	s->ops->close(s);
	began = is_free(&c) && open_part(&c);
	ok = began && write_part(&c) && check_part(&c, check, context) && name_it(&c);
	if (began && !ok)
		remove_part(&c);
	if (c.fd >= 0)
		close(c.fd);
	free(c.part);
	return ok;
}
