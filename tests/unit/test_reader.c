/*
 * The reader threads: which results are shared, which reads are dropped, and that no job blocks
 * another.
 */
#include "store_kit.h"

#include <malloc.h>
#include <pthread.h>
#include <sched.h>

#include "kit.h"
#include "many.h"
#include "joblight/core/limits.h"
#include "joblight/work/reader.h"
#include "work/snapshots.h"

#define MOST (1 << 20) /* reads of one test */

/* A session whose reads of the job "big" wait at a gate. */
struct gated {
	struct store base; /* first */
	struct store *inner;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool open;
	int at_gate;                     /* reads of "big" that reached it */
	int begun;                       /* reads of other jobs that began */
	struct read_request *done[MOST]; /* in order */
	int done_count;
} world;

static struct store_ops gated_ops;

static enum store_result gated_begin(struct store *s)
{
	struct store *inner = ((struct gated *)s)->inner;

	return inner->ops->begin(inner);
}

static void gated_rollback(struct store *s)
{
	struct store *inner = ((struct gated *)s)->inner;

	inner->ops->rollback(inner);
}

static void gated_close(struct store *s)
{
	struct store *inner = ((struct gated *)s)->inner;

	inner->ops->close(inner);
	free(s);
}

static void count(int *counter)
{
	++*counter;
	pthread_cond_broadcast(&world.changed);
}

static enum store_result gated_job_get(struct store *s, const char *id, struct job_row *row)
{
	struct store *inner = ((struct gated *)s)->inner;

	pthread_mutex_lock(&world.lock);
	count(strcmp(id, "big") == 0 ? &world.at_gate : &world.begun);
	while (strcmp(id, "big") == 0 && !world.open)
		pthread_cond_wait(&world.changed, &world.lock);
	pthread_mutex_unlock(&world.lock);
	return inner->ops->job_get(inner, id, row);
}

/* All other operations go to the inner session. */
#define STORE_OP(name, parameters, arguments)                                                      \
	static inline enum store_result pass_##name(struct store *s, STORE_LIST parameters)        \
	{                                                                                          \
		struct store *inner = ((struct gated *)s)->inner;                                  \
		return inner->ops->name(inner, STORE_LIST arguments);                              \
	}
#include "joblight/core/store_ops.def"
#undef STORE_OP

static struct store *gate(struct store *inner)
{
	struct gated *g = xcalloc(1, sizeof(*g));

	gated_ops = (struct store_ops){
		.name = "gated",
		.close = gated_close,
		.begin = gated_begin,
		.rollback = gated_rollback,
#define STORE_OP(op, parameters, arguments) .op = pass_##op,
#include "joblight/core/store_ops.def"
#undef STORE_OP
	};
	gated_ops.job_get = gated_job_get;
	g->base.ops = &gated_ops;
	g->inner = inner;
	return &g->base;
}

/* Set-up. */

struct reader_bench {
	struct database *db;
	struct limits limits;
	struct reader *reader;
};

static void put_job(const struct reader_bench *b, const char *id, uint64_t seq)
{
	struct store *w = database_writer(b->db);
	struct job_row row = a_job(id), old;

	OK(w->ops->begin(w));
	if (w->ops->job_get(w, id, &old) == STORE_OK) {
		row.key = old.key;
		job_row_finish(&old);
	}
	row.seq = seq;
	OK(w->ops->job_put(w, &row));
	OK(w->ops->commit(w));
}

static int setup(void **state)
{
	struct reader_bench *b = xcalloc(1, sizeof(*b));

	b->db = open_or_fail(":memory:");
	b->limits = limits_default;
	pthread_mutex_init(&world.lock, NULL);
	pthread_cond_init(&world.changed, NULL);
	world.open = false;
	world.at_gate = world.begun = world.done_count = 0;
	put_job(b, "big", 1);
	put_job(b, "small", 1);
	*state = b;
	return 0;
}

