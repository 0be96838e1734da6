/*
 * Copies a large write-ahead log into its database in a thread of its own, so that no write waits
 * for it.
 *
 * Otherwise only the writer checkpoints, because before 3.51 SQLite could lose pages when one
 * connection checkpointed while another restarted the WAL.  Here that cannot happen: a read
 * transaction that begins before the copying and ends after it prevents a restart of the WAL.
 */
#ifndef JOBLIGHT_STORE_WAL_COPY_H
#define JOBLIGHT_STORE_WAL_COPY_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>

struct wal_copy {
	bool running; /* begun and not yet ended */
	pthread_t thread;
	sqlite3
	    *pin; /* its transaction prevents a restart of the WAL; used by the writer's thread */
	sqlite3 *db; /* used by the copying thread */
	atomic_bool done;
	int code, cause;    /* SQLite's code, and errno at that time */
	int frames, copied; /* pages in the WAL when the copying began; how many are in the database
	                       at its end */
};

/*
 * Begins to copy a WAL of `frames` frames, some of which may already be in the database.  False
 * when it cannot be done now.  The thread that writes calls this and all below, between
 * transactions.
 */
bool wal_copy_begin(struct wal_copy *c, const char *path, int frames);
/* Whether it is done; if so, code, cause and copied are set. */
bool wal_copy_is_done(struct wal_copy *c);
/* Waits for it.  `hurry`: interrupts it, which loses nothing. */
void wal_copy_end(struct wal_copy *c, bool hurry);

#endif
