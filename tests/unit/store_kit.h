/*
 * What the test suites of the store share: a database for each test, short ways to make rows, and
 * dump(), which writes everything that a session can see as text, so that two stores or two points
 * in time can be compared.
 */
#ifndef JOBLIGHT_TESTS_STORE_KIT_H
#define JOBLIGHT_TESTS_STORE_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "only.h"
#include "joblight/base/buf.h"
#include "joblight/base/digest.h"
#include "joblight/base/xalloc.h"
#include "joblight/store/backend.h"

struct bench {
	char directory[64];
	char location[144];
	struct database *db;
	struct store *writer;
	struct store *reader;
};

#define OK(call) assert_int_equal((call), STORE_OK)
#define NONE(call) assert_int_equal((call), STORE_NONE)
#define FAILS(call) assert_in_range((call), STORE_FULL, STORE_CONFLICT)

static inline struct database *open_or_fail(const char *location)
{
	char error[512];
	struct database *db = database_open(location, DURABILITY_FULL, error, sizeof error);

	if (!db)
		fail_msg("%s", error);
	return db;
}

static inline void bench_open(struct bench *b)
{
	b->db = open_or_fail(b->location);
	b->writer = database_writer(b->db);
	b->reader = database_reader(b->db);
	assert_non_null(b->reader);
}

static inline void bench_close(struct bench *b)
{
	b->reader->ops->close(b->reader);
	database_close(b->db);
}

static inline void bench_directory(struct bench *b)
{
	snprintf(b->directory, sizeof b->directory, "/tmp/joblight-store-XXXXXX");
	assert_non_null(mkdtemp(b->directory));
}

/* The directory is flat. */
static inline void bench_remove(struct bench *b)
{
	char command[96];

	snprintf(command, sizeof command, "rm -rf %s", b->directory);
	assert_int_equal(system(command), 0);
}

/* Of the store under test; NULL: a file of its own. */
static const char *store_location __attribute__((unused));

/*
 * The server for the tests with PostgreSQL (tests/support/postgres.py): the file of this name has
 * the address of a database.  Then the tests run with it and with no other store.
 */
#define POSTGRES_URL_FILE "JOBLIGHT_TEST_POSTGRES"

static inline bool postgres_is_tested(void)
{
	return getenv(POSTGRES_URL_FILE) != NULL;
}

/* A schema of its own in the database of the server. */
static inline void bench_schema(struct bench *b)
{
	static unsigned number;
	char url[96] = "", command[256];
	FILE *file = fopen(getenv(POSTGRES_URL_FILE), "r");

	assert_non_null(file);
	assert_non_null(fgets(url, sizeof url, file));
	fclose(file);
	snprintf(command, sizeof command,
	         "psql -X -q -d '%s' -c 'CREATE SCHEMA t%ld_%u' >/dev/null", url, (long)getpid(),
	         ++number);
	assert_int_equal(system(command), 0);
	snprintf(b->location, sizeof b->location, "%s&options=-csearch_path%%3Dt%ld_%u", url,
	         (long)getpid(), number);
}

static inline int bench_setup(void **state)
{
	struct bench *b = xcalloc(1, sizeof *b);

	bench_directory(b);
	if (postgres_is_tested())
		bench_schema(b);
	else if (store_location)
		snprintf(b->location, sizeof b->location, "%s", store_location);
	else
		snprintf(b->location, sizeof b->location, "%s/jobs.db", b->directory);
	bench_open(b);
	*state = b;
	return 0;
}