static void deliver(struct read_request *r)
{
	pthread_mutex_lock(&world.lock);
	world.done[world.done_count] = r;
	count(&world.done_count);
	pthread_mutex_unlock(&world.lock);
}

static void start(struct reader_bench *b, unsigned threads)
{
	struct store *sessions[8];

	for (unsigned i = 0; i < threads; i++)
		sessions[i] = gate(database_reader(b->db));
	b->reader = reader_start(sessions, threads, &b->limits, deliver);
}

static void wait_for(const int *counter, int least)
{
	pthread_mutex_lock(&world.lock);
	while (*counter < least)
		pthread_cond_wait(&world.changed, &world.lock);
	pthread_mutex_unlock(&world.lock);
}

static void open_gate(void)
{
	pthread_mutex_lock(&world.lock);
	world.open = true;
	pthread_cond_broadcast(&world.changed);
	pthread_mutex_unlock(&world.lock);
}

static void free_answers(void)
{
	for (int i = 0; i < world.done_count; i++) {
		read_result_release(world.done[i]->result);
		free(world.done[i]);
	}
	world.done_count = 0;
}

static int teardown(void **state)
{
	struct reader_bench *b = *state;

	open_gate();
	if (b->reader)
		reader_stop(b->reader);
	free_answers();
	reader_free(b->reader);
	database_close(b->db);
	pthread_cond_destroy(&world.changed);
	pthread_mutex_destroy(&world.lock);
	free(b);
	return 0;
}

static struct read_request *ask(const struct reader_bench *b, const char *job, const char *position)
{
	struct read_request *r = xcalloc(1, sizeof(*r));

	r->query = (struct read_query){ .kind = READ_RESUME, .limit = 10, .bytes = 1000 };
	snprintf(r->query.job_id, sizeof(r->query.job_id), "%s", job);
	r->query.position = position_parse(slice_of(position));
	if (reader_submit(b->reader, r))
		return r;
	free(r);
	return NULL;
}

static void ask_for(const struct reader_bench *b, enum read_kind kind, const char *job)
{
	struct read_request *r = xcalloc(1, sizeof(*r));

	r->query.kind = kind;
	snprintf(r->query.job_id, sizeof(r->query.job_id), "%s", job);
	assert_true(reader_submit(b->reader, r));
}

/* Tests. */

static void a_read_whose_asker_has_gone_is_not_begun(void **state)
{
	struct reader_bench *b = *state;

	start(b, 1);
	ask(b, "big", "");
	wait_for(&world.at_gate, 1);
	for (int i = 0; i < 50; i++)
		atomic_store(&ask(b, "small", i % 2 ? "" : "abc")->gone, true);
	struct read_request *stays = ask(b, "small", "zzzzzzzzzz.5");
	open_gate();
	wait_for(&world.done_count, 52);
	assert_int_equal(world.begun, 1);
	assert_int_equal(stays->result->problem.outcome, OUTCOME_OK);
	assert_true(outcome_is_error(world.done[1]->result->problem.outcome));
}

static void one_large_job_does_not_hold_up_the_others(void **state)
{
	struct reader_bench *b = *state;

	start(b, 2);
	for (int i = 0; i < 100; i++)
		ask(b, "big", "");
	wait_for(&world.at_gate, 1);
	struct read_request *small = ask(b, "small", "");
	wait_for(&world.done_count, 1);
	assert_ptr_equal(world.done[0], small);
	assert_int_equal(world.at_gate, 1); /* and only one thread is there */
}

static void equal_answers_are_one_piece_of_memory_whatever_was_asked(void **state)
{
	static const char *const positions[] = { "", "abc", "zzzzzzzzzz.5", "zzzzzzzzzz.6",
		                                 "0123456789.9" };
	struct reader_bench *b = *state;

	start(b, 2);
	for (size_t i = 0; i < 100; i++)
		ask(b, "small", positions[i % COUNT(positions)]);
	wait_for(&world.done_count, 100);
	for (int i = 0; i < 100; i++) {
		assert_non_null(world.done[i]->result->snapshot);
		assert_ptr_equal(world.done[i]->result->snapshot, world.done[0]->result->snapshot);
	}
}

