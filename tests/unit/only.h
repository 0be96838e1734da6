/* JOBLIGHT_TEST_ONLY=NAME build/tests/test_NOUN runs the tests of that name alone; * and ? are
 * wild. */
#ifndef JOBLIGHT_TESTS_ONLY_H
#define JOBLIGHT_TESTS_ONLY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

__attribute__((constructor)) static void choose_tests(void)
{
	const char *name = getenv("JOBLIGHT_TEST_ONLY");

	if (name)
		cmocka_set_test_filter(name);
}

#endif
