#include "kit.h"

#include <string.h>
#include <sys/mman.h>

#include "joblight/base/log.h"
#include "joblight/base/memory.h"

#define MIB ((size_t)1024 * 1024)
#define LOOKS_AGAIN_MS 100

static void *take(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	memset(p, 1, bytes);
	return p;
}

static void what_is_touched_is_resident(void **state)
{
	(void)state;
	uint64_t before = memory_resident();
	void *p = take(64 * MIB);
	assert_true(memory_resident() >= before + 60 * MIB);
	munmap(p, 64 * MIB);
	assert_true(memory_resident() < before + 60 * MIB);
	assert_true(memory_of_machine() > memory_resident());
}

static void a_gauge_without_a_limit_is_never_short(void **state)
{
	struct memory_gauge g = { 0 };

	(void)state;
	assert_false(memory_is_short(&g, 0));
}

static void a_gauge_is_short_beyond_its_limit_and_again_enough_below_it(void **state)
{
	struct memory_gauge g = { .max_bytes = memory_resident() + 32 * MIB };

	(void)state;
	assert_false(memory_is_short(&g, 1000));
	void *p = take(64 * MIB);
	assert_false(
	    memory_is_short(&g, 1000 + LOOKS_AGAIN_MS - 1)); /* it did not ask the system */
	assert_true(memory_is_short(&g, 1000 + LOOKS_AGAIN_MS));
	munmap(p, 64 * MIB);
	assert_false(memory_is_short(&g, 1000 + 2 * LOOKS_AGAIN_MS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_touched_is_resident),
		cmocka_unit_test(a_gauge_without_a_limit_is_never_short),
		cmocka_unit_test(a_gauge_is_short_beyond_its_limit_and_again_enough_below_it),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
