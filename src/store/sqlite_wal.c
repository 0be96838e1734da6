/* The write-ahead log: it is copied into the database, and the files must stay where they are. */
#include <errno.h>
#include <stdio.h>

#include "joblight/base/clock.h"
#include "joblight/base/log.h"
#include "joblight/core/metric.h"
#include "sqlite.h"
#include "wal_rescue.h"

#define CHECKPOINT_BYTES (8 << 20) /* growth of the WAL that is worth a checkpoint */
#define COPY_BYTES                                                                                 \
	(16 << 20) /* this much is copied by a separate thread, and no write waits for it */
/* After so many copies in a row during which as much was written, the writer waits. */
#define COPIES_MAX 4
#define TRUNCATE_BYTES                                                                             \
	(64 << 20) /* above this size the WAL must be restarted from its beginning                 \
	            */
#define PLACES_MS                                                                                  \
	20 /* a check of the files' places is valid this long; for each commit it would cost three \
	      stat(2) */
#define TRUNCATE_AGAIN_MS                                                                          \
	50 /* the first pause after a reader was in the way; each next one is twice as long */
#define TRUNCATE_REST_MS 10000 /* the longest pause */
#define HELD_UP_MS 800         /* a pause of this length is logged */

/* ---- places ---- */

/*
 * SQLite creates both with the first connection and removes them with the last one; the connection
 * of the writer is open all the time.  If the WAL is lost, so is what is not in the database yet.
 * Without the same shm, another program does not know that the server is there: it may restart the
 * WAL and overwrite what the server wrote.
 */
static const char *const suffixes[SQLITE_SIDE_FILES] = { "-wal", "-shm" };

int sqlite_note_places(struct sqlite_session *s, const char *path)
{
	for (int i = 0; i < SQLITE_SIDE_FILES; i++)
		if (!file_place_note(&s->side_files[i], path_with_suffix(path, suffixes[i])))
			return SQLITE_CANTOPEN;
	return SQLITE_OK;
}

void sqlite_forget_places(struct sqlite_session *s)
{
	for (int i = 0; i < SQLITE_SIDE_FILES; i++)
		file_place_forget(&s->side_files[i]);
}

/*
 * Gives the content of a removed WAL a file again.  If another program put a file there, or the
 * disk is full, the content is copied into the database, as far as readers allow.
 */
static void rescue(struct sqlite_session *s)
{
	int held = -1, copied = -1;

	if (s->rescued)
		return;
	if (wal_rescue(s->db, s->side_files[0].path))
		s->rescued = true;
	else if (sqlite3_wal_checkpoint_v2(s->db, "main", SQLITE_CHECKPOINT_PASSIVE, &held,
	                                   &copied) == SQLITE_OK)
		s->rescued = held == copied;
}

static enum store_result check_places(struct sqlite_session *s)
{
	const char *gone = NULL;

	if (!s->writer)
		return STORE_OK;
	bool database = file_place_holds(s->place);
	bool wal = file_place_holds(&s->side_files[0]), shm = file_place_holds(&s->side_files[1]);
	if (database && wal && shm) {
		s->rescued = false;
		s->places_checked = clock_monotonic_ms();
		return STORE_OK;
	}
	gone = !database ? "the database file"
	       : !wal    ? "the database's -wal file"
	                 : "the database's -shm file";
	if (database && !wal)
		rescue(s);
	snprintf(s->base.error, sizeof s->base.error, "%s was removed or replaced under the server",
	         gone);
	return STORE_BROKEN;
}

enum store_result sqlite_check_places_sometimes(struct sqlite_session *s)
{
	if (!s->writer || clock_monotonic_ms() - s->places_checked < PLACES_MS)
		return STORE_OK;
	return check_places(s);
}

/* ---- checkpoints ---- */

static void set_pages(struct sqlite_session *s, int pages)
{
	s->wal_pages = pages;
	metric_set(METRIC_WAL, (uint64_t)pages * (uint64_t)s->page_size);
}

static int on_wal(void *context, sqlite3 *db, const char *schema, int pages)
{
	struct sqlite_session *s = context;

	(void)db;
	(void)schema;
	if (pages < s->wal_pages) { /* it was restarted from its beginning */
		s->checkpointed_pages = s->copied_pages = 0;
		s->restarted = true;
	}
	set_pages(s, pages);
	return SQLITE_OK;
}

void sqlite_watch_wal(struct sqlite_session *s)
{
	sqlite3_wal_hook(s->db, on_wal, s);
}

/* Waits for no other session: the next writer would wait too. */
static int checkpoint_now(struct sqlite_session *s, int mode)
{
	int code, frames, copied;

	sqlite3_busy_timeout(s->db, 0);
	errno = 0;
	code = sqlite3_wal_checkpoint_v2(s->db, "main", mode, &frames, &copied);
	sqlite3_busy_timeout(s->db, SQLITE_WRITER_WAIT_MS);
	if (code == SQLITE_OK && mode == SQLITE_CHECKPOINT_TRUNCATE) {
		set_pages(s, 0);
		s->copied_pages = 0;
	} else if (copied > s->copied_pages)
		s->copied_pages = copied;
	s->checkpointed_pages = s->wal_pages; /* also after a failure: the next checkpoint is due
	                                         when as much was added */
	return code;
}