static void the_rows_of_a_job_are_parts_of_its_snapshot(void **state)
{
	static const enum read_kind kinds[] = { READ_TASKS, READ_DELIVERABLES, READ_JOB };
	struct reader_bench *b = *state;

	start(b, 2);
	for (size_t i = 0; i < 90; i++)
		ask_for(b, kinds[i % COUNT(kinds)], "small");
	wait_for(&world.done_count, 90);
	const struct snapshot *one = world.done[0]->result->snapshot;
	assert_non_null(one);
	for (int i = 0; i < 90; i++) {
		assert_ptr_equal(world.done[i]->result->snapshot, one);
		assert_int_equal(world.done[i]->result->text.len, 0);
	}
}

static void another_event_is_another_snapshot(void **state)
{
	struct reader_bench *b = *state;

	start(b, 1);
	struct read_request *first = ask(b, "small", "");
	wait_for(&world.done_count, 1);
	put_job(b, "small", 2);
	struct read_request *second = ask(b, "small", "");
	wait_for(&world.done_count, 2);
	assert_int_equal(first->result->snapshot->seq, 1);
	assert_int_equal(second->result->snapshot->seq, 2);
}

static void as_many_reads_wait_as_may(void **state)
{
	struct reader_bench *b = *state;

	b->limits.queued_reads = 2;
	start(b, 1);
	ask(b, "big", "");
	wait_for(&world.at_gate, 1);
	assert_non_null(ask(b, "small", ""));
	assert_non_null(ask(b, "big", ""));
	assert_null(ask(b, "small", ""));
	open_gate();
	wait_for(&world.done_count, 3);
	assert_non_null(ask(b, "small", ""));
}

static void *stop(void *reader)
{
	reader_stop(reader);
	return NULL;
}

static void at_a_stop_what_waits_is_refused(void **state)
{
	struct reader_bench *b = *state;
	const struct read_request *more;
	pthread_t stopper;
	int waiting = 0;

	b->limits.queued_reads = MOST;
	start(b, 1);
	struct read_request *begun = ask(b, "big", "");
	wait_for(&world.at_gate, 1);
	pthread_create(&stopper, NULL, stop, b->reader);
	while ((more = ask(b, waiting % 2 ? "big" : "small", ""))) { /* until it is closed */
		waiting++;
		sched_yield();
	}
	open_gate();
	pthread_join(stopper, NULL);
	assert_int_equal(world.done_count, waiting + 1);
	assert_int_equal(begun->result->problem.outcome, OUTCOME_OK);
	for (int i = 1; i < world.done_count; i++)
		assert_int_equal(world.done[i]->result->problem.outcome, OUTCOME_STOPPING);
	free_answers();
	reader_free(b->reader);
	b->reader = NULL;
}

/* The cache of snapshots. */

static struct snapshot *made(struct snapshot_source *source, const struct job_row *job,
                             size_t bytes)
{
	struct snapshot *s = snapshot_create(job);

	while (s->text.len < bytes)
		buf_char(&s->text, 'x');
	if (source)
		source->add(source, s);
	return s;
}

static struct job_row job_at(const char *id, uint64_t seq)
{
	struct job_row row = a_job(id);

	row.seq = seq;
	return row;
}

static bool is_found(struct snapshot_source *source, const struct job_row *job)
{
	struct snapshot *found = source->find(source, job);

	snapshot_release(found);
	return found != NULL;
}

static void the_cache_keeps_so_many_bytes(void **state)
{
	struct snapshots *all = snapshots_create(1000, 0);
	struct snapshot_source *source = snapshots_source(all);
	struct job_row a = job_at("a", 1), b = job_at("b", 1), c = job_at("c", 1);

	(void)state;
	snapshot_release(made(source, &a, 1001));
	assert_false(is_found(source, &a));
	snapshot_release(made(source, &a, 600));
	snapshot_release(made(source, &b, 400));
	assert_true(is_found(source, &b));
	assert_true(is_found(source, &a)); /* now b is the least recently used */
	snapshot_release(made(source, &c, 1));
	assert_false(is_found(source, &b));
	assert_true(is_found(source, &a));
	assert_true(is_found(source, &c));
	assert_int_equal(snapshots_bytes(all), 601);
	snapshots_free(all);
}

