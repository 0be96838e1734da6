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

/* The jobs, and a second node. */
static inline void open_two(struct bench *b, struct node *other)
{
	make_jobs(b->writer);
	node_open(other, b, 1);
}

/* So many as its row says, in the transaction that is open. */
static inline uint64_t events_of(struct store *s, const char *id)
{
	struct job_row row = { 0 };
	uint64_t seq = 0;

	OK(s->ops->job_get(s, id, &row));
	OK(s->ops->events(s, row.key, 0, false, SIZE_MAX, count_event, &seq));
	assert_true(seq == row.seq);
	job_row_finish(&row);
	return seq;
}

static inline uint64_t events_of_all(struct store *s)
{
	uint64_t all = 0;

	OK(s->ops->begin(s));
	for (int i = 0; i < JOBS; i++)
		all += events_of(s, names[i]);
	OK(s->ops->commit(s));
	return all;
}

static inline enum store_result expect_task(struct store *s, const char *job, const char *id)
{
	struct expected_job jobs[] = { { job, false } };
	struct expected_task tasks[] = { { job, slice_of(id) } };
	struct expected rows = { .jobs = jobs, .tasks = tasks, .job_count = 1, .task_count = 1 };

	return s->ops->expect(s, &rows);
}

/* Whether a transaction that is open has asked for rows of the table. */
static inline bool has_read(const struct bench *b, const char *table)
{
	char sql[128], locks[16];

	snprintf(sql, sizeof sql, "SELECT count(*) FROM pg_locks WHERE relation = '%s'::regclass",
	         table);
	ask_server(b, sql, locks, sizeof locks);
	return strcmp(locks, "0") != 0;
}

/* Whether a transaction that expects the job reads and locks its row at once. */
static inline bool reads(const struct bench *b, const char *id)
{
	struct store *w = b->writer;

	OK(w->ops->begin(w));
	OK(expect_jobs(w, &id, 1));
	bool read = has_read(b, "jobs");
	OK(w->ops->commit(w));
	return read;
}

/* With an event, in the transaction that is open.  The task is made if there is none. */
static inline enum store_result change_task(struct store *s, const char *job, const char *id,
                                            const char *note)
{
	struct task_row task = { 0 };
	struct job_row row = { 0 };
	enum store_result r = add_event(s, job);

	if (r == STORE_OK)
		r = s->ops->job_get(s, job, &row);
	if (r == STORE_OK && s->ops->task_get(s, row.key, id, &task) != STORE_OK) {
		task = a_task(id, 0);
		task.title = xstrdup(task.title);
	}
	if (r == STORE_OK) {
		free(task.note);
		task.note = xstrdup(note);
		r = s->ops->task_put(s, row.key, &task);
	}
	job_row_finish(&row);
	task_row_finish(&task);
	return r;
}

static inline enum store_result put_task(struct store *s, const char *job, const char *id,
                                         const char *note)
{
	enum store_result r = s->ops->begin(s);

	if (r == STORE_OK)
		r = expect_task(s, job, id);
	if (r == STORE_OK)
		r = change_task(s, job, id, note);
	if (r == STORE_OK)
		r = s->ops->commit(s);
	if (r != STORE_OK)
		s->ops->rollback(s);
	return r;
}

/* With the ids t0, t1 … */
static inline void put_tasks(struct store *w, const char *job, unsigned count)
{
	struct job_row row = { 0 };
	char id[16];

	OK(w->ops->begin(w));
	OK(add_event(w, job));
	OK(w->ops->job_get(w, job, &row));
	for (unsigned i = 0; i < count; i++) {
		snprintf(id, sizeof id, "t%u", i);
		struct task_row task = a_task(id, i);
		OK(w->ops->task_put(w, row.key, &task));
	}
	OK(w->ops->commit(w));
	job_row_finish(&row);
}

/* One more in the note of the task. */
static inline enum store_result count_one(struct store *s, const char *job, bool twice)
{
	struct task_row task = { 0 };
	struct job_row row = { 0 };
	char note[16];
	enum store_result r = s->ops->begin(s);

	if (r == STORE_OK)
		r = expect_task(s, job, "t");
	if (r == STORE_OK)
		r = s->ops->job_get(s, job, &row);
	if (r == STORE_OK)
		r = s->ops->task_get(s, row.key, "t", &task);
	for (int i = 0; i <= twice && r == STORE_OK; i++) {
		snprintf(note, sizeof note, "%d", atoi(task.note) + 1);
		free(task.note);
		task.note = xstrdup(note);
		r = s->ops->task_put(s, row.key, &task);
		if (r == STORE_OK)
			r = add_event(s, job);
	}
	if (r == STORE_OK)
		r = s->ops->commit(s);
	if (r != STORE_OK)
		s->ops->rollback(s);
	job_row_finish(&row);
	task_row_finish(&task);
	return r;
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

static inline enum store_result finish(struct store *s)
{
	enum store_result r;

	while (!s->ops->commit_finish(s, 1000, -1, &r))
		;
	return r;
}

#endif