static void pause_longer(struct sqlite_session *s, uint64_t now)
{
	uint64_t pause = s->truncate_pause_ms * 2;

	if (!pause)
		s->restarted = false;
	s->truncate_pause_ms = pause < TRUNCATE_AGAIN_MS  ? TRUNCATE_AGAIN_MS
	                       : pause > TRUNCATE_REST_MS ? TRUNCATE_REST_MS
	                                                  : pause;
	s->truncate_due = now + s->truncate_pause_ms;
}

/* The server's own readers finish soon, so this is reported only when it lasts. */
static enum store_result held_up(struct sqlite_session *s, uint64_t now)
{
	pause_longer(s, now);
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
	if (code == SQLITE_OK) {
		s->truncate_pause_ms = 0;
		s->copies = 0;
		return STORE_OK;
	}
	enum store_result r = sqlite_failed(s, code, "checkpoint");
	pause_longer(s, now);
	return r;
}

/*
 * Takes the result of the copying thread.  STORE_OK: all that was there when it began is in the
 * database.
 */
static enum store_result take_copy(struct sqlite_session *s, uint64_t now)
{
	struct wal_copy *c = &s->copy;

	wal_copy_end(c, false);
	if (c->copied > s->copied_pages)
		s->copied_pages = c->copied;
	if (c->code == SQLITE_OK && c->copied >= c->frames) {
		s->copies++;
		return STORE_OK;
	}
	if (c->code == SQLITE_OK || c->code == SQLITE_BUSY)
		return s->truncate_pause_ms && now < s->truncate_due ? STORE_NONE : held_up(s, now);
	errno = c->cause;
	enum store_result r = sqlite_failed(s, c->code, "checkpoint");
	pause_longer(s, now);
	return r;
}

/* Starts a copying thread when there is much to copy.  False: the writer can copy by itself. */
static bool copy_aside(struct sqlite_session *s)
{
	if (s->wal_pages - s->copied_pages < COPY_BYTES / s->page_size || s->copies >= COPIES_MAX ||
	    !wal_copy_begin(&s->copy, s->place->path, s->wal_pages))
		return false;
	s->checkpointed_pages = s->wal_pages;
	return true;
}

enum store_result sqlite_checkpoint(struct store *base)
{
	struct sqlite_session *s = (struct sqlite_session *)base;
	bool large = s->wal_pages > TRUNCATE_BYTES / s->page_size;
	bool grown = s->wal_pages - s->checkpointed_pages >= CHECKPOINT_BYTES / s->page_size;
	uint64_t now = clock_monotonic_ms();
	enum store_result r;
	int code;

	assert(s->writer && !s->open);
	if (s->copy.running && !wal_copy_is_done(&s->copy))
		return STORE_NONE;
	if (s->copy.running) {
		r = take_copy(s, now);
		if (r != STORE_OK)
			return r;
		grown = true; /* for what was written since, and to restart the WAL */
	}
	if (s->truncate_pause_ms && !large && s->restarted) {
		s->truncate_pause_ms = 0;
		s->copies = 0;
		return STORE_OK;
	}
	bool due = s->truncate_pause_ms ? now >= s->truncate_due : grown;
	bool truncate = large && due;
	if (!due && !grown)
		return STORE_NONE;
	if (check_places(s) != STORE_OK) /* the next begin() reports it */
		return STORE_NONE;
	if (copy_aside(s))
		return STORE_NONE;
	if (truncate)
		return truncate_log(s, now);
	code = checkpoint_now(s, SQLITE_CHECKPOINT_PASSIVE);
	if (code == SQLITE_OK && !large)
		s->truncate_pause_ms = 0;
	if (code == SQLITE_OK || code == SQLITE_BUSY)
		return large ? STORE_NONE : STORE_OK;
	return sqlite_failed(s, code, "checkpoint");
}

void sqlite_leave_log(struct sqlite_session *s)
{
	wal_copy_end(&s->copy, true);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

/*
 * Closing the last connection copies and removes the WAL.  A WAL that another program put there
 * must not be removed, and without the shm another program may have overwritten what the WAL says
 * is in it.  Of a WAL that was removed nothing is left to copy once it was rescued.
 */
void sqlite_last_checkpoint(struct sqlite_session *s)
{
	bool wal = file_place_holds(&s->side_files[0]), shm = file_place_holds(&s->side_files[1]);
	int code = SQLITE_OK;

	wal_copy_end(&s->copy, true);
	if (!wal || !shm || s->leaves_wal)
		sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (!s->leaves_wal && (wal ? shm : !s->rescued))
		code = sqlite3_wal_checkpoint_v2(s->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL,
		                                 NULL);
	if (code != SQLITE_OK) /* nothing is lost: the next start reads the WAL */
		log_warn("the last checkpoint failed", "error", sqlite3_errmsg(s->db));
}
