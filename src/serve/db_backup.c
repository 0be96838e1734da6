/* `joblight db check` and `joblight db backup`, which checks what it has copied. */
#include <inttypes.h>

#include "db.h"
#include "db_open.h"
#include "joblight/core/job_check.h"

#define FAULTS_MAX 100 /* more are counted, and not printed */

static bool print_fault(void *context, const char *words)
{
	unsigned *faults = context;

	if (++*faults <= FAULTS_MAX)
		fprintf(stderr, "joblight: %s\n", words);
	return *faults < FAULTS_MAX;
}

static void print_job_fault(void *context, const char *job_id, const char *words)
{
	unsigned *faults = context;

	if (++*faults <= FAULTS_MAX)
		fprintf(stderr, "joblight: job %s: %s\n", job_id, words);
}

/* Within a transaction of the session.  True: it was checked, and it has no faults. */
static bool check(struct store *s, const char *name, struct job_check *counts)
{
	char error[128];
	unsigned faults = 0;
	struct database *scratch = database_open(":memory:", DURABILITY_PROCESS, error,
	                                         sizeof(error));
	enum store_result r = database_check_file(s, print_fault, &faults);

	if (r == STORE_OK)
		r = job_check_all(s, database_writer(scratch), print_job_fault, &faults, counts);
	database_close(scratch);
	if (r != STORE_OK)
		db_fail(name, store_error(s));
	if (faults > FAULTS_MAX)
		fprintf(stderr, "joblight: and %u more\n", faults - FAULTS_MAX);
	return r == STORE_OK && !faults;
}

static void print_counts(const char *name, const struct job_check *n)
{
	printf("%s: no faults; %" PRIu64 " jobs, %" PRIu64
	       " of them compared with their whole log, "
	       "%" PRIu64 " events\n",
	       name, n->jobs, n->folded, n->events);
}

int db_check(const struct config *c)
{
	struct job_check counts;
	struct store *s = db_peek(c);

	if (!s)
		return 1;
	bool ok = check(s, db_shown(c), &counts);
	db_peek_end(s);
	if (!ok)
		return db_fail(db_shown(c), "it has faults; restore a backup");
	print_counts(db_shown(c), &counts);
	return db_flush(0);
}

static bool check_copy(void *context, struct store *copy)
{
	if (copy->ops->begin(copy) != STORE_OK)
		return false;
	bool ok = check(copy, "the copy", context);
	copy->ops->rollback(copy);
	return ok;
}

int db_backup(const struct config *c, const char *file)
{
	struct job_check counts;
	char error[512];
	struct store *s = db_is_file(c, "make a backup of it with pg_dump")
	                      ? db_peek(c) /* says what is wrong with --db */
	                      : NULL;

	if (!s)
		return 1;
	db_peek_end(s);
	if (!database_backup(c->db, file, check_copy, &counts, error, sizeof(error))) {
		fprintf(stderr, "joblight: %s\n", error);
		return 1;
	}
	print_counts(file, &counts);
	return db_flush(0);
}
