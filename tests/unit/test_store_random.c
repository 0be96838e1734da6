/*
 * Two stores with the same history hold the same rows: seeded random transactions, committed or
 * rolled back, are applied to the memory store and to a file, and the two are compared after each
 * one. A failure names its seed; `test_store_random SEED` runs only that one.
 */
#include "store_kit.h"

#define SEEDS 20
#define SEEDS_POSTGRES 4 /* each of which takes as long as ten others */
#define TRANSACTIONS 60
#define IDS 6 /* few, so that operations meet the same rows */

struct pair {
	struct database *db[2];
	struct store *store[2];
};

static uint64_t only_seed;

static uint64_t next(uint64_t *seed) /* xorshift64* */
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return *seed * 0x2545f4914f6cdd1dULL;
}

static uint32_t below(uint64_t *seed, uint32_t bound)
{
	return (uint32_t)(next(seed) >> 33) % bound;
}

static void name(char *out, size_t size, char letter, uint32_t number)
{
	snprintf(out, size, "%c%u", letter, number);
}

/* The job of this id, which is made if missing. */
static struct job_row job_of(struct store *s, uint64_t *seed)
{
	struct job_row row = { 0 };
	char id[16];

	name(id, sizeof id, 'j', below(seed, IDS));
	if (s->ops->job_get(s, id, &row) == STORE_OK)
		return row;
	row = a_job(id);
	row.title = xstrdup(row.title);
	row.metadata = xstrdup(row.metadata);
	OK(s->ops->job_put(s, &row));
	return row;
}

static void change_job(struct store *s, struct job_row *job, uint64_t *seed)
{
	job->status = (enum job_status)below(seed, JOB_STATUS_COUNT);
	job->ended = job_status_terminal(job->status) ? 1 + below(seed, 100) : 0;
	job->updated = below(seed, 1000);
	job->deliverables = below(seed, 10);
	job->silence_ms = below(seed, 2) ? below(seed, 1000) : 0;
	OK(s->ops->job_put(s, job));
}

static void change_task(struct store *s, struct job_row *job, uint64_t *seed)
{
	struct task_row row = { 0 };
	char id[16];

	name(id, sizeof id, 't', below(seed, IDS));
	if (s->ops->task_get(s, job->key, id, &row) == STORE_NONE) {
		row = a_task(id, job->tasks++);
		row.title = xstrdup(row.title);
		OK(s->ops->job_put(s, job));
	}
	row.status = (enum task_status)below(seed, TASK_STATUS_COUNT);
	row.progress = below(seed, 3) ? (double)below(seed, 100) : (double)NAN;
	row.attempt = (int64_t)below(seed, 4) - 1;
	row.silence_ms = (int64_t)below(seed, 4) - 1;
	row.stalled = below(seed, 2);
	row.stall_at = below(seed, 2) ? below(seed, 100) : 0;
	free(row.note);
	row.note = below(seed, 2) ? xstrdup("a note") : NULL;
	OK(s->ops->task_put(s, job->key, &row));
	task_row_finish(&row);
}

static void add_event(struct store *s, struct job_row *job, uint64_t *seed)
{
	char json[32];
	struct event_row row = { ++job->seq,
		                 (enum event_type)below(seed, EVENT_LOGGED_COUNT),
		                 below(seed, 100),
		                 { 0 } };

	snprintf(json, sizeof json, "{\"n\":%u}", below(seed, 1000));
	row.json = slice_of(json);
	job->bytes += row.json.len;
	OK(s->ops->event_add(s, job->key, &row));
	OK(s->ops->job_put(s, job));
}

static void put_deliverable(struct store *s, struct job_row *job, uint64_t *seed)
{
	struct deliverable_row row = { .title = "d", .url = below(seed, 2) ? "https://a/" : NULL };

	name(row.id, sizeof row.id, 'd', below(seed, IDS));
	row.created = below(seed, 100);
	OK(s->ops->deliverable_put(s, job->key, &row));
}

static void put_answer(struct store *s, struct job_row *job, uint64_t *seed)
{
	char key[16];

	name(key, sizeof key, 'k', below(seed, IDS));
	struct idempotency_row row = an_answer(below(seed, 2) ? job->id : "", key,
	                                       below(seed, 100));
	OK(s->ops->idempotency_put(s, &row));
}

static void put_day(struct store *s, struct job_row *job, uint64_t *seed)
{
	struct job_day_row row = { .day = below(seed, 20), .job = job->key, .events = job->seq };

	snprintf(row.id, sizeof row.id, "%s", job->id);
	OK(s->ops->job_day_put(s, &row));
}

/* A job is imported under an id that may be taken; then the import is dropped. */
static void import_job(struct store *s, struct job_row *job, uint64_t *seed)
{
	struct job_row row = a_job("imported"), found = { 0 };
	struct event_row event = an_event(1);
	int64_t key;

	(void)job;
	name(row.id, sizeof row.id, 'j', below(seed, IDS));
	OK(s->ops->import_begin(s, &key));
	OK(s->ops->event_add(s, key, &event));
	row.seq = 1;
	row.bytes = event.json.len;
	row.imported = below(seed, 100);
	bool taken = s->ops->job_get(s, row.id, &found) == STORE_OK;
	job_row_finish(&found);
	OK(s->ops->import_end(s, key, taken ? NULL : &row));
}