static inline int bench_teardown(void **state)
{
	struct bench *b = *state;

	bench_close(b);
	bench_remove(b);
	free(b);
	return 0;
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

/* A test that opens and closes the file itself. */
static inline int bench_setup_closed(void **state)
{
	struct bench *b = xcalloc(1, sizeof *b);

	bench_directory(b);
	snprintf(b->location, sizeof b->location, "%s/jobs.db", b->directory);
	*state = b;
	return 0;
}

static inline int bench_teardown_closed(void **state)
{
	bench_remove(*state);
	free(*state);
	return 0;
}

/* Runs a table of STORE_TEST() on the store in memory and on a file, or on PostgreSQL.  Returns the
 * failures. */
#define RUN_ON_BOTH_STORES(tests) run_on_both_stores(tests, sizeof(tests) / sizeof((tests)[0]))

static inline int run_on_both_stores(const struct CMUnitTest *tests, size_t count)
{
	if (postgres_is_tested())
		return _cmocka_run_group_tests("postgres", tests, count, NULL, NULL);
	store_location = ":memory:";
	int failed = _cmocka_run_group_tests("memory", tests, count, NULL, NULL);
	store_location = NULL;
	return failed + _cmocka_run_group_tests("sqlite", tests, count, NULL, NULL);
}

static inline struct job_row a_job(const char *id)
{
	struct job_row row = {
		.epoch = "0123456789",
		.title = "a title",
		.metadata = "{}",
		.status = JOB_IN_PROGRESS,
		.first = 1,
	};

	snprintf(row.id, sizeof row.id, "%s", id);
	return row;
}

static inline struct task_row a_task(const char *id, uint32_t position)
{
	struct task_row row = { .title = "a task",
		                .progress = NAN,
		                .attempt = -1,
		                .silence_ms = -1,
		                .position = position };

	snprintf(row.id, sizeof row.id, "%s", id);
	return row;
}

static inline struct event_row an_event(uint64_t seq)
{
	return (struct event_row){ seq, EVENT_TASK_UPDATE, (int64_t)seq,
		                   SLICE("{\"type\":\"task_update\"}") };
}

static inline struct idempotency_row an_answer(const char *scope, const char *key, int64_t time)
{
	struct idempotency_row row = {
		.time = time, .outcome = 1, .epoch = "0123456789", .body = "an answer"
	};

	snprintf(row.scope, sizeof row.scope, "%s", scope);
	snprintf(row.key, sizeof row.key, "%s", key);
	return row;
}

/* Limits by age and count only. */
static inline struct prune_limits limits_of(int64_t keys_before, int64_t logs_before,
                                            uint64_t max_events)
{
	return (struct prune_limits){ .keys_before = keys_before,
		                      .logs_before = logs_before,
		                      .days_before = INT64_MIN,
		                      .max_events = max_events,
		                      .max_bytes = UINT64_MAX };
}

static inline enum store_result prune(struct store *s, int64_t keys_before, int64_t logs_before,
                                      uint64_t max_events, size_t budget)
{
	struct prune_limits limits = limits_of(keys_before, logs_before, max_events);

	return s->ops->prune(s, &limits, budget);
}

static inline enum store_result prunable(struct store *s, int64_t keys_before, int64_t logs_before,
                                         uint64_t max_events, size_t limit, uint64_t *rows)
{
	struct prune_limits limits = limits_of(keys_before, logs_before, max_events);

	return s->ops->prunable(s, &limits, limit, rows);
}

/* Puts a job with the events 1 .. seq; returns its key. */
static inline int64_t job_with_events(struct store *s, const char *id, uint64_t seq, int64_t ended)
{
	struct job_row row = a_job(id);

	row.seq = seq;
	row.bytes = seq * an_event(1).json.len;
	row.ended = ended;
	row.status = ended ? JOB_COMPLETED : JOB_IN_PROGRESS;
	OK(s->ops->job_put(s, &row));
	for (uint64_t i = 1; i <= seq; i++) {
		struct event_row event = an_event(i);
		OK(s->ops->event_add(s, row.key, &event));
	}
	return row.key;
}

/* ---- dump ---- */

struct dump {
	struct store *store;
	struct buf *text;
};

static inline bool dump_task(void *context, const struct task_row *r)
{
	buf_format(context,
	           "  task %u %s \"%s\" note=%s %d %g %lld %lld %d %lld %lld %lld %lld %lld\n",
	           r->position, r->id, r->title, r->note ? r->note : "-", (int)r->status,
	           isnan(r->progress) ? -1.0 : r->progress, (long long)r->attempt,
	           (long long)r->silence_ms, (int)r->stalled, (long long)r->stall_at,
	           (long long)r->created, (long long)r->updated, (long long)r->started,
	           (long long)r->ended);
	return true;
}

static inline bool dump_deliverable(void *context, const struct deliverable_row *r)
{
	buf_format(context, "  deliverable %s \"%s\" %s %s %lld\n", r->id, r->title,
	           r->url ? r->url : "-", r->media_type ? r->media_type : "-",
	           (long long)r->created);
	return true;
}

static inline bool dump_event(void *context, const struct event_row *r)
{
	buf_format(context, "  event %llu %d %lld %.*s\n", (unsigned long long)r->seq, (int)r->type,
	           (long long)r->time, (int)r->json.len, r->json.ptr);
	return true;
}

static inline bool dump_answer(void *context, const struct idempotency_row *r)
{
	char fingerprint[2 * DIGEST_LEN + 1];

	digest_hex(r->fingerprint, DIGEST_LEN, fingerprint);
	buf_format(context, "  answer %s %s %lld %d %llu %llu %s %s\n", r->key, fingerprint,
	           (long long)r->time, r->outcome, (unsigned long long)r->seq_first,
	           (unsigned long long)r->seq_last, r->epoch, r->body ? r->body : "-");
	return true;
}

static inline bool dump_job(void *context, const struct job_row *r)
{
	struct dump *d = context;
	struct store *s = d->store;
	char scope[ID_MAX + 1];

	job_scope(r->key, scope);
	buf_format(d->text,
	           "job %s %s \"%s\" %s %d seq=%llu first=%llu tasks=%u deliverables=%u %lld %lld "
	           "%lld %lld imported=%lld bytes=%llu pruned=%llu\n",
	           r->id, r->epoch, r->title, r->metadata, (int)r->status,
	           (unsigned long long)r->seq, (unsigned long long)r->first, r->tasks,
	           r->deliverables, (long long)r->silence_ms, (long long)r->created,
	           (long long)r->updated, (long long)r->ended, (long long)r->imported,
	           (unsigned long long)r->bytes, (unsigned long long)r->pruned);
	s->ops->tasks(s, r->key, 0, dump_task, d->text);
	s->ops->deliverables(s, r->key, dump_deliverable, d->text);
	s->ops->events(s, r->key, 0, false, SIZE_MAX, dump_event, d->text);
	s->ops->answers(s, scope, "", SIZE_MAX, dump_answer, d->text);
	return true;
}

/* Dumps all jobs with all their rows, and the answers that outlive them, within the open
 * transaction of the session. */
static inline void dump(struct store *s, struct buf *text)
{
	struct dump d = { s, text };

	text->len = 0;
	s->ops->jobs(s, -1, 0, SIZE_MAX, dump_job, &d);
	s->ops->lasting_answers(s, "", "", SIZE_MAX, dump_answer, text);
	buf_string(text);
}

/* The same in a transaction of its own; the caller frees the result. */
static inline char *dumped(struct store *s)
{
	struct buf text = { 0 };

	OK(s->ops->begin(s));
	dump(s, &text);
	OK(s->ops->commit(s));
	return text.ptr;
}

#endif