static void what_is_held_is_found_although_the_cache_keeps_nothing(void **state)
{
	struct snapshots *all = snapshots_create(0, 0);
	struct snapshot_source *source = snapshots_source(all);
	struct job_row a = job_at("a", 1), later = job_at("a", 2);
	struct snapshot *held = made(source, &a, 100);

	(void)state;
	assert_true(is_found(source, &a));
	assert_false(is_found(source, &later));
	struct snapshot *newer = made(source, &later, 50);
	assert_false(is_found(source, &a)); /* it can no longer be found */
	snapshot_release(held);
	assert_true(is_found(source, &later));
	snapshot_release(newer);
	assert_false(is_found(source, &later));
	assert_int_equal(snapshots_bytes(all), 0);
	snapshots_free(all);
}

static void what_nobody_asks_for_is_given_back(void **state)
{
	struct snapshots *all = snapshots_create(1000, 0);
	struct snapshot_source *source = snapshots_source(all);
	struct job_row a = job_at("a", 1);

	(void)state;
	assert_true(snapshots_tick(all, 0) == UINT64_MAX);
	snapshot_release(made(source, &a, 100));
	uint64_t due = snapshots_tick(all, 0);
	assert_true(due != UINT64_MAX);
	assert_true(snapshots_tick(all, due - 1) == due);
	assert_int_equal(snapshots_bytes(all), 100);
	assert_true(snapshots_tick(all, due) == UINT64_MAX);
	assert_int_equal(snapshots_bytes(all), 0);
	snapshots_free(all);
}

static int trims;

/* Instead of the C library's. */
int malloc_trim(size_t pad)
{
	(void)pad;
	trims++;
	return 0;
}

static void release_much(struct snapshot_source *source)
{
	struct job_row a = job_at("a", 1);

	snapshot_release(made(source, &a, 300 * 1024));
	assert_true(source->has_room(source));
}

static void memory_goes_back_to_the_system_between_reads_and_at_a_pace(void **state)
{
	struct snapshots *all = snapshots_create(1 << 20, 300 * 1024);

	(void)state;
	trims = 0;
	for (int i = 0; i < 3; i++)
		release_much(snapshots_source(all));
	assert_int_equal(trims, 0); /* the reads did not do it */
	assert_true(snapshots_tick(all, 1) == UINT64_MAX);
	assert_int_equal(trims, 1);
	release_much(snapshots_source(all));
	uint64_t due = snapshots_tick(all, 2);
	assert_in_range(due, 1000, 5000);
	assert_true(snapshots_tick(all, due - 1) == due);
	assert_int_equal(trims, 1);
	assert_true(snapshots_tick(all, due) == UINT64_MAX);
	assert_int_equal(trims, 2);
	snapshots_free(all);
}

static void figures_are_found_at_their_event_only(void **state)
{
	struct snapshots *all = snapshots_create(0, 0);
	struct snapshot_source *source = snapshots_source(all);
	struct task_counts put = { .total = 3, .completed = 2 }, got;
	struct job_row a = job_at("a", 1);

	(void)state;
	a.key = 7;
	assert_false(source->find_counts(source, &a, &got));
	source->add_counts(source, &a, &put);
	assert_true(source->find_counts(source, &a, &got));
	assert_memory_equal(&put, &got, sizeof(put));
	a.seq++;
	assert_false(source->find_counts(source, &a, &got));
	a.seq--;
	a.key += 4096;
	assert_false(source->find_counts(source, &a, &got));
	snapshots_free(all);
}

