/*
 * The write-ahead log: copying it into the database, and the files that must stay where they are.
 */
#include <stdio.h>

#include "joblight/base/clock.h"
#include "joblight/base/log.h"
#include "sqlite.h"

#define CHECKPOINT_BYTES (8 << 20) /* growth of the WAL that is worth a checkpoint */
#define TRUNCATE_BYTES (64 << 20)  /* beyond it the WAL has to start again from its beginning */
#define TRUNCATE_AGAIN_MS 50       /* the first pause after a reader was in the way; each is twice the one before */
#define TRUNCATE_REST_MS 10000     /* the longest pause */
#define HELD_UP_MS 800             /* a pause as long as this is worth a line in the log */

/* ---- places ---- */

/*
 * SQLite makes both with the first connection and removes them with the last one, and the writer's is open
 * all the time.  A lost WAL takes with it what is not in the database yet.  Without the same shm another
 * program knows nothing of the server: it may start the WAL again and write over what the server wrote.
 */
static const char *const suffixes[SQLITE_BESIDE] = { "-wal", "-shm" };

int sqlite_note_places(struct sqlite_session *s, const char *path)
{
	for (int i = 0; i < SQLITE_BESIDE; i++)
		if (!file_place_note(&s->beside[i], file_place_beside(path, suffixes[i])))
			return SQLITE_CANTOPEN;
	return SQLITE_OK;
}

void sqlite_forget_places(struct sqlite_session *s)
{
	for (int i = 0; i < SQLITE_BESIDE; i++)
		file_place_forget(&s->beside[i]);
}

/* What a WAL without a name holds is copied into the database while it is still open. */
static void rescue(struct sqlite_session *s)
{
	int held = -1, copied = -1;

	if (!s->rescued &&
	    sqlite3_wal_checkpoint_v2(s->db, "main", SQLITE_CHECKPOINT_PASSIVE, &held, &copied) == SQLITE_OK)
		s->rescued = held == copied;
}

enum store_result sqlite_check_places(struct sqlite_session *s)
{
	const char *gone = NULL;

	if (!s->writer)
		return STORE_OK;
	bool database = file_place_holds(s->place);
	bool wal = file_place_holds(&s->beside[0]), shm = file_place_holds(&s->beside[1]);
	if (database && wal && shm) {
		s->rescued = false;
		return STORE_OK;
	}
	gone = !database ? "the database file" : !wal ? "the database's -wal file" : "the database's -shm file";
	if (database && !wal)
		rescue(s);
	snprintf(s->base.error, sizeof s->base.error, "%s was removed or replaced under the server", gone);
	return STORE_BROKEN;
}

/* ---- checkpoints ---- */

static int on_wal(void *context, sqlite3 *db, const char *schema, int pages)
{
	struct sqlite_session *s = context;

	(void)db;
	(void)schema;
	if (pages < s->checkpointed_pages) /* it started again from its beginning */
		s->checkpointed_pages = 0;
	s->wal_pages = pages;
	return SQLITE_OK;
}

void sqlite_watch_wal(struct sqlite_session *s)
{
	sqlite3_wal_hook(s->db, on_wal, s);
}

/* Nobody is waited for: who writes next would wait with us. */
static int checkpoint_now(struct sqlite_session *s, int mode)
{
	int code;

	sqlite3_busy_timeout(s->db, 0);
	code = sqlite3_wal_checkpoint_v2(s->db, "main", mode, NULL, NULL);
	sqlite3_busy_timeout(s->db, SQLITE_WRITER_WAIT_MS);
	s->checkpointed_pages = s->wal_pages; /* after a failure too: again when as much has been added */
	return code;
}

/* Our own readers are done in a moment, so it is only told when it goes on. */
static enum store_result held_up(struct sqlite_session *s, uint64_t now)
{
	uint64_t pause = s->truncate_pause_ms * 2;

	s->truncate_pause_ms = pause < TRUNCATE_AGAIN_MS ? TRUNCATE_AGAIN_MS
	                       : pause > TRUNCATE_REST_MS ? TRUNCATE_REST_MS : pause;
	s->truncate_due = now + s->truncate_pause_ms;
	if (s->truncate_pause_ms < HELD_UP_MS)
		return STORE_NONE;
	snprintf(s->base.error, sizeof s->base.error,
	         "another program has been reading it for a while; the log holds %lld MiB",
	         (long long)s->wal_pages * s->page_size >> 20);
	return STORE_BUSY;
}

static enum store_result truncate_log(struct sqlite_session *s, uint64_t now)
{
	int code = checkpoint_now(s, SQLITE_CHECKPOINT_TRUNCATE);

	if (code == SQLITE_BUSY)
		return held_up(s, now);
	if (code == SQLITE_OK)
		s->truncate_pause_ms = 0;
	return code == SQLITE_OK ? STORE_OK : sqlite_failed(s, code, "checkpoint");
}

enum store_result sqlite_checkpoint(struct store *base)
{
	struct sqlite_session *s = (struct sqlite_session *)base;
	bool large = s->wal_pages > TRUNCATE_BYTES / s->page_size;
	uint64_t now = clock_monotonic_ms();
	int code;

	assert(s->writer && !s->open);
	if (sqlite_check_places(s) != STORE_OK)
		return STORE_NONE; /* who begins a transaction is told */
	if (s->truncate_pause_ms && !large) { /* it has begun again from its beginning */
		s->truncate_pause_ms = 0;
		return STORE_OK;
	}
	if (large && s->truncate_pause_ms && now >= s->truncate_due)
		return truncate_log(s, now);
	if (s->wal_pages - s->checkpointed_pages < CHECKPOINT_BYTES / s->page_size)
		return STORE_NONE;
	if (large && !s->truncate_pause_ms)
		return truncate_log(s, now);
	code = checkpoint_now(s, SQLITE_CHECKPOINT_PASSIVE);
	if (code == SQLITE_OK || code == SQLITE_BUSY)
		return large ? STORE_NONE : STORE_OK;
	return sqlite_failed(s, code, "checkpoint");
}

/*
 * Closing the last connection copies and removes the WAL.  One that another program put there is not ours to
 * remove, and without the shm another program may have written over what ours says is in it.
 */
void sqlite_last_checkpoint(struct sqlite_session *s)
{
	bool wal = file_place_holds(&s->beside[0]), shm = file_place_holds(&s->beside[1]);
	int code = SQLITE_OK;

	if (!wal || !shm)
		sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (!wal || shm)
		code = sqlite3_wal_checkpoint_v2(s->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	if (code != SQLITE_OK) /* nothing is lost: the next start reads the WAL */
		log_warn("the last checkpoint failed", "error", sqlite3_errmsg(s->db));
}
