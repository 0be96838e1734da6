/* A lease is had from before it was given until it ends, and by nobody who was told of another
 * node. A store in memory answers for the database. */
#include "faulty_store.h"
#include "store_kit.h"

#include "joblight/base/clock.h"
#include "work/lease.h"

struct desk {
	struct bench bench;
	struct faulty_store store;
	struct store_ops ops;
	struct lease lease;
};

static enum store_result answer;
static unsigned asked;

static enum store_result take(struct store *s, const char *name, uint64_t ms)
{
	(void)s;
	assert_string_equal(name, "chores");
	assert_int_equal(ms, LEASE_MS);
	asked++;
	return answer;
}

static int setup(void **state)
{
	struct desk *d = xcalloc(1, sizeof *d);

	snprintf(d->bench.location, sizeof d->bench.location, ":memory:");
	bench_open(&d->bench);
	faulty_init(&d->store, d->bench.writer, &d->ops, false);
	d->ops.lease_take = take;
	lease_init(&d->lease, &d->store.base, "chores");
	asked = 0;
	*state = d;
	return 0;
}

static int teardown(void **state)
{
	struct desk *d = *state;

	bench_close(&d->bench);
	free(d);
	return 0;
}

static bool ask(struct desk *d, enum store_result says)
{
	answer = says;
	d->lease.due = 0;
	return lease_tick(&d->lease);
}

static void it_is_got_once_and_kept_while_it_is_renewed(void **state)
{
	struct desk *d = *state;
	uint64_t before = clock_monotonic_ms();

	assert_false(lease_is_held(&d->lease));
	assert_true(ask(d, STORE_OK));
	assert_true(lease_is_held(&d->lease));
	assert_in_range(d->lease.until, before + LEASE_MS, clock_monotonic_ms() + LEASE_MS);
	assert_in_range(lease_due(&d->lease), before + LEASE_RENEW_MS,
	                clock_monotonic_ms() + LEASE_RENEW_MS);
	assert_false(lease_tick(&d->lease)); /* it is not due */
	assert_int_equal(asked, 1);
	assert_false(ask(d, STORE_OK)); /* it was had before */
	assert_int_equal(asked, 2);
}

static void it_is_not_had_when_another_node_has_it(void **state)
{
	struct desk *d = *state;

	assert_false(ask(d, STORE_NONE));
	assert_false(lease_is_held(&d->lease));
	assert_true(ask(d, STORE_OK));
	assert_false(ask(d, STORE_NONE)); /* this node was stopped for longer than it lasts */
	assert_false(lease_is_held(&d->lease));
	assert_true(d->lease.is_elsewhere);
	assert_true(ask(d, STORE_OK));
}

static void it_ends_while_the_database_is_away(void **state)
{
	struct desk *d = *state;

	assert_true(ask(d, STORE_OK));
	assert_false(ask(d, STORE_BUSY));
	assert_true(lease_is_held(&d->lease));
	d->store.calls = 0;
	d->store.fails_at = 1; /* it cannot even begin */
	d->store.how = STORE_BUSY;
	assert_false(ask(d, STORE_OK));
	assert_int_equal(asked, 2);
	d->lease.until = clock_monotonic_ms();
	assert_false(lease_is_held(&d->lease));
	assert_false(ask(d, STORE_BUSY));
	assert_true(ask(d, STORE_OK));
}

static void the_only_node_of_a_database_always_has_it_and_never_asks(void **state)
{
	struct desk *d = *state;
	struct lease own;

	lease_init(&own, d->bench.writer, "chores");
	assert_true(lease_is_held(&own));
	assert_false(lease_tick(&own));
	assert_true(lease_due(&own) == UINT64_MAX);
}

#define LEASE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest promises[] = {
	LEASE_TEST(it_is_got_once_and_kept_while_it_is_renewed),
	LEASE_TEST(it_is_not_had_when_another_node_has_it),
	LEASE_TEST(it_ends_while_the_database_is_away),
	LEASE_TEST(the_only_node_of_a_database_always_has_it_and_never_asks),
};

int main(void)
{
	return _cmocka_run_group_tests("lease", promises, sizeof promises / sizeof *promises, NULL,
	                               NULL);
}
