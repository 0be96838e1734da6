/*
 * What the log says when more is to be removed than there is time for.  The test moves the begin of
 * the backlog into the past instead of waiting.
 */
#include "store_kit.h"

#include "faulty_store.h"
#include "joblight/base/clock.h"
#include "joblight/core/timeline.h"
#include "work/chore.h"

#define BEHIND "more is to be removed than there is time for"
#define OVER "everything that was to be removed is"

struct office {
	struct bench bench;
	struct faulty_store store;
	struct store_ops ops;
	struct limits limits;
	struct timeline timeline;
	struct chores *chores;
};

static uint64_t left; /* what the store says is to be removed */
static unsigned counted;

static enum store_result prune_little(struct store *s, const struct prune_limits *limits,
                                      size_t budget)
{
	(void)s, (void)limits, (void)budget;
	return left ? STORE_OK : STORE_NONE;
}

static enum store_result count(struct store *s, const struct prune_limits *limits, size_t limit,
                               uint64_t *rows)
{
	enum store_result r = faulty_count(s);

	(void)limits;
	counted++;
	*rows = left < limit ? left : limit;
	return r;
}

static bool commit_nothing(void *context, struct op *ops)
{
	(void)context, (void)ops;
	return true;
}

static int setup(void **state)
{
	struct office *o = xcalloc(1, sizeof(*o));

	snprintf(o->bench.location, sizeof(o->bench.location), ":memory:");
	bench_open(&o->bench);
	faulty_init(&o->store, o->bench.writer, &o->ops, true);
	o->ops.prune = prune_little;
	o->ops.prunable = count;
	o->limits = limits_default;
	chores_start_timeline(&o->store.base, &o->timeline);
	o->chores = chores_create(&o->store.base, &o->limits, &o->timeline, commit_nothing, NULL);
	left = 5;
	counted = 0;
	*state = o;
	return 0;
}

static int teardown(void **state)
{
	struct office *o = *state;

	chores_free(o->chores);
	bench_close(&o->bench);
	free(o);
	return 0;
}

/* As if the backlog had begun, and had been counted, this much earlier. */
static void pass(struct office *o, uint64_t ms)
{
	o->chores->pruning.backlog.since -= ms;
	o->chores->pruning.backlog.counted_at -= ms;
}

/* One step; what it wrote to the log, which the caller frees. */
static char *step(struct office *o, enum store_result must)
{
	FILE *file = tmpfile();
	int own = dup(STDERR_FILENO);
	char *text = xcalloc(1, 4096);

	dup2(fileno(file), STDERR_FILENO);
	enum store_result r = chore_prune.step(o->chores, NULL);
	dup2(own, STDERR_FILENO);
	close(own);
	rewind(file);
	assert_int_equal(fread(text, 1, 4095, file) < 4095, 1);
	fclose(file);
	assert_int_equal(r, must);
	return text;
}

static void logs(struct office *o, enum store_result must, const char *says)
{
	char *text = step(o, must);

	if (!strstr(text, says))
		fail_msg("\"%s\" is not in \"%s\"", says, text);
	free(text);
}

static void logs_nothing(struct office *o, enum store_result must)
{
	char *text = step(o, must);

	assert_string_equal(text, "");
	free(text);
}

static void a_backlog_of_ten_seconds_is_told_once_and_so_is_its_end(void **state)
{
	struct office *o = *state;

	logs_nothing(o, STORE_OK); /* it begins */
	pass(o, 9000);
	logs_nothing(o, STORE_OK);
	pass(o, 5000);
	logs(o, STORE_OK, BEHIND);
	pass(o, 60000);
	logs_nothing(o, STORE_OK);
	left = 0;
	logs(o, STORE_NONE, OVER);
	logs_nothing(o, STORE_NONE);
	left = 5; /* the next one is another one */
	logs_nothing(o, STORE_OK);
	pass(o, 11000);
	logs(o, STORE_OK, BEHIND);
}

static void the_line_has_the_number_of_rows_up_to_4096(void **state)
{
	struct office *o = *state;

	logs_nothing(o, STORE_OK);
	pass(o, 11000);
	logs(o, STORE_OK, "rows=5");
	left = 0;
	logs(o, STORE_NONE, OVER);
	left = 100000;
	logs_nothing(o, STORE_OK);
	pass(o, 11000);
	logs(o, STORE_OK, "rows_at_least=4096");
	assert_int_equal(o->chores->pruning.backlog.max_rows, 4096);
}

static void rows_are_counted_every_five_seconds_at_most(void **state)
{
	struct office *o = *state;

	for (int i = 0; i < 10; i++)
		logs_nothing(o, STORE_OK);
	assert_int_equal(counted, 0);
	pass(o, 5000);
	for (int i = 0; i < 10; i++)
		logs_nothing(o, STORE_OK);
	assert_int_equal(counted, 1);
}

/* What cannot be counted is not told: the next step tries it again. */
static void a_count_that_fails_changes_nothing(void **state)
{
	struct office *o = *state;

	logs_nothing(o, STORE_OK);
	pass(o, 11000);
	o->store.calls = 0;
	o->store.fails_at = 4; /* begin and commit of the step, begin of the count, the count */
	o->store.how = STORE_BUSY;
	logs_nothing(o, STORE_OK);
	assert_int_equal(counted, 1);
	logs(o, STORE_OK, BEHIND);
}

#define PRUNE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PRUNE_TEST(a_backlog_of_ten_seconds_is_told_once_and_so_is_its_end),
		PRUNE_TEST(the_line_has_the_number_of_rows_up_to_4096),
		PRUNE_TEST(rows_are_counted_every_five_seconds_at_most),
		PRUNE_TEST(a_count_that_fails_changes_nothing),
	};

	return cmocka_run_group_tests_name("chore_prune", tests, NULL, NULL);
}