static void one_change(struct store *s, uint64_t *seed)
{
	static void (*const changes[])(struct store *, struct job_row *, uint64_t *) = {
		add_event,  add_event,       add_event,  change_task, change_task,
		change_job, put_deliverable, put_answer, put_day,     import_job,
	};
	struct job_row job = job_of(s, seed);
	uint32_t what = below(seed, 14);

	if (what < 10)
		changes[what](s, &job, seed);
	else if (what < 11)
		OK(s->ops->job_delete(s, &job));
	job_row_finish(&job);
}

/* Pruning may remove equally old rows in any order, so it continues until the result is unique. */
static void prune_all(struct store *s, uint64_t *seed)
{
	int64_t keys_before = below(seed, 100), logs_before = below(seed, 100);
	uint64_t most = 1 + below(seed, 10);
	size_t budget = 1 + below(seed, 5);
	int steps = 0;

	struct prune_limits limits = limits_of(keys_before, logs_before, most);
	limits.days_before = below(seed, 10);
	if (below(seed, 2))
		limits.max_bytes = 1 + below(seed, 60);
	while (s->ops->prune(s, &limits, budget) == STORE_OK)
		assert_in_range(++steps, 1, 10000);
}

static void dump_answers(struct store *s, struct buf *text)
{
	for (uint32_t job = 0; job <= IDS; job++)
		for (uint32_t key = 0; key < IDS; key++) {
			struct idempotency_row row;
			char scope[16] = "", id[16];

			if (job < IDS)
				name(scope, sizeof scope, 'j', job);
			name(id, sizeof id, 'k', key);
			if (s->ops->idempotency_get(s, scope, id, &row) != STORE_OK)
				continue;
			buf_format(text, "answer %s %s %lld\n", row.scope, row.key,
			           (long long)row.time);
			free(row.body);
		}
}

static bool dump_day(void *context, const struct job_day_row *r)
{
	buf_format(context, "day %lld %s %llu\n", (long long)r->day, r->id,
	           (unsigned long long)r->events);
	return true;
}

static bool dump_ended(void *context, const char *id)
{
	buf_format(context, "ended %s\n", id);
	return true;
}

/* Tasks with a deadline, counted by job, because a store lists them in any order. */
struct waits {
	uint32_t tasks[IDS][IDS];
};

static bool count_wait(void *context, const char *job_id, const char *task_id)
{
	((struct waits *)context)->tasks[atoi(job_id + 1)][atoi(task_id + 1)]++;
	return true;
}

static void dump_waits(struct store *s, struct buf *text)
{
	for (int64_t now = 0; now <= 100; now += 25) {
		struct waits w = { 0 };
		s->ops->overdue_tasks(s, now, SIZE_MAX, count_wait, &w);
		buf_format(text, "stalled at %lld:", (long long)now);
		for (uint32_t i = 0; i < IDS * IDS; i++)
			buf_format(text, " %u", w.tasks[i / IDS][i % IDS]);
		buf_char(text, '\n');
	}
}

/* Runs the transaction of this seed; `text` is what the session sees at its end. */
static void transaction(struct store *s, uint64_t seed, struct buf *text)
{
	uint32_t changes = below(&seed, 12);

	OK(s->ops->begin(s));
	for (uint32_t i = 0; i < changes; i++)
		one_change(s, &seed);
	if (below(&seed, 4) == 0)
		prune_all(s, &seed);
	if (below(&seed, 3) == 0) {
		s->ops->rollback(s);
		OK(s->ops->begin(s));
	}
	dump(s, text);
	dump_answers(s, text);
	dump_waits(s, text);
	s->ops->job_days(s, 3, 0, SIZE_MAX, dump_day, text);
	s->ops->ended_jobs(s, 50, 20, dump_ended, text);
	OK(s->ops->commit(s));
	buf_string(text);
}

static void history(struct pair *p, uint64_t seed)
{
	struct buf text[2] = { { 0 }, { 0 } };

	for (int i = 0; i < TRANSACTIONS; i++) {
		uint64_t step = next(&seed);
		for (int n = 0; n < 2; n++)
			transaction(p->store[n], step, &text[n]);
		assert_string_equal(text[0].ptr, text[1].ptr);
	}
	buf_finish(&text[0]);
	buf_finish(&text[1]);
}

static void stores_agree_on_any_history(void **state)
{
	(void)state;
	uint64_t seeds = postgres_is_tested() ? SEEDS_POSTGRES : SEEDS;
	for (uint64_t seed = only_seed ? only_seed : 1; seed <= (only_seed ? only_seed : seeds);
	     seed++) {
		struct bench b;
		struct pair p;

		bench_directory(&b);
		if (postgres_is_tested())
			bench_schema(&b);
		else
			snprintf(b.location, sizeof b.location, "%s/jobs.db", b.directory);
		p.db[0] = open_or_fail(":memory:");
		p.db[1] = open_or_fail(b.location);
		for (int n = 0; n < 2; n++)
			p.store[n] = database_writer(p.db[n]);
		fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
		history(&p, seed);
		database_close(p.db[0]);
		database_close(p.db[1]);
		bench_remove(&b);
	}
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest promises[] = { cmocka_unit_test(
	    stores_agree_on_any_history) };

	if (argc > 1)
		only_seed = strtoull(argv[1], NULL, 10);
	return cmocka_run_group_tests_name("random histories", promises, NULL, NULL);
}
