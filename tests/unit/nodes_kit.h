/*
 * What the tests of several nodes on one database share: more nodes with the database of the bench,
 * ten jobs, and events in them.
 */
#ifndef JOBLIGHT_TESTS_NODES_KIT_H
#define JOBLIGHT_TESTS_NODES_KIT_H

#include <pthread.h>

#include "store_kit.h"

#define NODES 3
#define JOBS 10

/* More nodes with the same database as the bench. */
struct node {
	struct database *db;
	struct store *store;
	const struct bench *bench;
	unsigned seed, conflicts, stale;
	pthread_t thread;
};

static inline void node_open(struct node *n, const struct bench *b, unsigned seed)
{
	*n = (struct node){ .db = open_or_fail(b->location), .bench = b, .seed = seed };
	n->store = database_writer(n->db);
}

/* What psql prints for a statement in the schema of the bench. */
static inline void ask_server(const struct bench *b, const char *sql, char *out, size_t size)
{
	char command[1024];
	FILE *psql;

	snprintf(command, sizeof command, "psql -X -q -A -t -d '%s' -c \"%s\"", b->location, sql);
	psql = popen(command, "r");
	assert_non_null(psql);
	out[0] = '\0';
	if (!fgets(out, (int)size, psql))
		out[0] = '\0';
	assert_int_equal(pclose(psql), 0);
	out[strcspn(out, "\n")] = '\0';
}

/* Ends the connections of all that write. */
static inline void end_connections(const struct bench *b)
{
	char ended[16];

	ask_server(b,
	           "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_locks WHERE locktype = "
	           "'advisory' AND classid = 1785489013 AND objid::int8 = (SELECT oid::int8 & "
	           "2147483647 FROM pg_namespace WHERE nspname = current_schema())",
	           ended, sizeof ended);
}

static inline enum store_result expect_jobs(struct store *s, const char *const *ids, size_t count)
{
	struct expected_job jobs[JOBS];
	struct expected rows = { .jobs = jobs, .job_count = count };

	for (size_t i = 0; i < count; i++)
		jobs[i] = (struct expected_job){ ids[i], false };
	return s->ops->expect(s, &rows);
}

static inline enum store_result add_event(struct store *s, const char *id)
{
	struct job_row row = { 0 };
	enum store_result r = s->ops->job_get(s, id, &row);

	if (r != STORE_OK)
		return r;
	row.seq++;
	struct event_row event = an_event(row.seq);
	r = s->ops->event_add(s, row.key, &event);
	if (r == STORE_OK)
		r = s->ops->job_put(s, &row);
	job_row_finish(&row);
	return r;
}

static inline enum store_result add_events(struct store *s, const char *const *ids, size_t count)
{
	enum store_result r = s->ops->begin(s);

	if (r == STORE_OK)
		r = expect_jobs(s, ids, count);
	for (size_t i = 0; i < count && r == STORE_OK; i++)
		r = add_event(s, ids[i]);
	if (r == STORE_OK)
		r = s->ops->commit(s);
	if (r != STORE_OK)
		s->ops->rollback(s);
	return r;
}

static inline bool count_event(void *context, const struct event_row *row)
{
	uint64_t *seq = context;

	return ++*seq == row->seq;
}

static const char *const names[JOBS] = {
	"j0", "j1", "j2", "j3", "j4", "j5", "j6", "j7", "j8", "j9"
};

static inline void make_jobs(struct store *w)
{
	OK(w->ops->begin(w));
	for (int i = 0; i < JOBS; i++) {
		struct job_row row = a_job(names[i]);
		OK(w->ops->job_put(w, &row));
	}
	OK(w->ops->commit(w));
}

static inline uint64_t events_of_all(struct store *s)
{
	uint64_t all = 0;

	OK(s->ops->begin(s));
	for (int i = 0; i < JOBS; i++) {
		struct job_row row = { 0 };
		uint64_t seq = 0;
		OK(s->ops->job_get(s, names[i], &row));
		OK(s->ops->events(s, row.key, 0, false, SIZE_MAX, count_event, &seq));
		assert_true(seq == row.seq);
		all += seq;
		job_row_finish(&row);
	}
	OK(s->ops->commit(s));
	return all;
}

static inline void delete_job(struct store *s, const char *id)
{
	struct job_row row = { 0 };

	OK(s->ops->begin(s));
	OK(s->ops->job_get(s, id, &row));
	OK(s->ops->job_delete(s, &row));
	OK(s->ops->commit(s));
	job_row_finish(&row);
}

#endif
