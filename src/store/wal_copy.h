/*
 * Copying a large write-ahead log into its database on a thread of its own, so that no write waits
 * for it.
 *
 * The writer alone checkpoints otherwise, because before 3.51 SQLite could lose pages when one
 * connection checkpointed while another started the WAL again from its beginning.  Here that cannot
 * happen: a read transaction that is older than the copying and ends after it keeps the WAL from
 * being started again.
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
	sqlite3 *pin; /* its transaction keeps the WAL as it is; of the writer's thread */
	sqlite3 *db;  /* of the copying thread */
	atomic_bool done;
	int code, cause;    /* SQLite's code, and errno with it */
	int frames, copied; /* that the WAL held when the copying began; how many are in the
	                       database at its end */
};

/*
 * Begins to copy a WAL of so many frames, not all of which may be in the database already.  False
 * when it cannot be done now.  The thread that writes calls this and all below, between
 * transactions.
 */
bool wal_copy_begin(struct wal_copy *c, const char *path, int frames);
/* Whether it is done; then code, cause and copied are set. */
bool wal_copy_is_done(struct wal_copy *c);
/* Waits for it.  `hurry`: it is broken off; nothing is lost by that. */
void wal_copy_end(struct wal_copy *c, bool hurry);

#endif
