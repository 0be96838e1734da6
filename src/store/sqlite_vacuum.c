/* Rewriting the whole database, at once or in a thread of its own. */
#include <errno.h>
#include <libgen.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "database.h"
#include "joblight/base/xalloc.h"
#include "joblight/store/upkeep.h"
#include "sqlite.h"

#define FRAME_HEAD 24 /* bytes of the -wal file for each page, besides the page */
/* So much of a -wal file is left to the next start, because copying it would take a stop too long.
 */
#define LEFT_BYTES (256 << 20)

/* The new database is a temporary file before it is copied over the old one. */
static const char sql_rewrite[] = "PRAGMA temp_store=FILE; PRAGMA auto_vacuum=INCREMENTAL; VACUUM";

/* /tmp may be small, or memory. */
static void place_temporary_file(const char *path)
{
	char *copy = xstrdup(path);

	if (!sqlite3_temp_directory)
		sqlite3_temp_directory = sqlite3_mprintf("%s", dirname(copy));
	free(copy);
}

bool database_vacuum(struct database *db, char *error, size_t error_len)
{
	struct sqlite_session *s = (struct sqlite_session *)db->writer;

	if (strcmp(s->base.ops->name, "sqlite") != 0) {
		snprintf(error, error_len, "there is no file to make smaller");
		return false;
	}
	errno = 0;
	place_temporary_file(s->place->path);
	int code = sqlite3_exec(s->db, sql_rewrite, NULL, NULL, NULL);
	if (code != SQLITE_OK)
		snprintf(error, error_len, "%s", sqlite_words_for(s->db, code));
	sqlite3_exec(s->db, "PRAGMA temp_store=MEMORY", NULL, NULL, NULL);
	return code == SQLITE_OK;
}

/* ---- in a thread ---- */

struct rewriting {
	sqlite3 *db; /* a connection of its own, which copies nothing from the -wal file */
	pthread_t thread;
	atomic_bool done;
	int code, cause;    /* SQLite's code, and errno */
	int frames, copied; /* of the -wal file, after the rewriting */
};

static void *rewrite(void *context)
{
	struct rewriting *x = context;

	errno = 0;
	x->code = sqlite3_exec(x->db, sql_rewrite, NULL, NULL, NULL);
	x->cause = errno;
	/* The whole database is in the -wal file now.  Nobody writes, so nobody can restart it. */
	if (x->code == SQLITE_OK)
		sqlite3_wal_checkpoint_v2(x->db, "main", SQLITE_CHECKPOINT_PASSIVE, &x->frames,
		                          &x->copied);
	atomic_store(&x->done, true);
	return NULL;
}

static int open_connection(struct rewriting *x, const char *path)
{
	int code = sqlite3_open_v2(path, &x->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

	if (code != SQLITE_OK)
		return code;
	sqlite3_extended_result_codes(x->db, 1);
	sqlite3_busy_timeout(x->db, SQLITE_WRITER_WAIT_MS);
	sqlite3_db_config(x->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	return sqlite3_exec(x->db, "PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=FULL", NULL,
	                    NULL, NULL);
}

static enum store_result begin(struct sqlite_session *s)
{
	struct rewriting *x = xcalloc(1, sizeof *x);
	int code;

	place_temporary_file(s->place->path);
	errno = 0;
	code = open_connection(x, s->place->path);
	if (code == SQLITE_OK && pthread_create(&x->thread, NULL, rewrite, x) == 0) {
		pthread_setname_np(x->thread, "rewrite");
		s->rewriting = x;
		return STORE_BUSY;
	}
	enum store_result r = sqlite_failed(s, code == SQLITE_OK ? SQLITE_NOMEM : code,
	                                    "rewriting");
	sqlite3_close(x->db);
	free(x);
	return r;
}

/*
 * The hook of the writer's connection does not see what another one has written.  A copy that was
 * interrupted does not say how much there is.
 */
static void note_wal(struct sqlite_session *s, const struct rewriting *x)
{
	struct stat wal;

	s->wal_pages = x->frames;
	s->copied_pages = x->copied < 0 ? 0 : x->copied;
	s->checkpointed_pages = 0;
	if (x->frames < 0 && stat(s->side_files[0].path, &wal) == 0)
		s->wal_pages = (int)(wal.st_size / (s->page_size + FRAME_HEAD));
}

static enum store_result end(struct sqlite_session *s)
{
	struct rewriting *x = s->rewriting;
	enum store_result r = STORE_OK;

	pthread_join(x->thread, NULL);
	errno = x->cause;
	if (x->code != SQLITE_OK)
		r = sqlite_failed(s, x->code, "rewriting");
	else
		note_wal(s, x);
	sqlite3_close(x->db);
	free(x);
	s->rewriting = NULL;
	return r == STORE_BUSY ? STORE_FULL : r; /* BUSY would mean that it goes on */
}

/* No copy of the -wal file runs meanwhile, because this may restart it. */
enum store_result sqlite_rewrite(struct store *base)
{
	struct sqlite_session *s = (struct sqlite_session *)base;

	assert(s->writer && !s->open);
	if (!s->rewriting && s->copy.running && !wal_copy_is_done(&s->copy))
		return STORE_BUSY;
	if (!s->rewriting)
		return begin(s);
	return atomic_load(&s->rewriting->done) ? end(s) : STORE_BUSY;
}

void sqlite_rewrite_give_up(struct sqlite_session *s)
{
	if (!s->rewriting)
		return;
	sqlite3_interrupt(s->rewriting->db);
	end(s);
	s->leaves_wal = s->wal_pages - s->copied_pages > LEFT_BYTES / s->page_size;
}
