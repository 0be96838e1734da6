/*
 * A connection to PostgreSQL.  Statements are put together to a round: they go out at once, and
 * their results are waited for together.  Every wait has a deadline of ours, after which the
 * connection is closed: libpq would wait for a server that is stopped for as long as the server is.
 *
 * One thread at a time.
 */
#ifndef JOBLIGHT_STORE_POSTGRES_LINK_H
#define JOBLIGHT_STORE_POSTGRES_LINK_H

#include "base/postgres_dial.h"
#include "joblight/core/store.h"
#include "postgres_args.h"

#define PG_WAIT_MS 2000    /* until the next bytes of an answer */
#define PG_CONNECT_MS 2000 /* until there is a connection */

/*
 * A statement: PG_SQL(name, text) stands before the function that uses it.  The linker collects all
 * of them, so that each has a number.  A connection prepares a statement when it is first used.
 */
struct pg_sql {
	const char *text;
};
#define PG_SQL(name, sql_text)                                                                     \
	static const struct pg_sql name = { .text = sql_text };                                    \
	static const struct pg_sql *const name##_entry                                             \
	    __attribute__((section("postgres_sql"), used)) = &name

/* What became of the connection in the last round. */
enum pg_fate {
	PG_ALIVE,
	PG_LOST,   /* it was closed; the server has other ones, or will have */
	PG_SILENT, /* there was no answer in time */
	PG_WAITS,  /* the answers to it have not all come yet */
};

struct pg_reply {
	const struct pg_sql *sql; /* NULL: it prepares a statement */
	unsigned prepares;        /* its number */
	PGresult *result;
};

struct pg_round {
	struct pg_reply *replies;
	size_t count, cap;
};

/* Those under way, the one that has ended last, and the one that statements are added to. */
#define PG_ROUNDS (STORE_SENT_MAX + 2)
_Static_assert((PG_ROUNDS & (PG_ROUNDS - 1)) == 0, "numbers of rounds are reduced modulo it");

struct pg_link {
	struct pg_place *place;            /* borrowed */
	PGconn *conn;                      /* NULL: not connected */
	struct pg_dial *dial;              /* NULL, or the attempt that has not ended yet */
	uint64_t dial_until_ms;            /* for how long it is waited for */
	bool *prepared;                    /* by the number of the statement */
	bool pooled;                       /* between here and the server is a pooler */
	bool failed_to_send;               /* something of the round that statements are added to */
	struct pg_round rounds[PG_ROUNDS]; /* used in turns */
	size_t adding;                     /* the number of the one that statements are added to */
	size_t sent;                       /* so many before it are under way */
	size_t received;                   /* so many replies of the oldest of these have come */
	bool has_result;                   /* of the next one everything has come but its end */
	uint64_t until_ms;                 /* for how long the next one is waited for */
	int wake_fd;                       /* -1, or what ends a wait when it can be read */
	enum pg_fate fate;
	uint64_t wait_ms;            /* PG_WAIT_MS, unless somebody knows better */
	uint64_t connect_ms;         /* PG_CONNECT_MS, the same */
	uint64_t used_ms;            /* when the server last answered */
	uint64_t retry_ms, pause_ms; /* no new connection is tried before */
	char words[256];             /* of the last failure */
	enum store_result failure;   /* of the last attempt to connect */
};

void pg_link_init(struct pg_link *l, struct pg_place *place);
void pg_link_finish(struct pg_link *l);
void pg_link_drop(struct pg_link *l); /* closes it; another one may be made */

/* Sets up a new connection.  False: it is closed again. */
typedef bool pg_link_setup(void *context);

/*
 * Connects, if it is not connected, in at most PG_CONNECT_MS.  An attempt that takes longer goes
 * on, and the next call has its result.  After a failure it fails at once for a while, which
 * becomes longer; `insist`: it waits for the end of that while.
 */
enum store_result pg_link_connect(struct pg_link *l, bool insist, pg_link_setup *setup,
                                  void *context);

/* Adds a statement to the round.  Its number in the round, for pg_link_result(). */
size_t pg_link_add(struct pg_link *l, const struct pg_sql *sql, const struct pg_args *args);

/* The same with a parameter for each column of the rows; without rows it is not added.  Its number,
 * or SIZE_MAX. */
size_t pg_link_add_rows(struct pg_link *l, const struct pg_sql *sql, const struct pg_rows *rows);

/* The same for PG_PART_ROWS rows at a time, for statements whose results nobody looks at. */
void pg_link_add_parts(struct pg_link *l, const struct pg_sql *sql, const struct pg_rows *rows);

/*
 * Sends the round and waits for all results.  OK, or what the first failure means; after PG_LOST
 * and PG_SILENT the connection is closed.  l->words says what has failed.  A round that nothing was
 * added to is OK.
 */
enum store_result pg_link_run(struct pg_link *l);
/*
 * The same in two steps.  Up to STORE_SENT_MAX rounds are sent before the first of them has ended,
 * and pg_link_receive() has the results of the oldest; it waits for at most `wait_us`, or until
 * `wake_fd` can be read (-1: nothing), and false means that not all results have come yet.
 */
void pg_link_send(struct pg_link *l);
bool pg_link_receive(struct pg_link *l, uint64_t wait_us, int wake_fd, enum store_result *result);

/* A result of the round that has ended last; it stays the link's, until another one is sent. */
PGresult *pg_link_result(struct pg_link *l, size_t number);
/* The same; it becomes the caller's. */
PGresult *pg_link_take(struct pg_link *l, size_t number);

/* Runs statements without parameters and results. */
enum store_result pg_link_script(struct pg_link *l, const char *text);

#endif