static void with_too_much_in_answers_there_is_no_room_for_more(void **state)
{
	struct snapshots *all = snapshots_create(1000, 500);
	struct snapshot_source *source = snapshots_source(all);
	struct job_row a = job_at("a", 1), b = job_at("b", 1);
	struct snapshot *held = made(source, &a, 499);

	(void)state;
	assert_true(source->has_room(source));
	struct snapshot *more = made(source, &b, 1);
	assert_false(source->has_room(source));
	snapshot_release(more); /* the cache releases it when there is no room */
	assert_true(source->has_room(source));
	snapshot_release(held);
	snapshots_free(all);
}

/* They wait while the first one is at the gate, so that all queues exist at once. */
static void every_job_of_thousands_is_answered(void **state)
{
	struct reader_bench *b = *state;
	unsigned found = 0;

	for (unsigned i = 1; i < NAMES; i += 2)
		put_job(b, many_id(i), 1);
	start(b, 1);
	ask(b, "big", "");
	wait_for(&world.at_gate, 1);
	for (unsigned i = 0; i < NAMES; i++)
		ask_for(b, READ_HEAD, many_id(i));
	open_gate();
	wait_for(&world.done_count, NAMES + 1);
	for (int i = 0; i < world.done_count; i++)
		found += world.done[i]->result->problem.outcome == OUTCOME_OK;
	assert_int_equal(found, NAMES / 2 + 1);
}

static void different_reads_of_one_job_have_answers_of_their_own(void **state)
{
	struct reader_bench *b = *state;
	char position[CURSOR_MAX + 1];

	start(b, 1);
	ask(b, "big", "");
	wait_for(&world.at_gate, 1);
	for (unsigned i = 0; i < NAMES; i++) {
		snprintf(position, sizeof(position), "0123456789.%u", i + 1);
		ask(b, "big", position);
	}
	open_gate();
	wait_for(&world.done_count, NAMES + 1);
	for (int i = 1; i < world.done_count; i++) {
		const struct read_request *r = world.done[i];
		bool exact = r->query.position.seq == 1;
		assert_int_equal(r->result->resume, exact ? RESUME_EXACT : RESUME_RESET);
		assert_int_equal(r->result->reason, exact ? RESET_NONE : RESET_FUTURE);
	}
}

static void every_snapshot_of_thousands_is_found(void **state)
{
	struct snapshots *all = snapshots_create(NAMES * 10, 0);
	struct snapshot_source *source = snapshots_source(all);

	(void)state;
	for (unsigned i = 0; i < NAMES; i++) {
		struct job_row job = job_at(many_id(i), 1);
		snapshot_release(made(source, &job, 10));
	}
	for (unsigned i = 0; i < NAMES; i++) {
		struct job_row job = job_at(many_id(i), 1), later = job_at(many_id(i), 2);
		assert_true(is_found(source, &job));
		assert_false(is_found(source, &later));
	}
	snapshots_free(all);
	snapshots_free(NULL);
}

#define READER_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		READER_TEST(a_read_whose_asker_has_gone_is_not_begun),
		READER_TEST(one_large_job_does_not_hold_up_the_others),
		READER_TEST(equal_answers_are_one_piece_of_memory_whatever_was_asked),
		READER_TEST(the_rows_of_a_job_are_parts_of_its_snapshot),
		READER_TEST(another_event_is_another_snapshot),
		READER_TEST(as_many_reads_wait_as_may),
		READER_TEST(at_a_stop_what_waits_is_refused),
		READER_TEST(every_job_of_thousands_is_answered),
		READER_TEST(different_reads_of_one_job_have_answers_of_their_own),
		TEST(every_snapshot_of_thousands_is_found),
		TEST(the_cache_keeps_so_many_bytes),
		TEST(what_is_held_is_found_although_the_cache_keeps_nothing),
		TEST(what_nobody_asks_for_is_given_back),
		TEST(memory_goes_back_to_the_system_between_reads_and_at_a_pace),
		TEST(figures_are_found_at_their_event_only),
		TEST(with_too_much_in_answers_there_is_no_room_for_more),
	};

	return RUN("reader", tests);
}
