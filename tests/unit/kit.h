/* What every unit test begins with. */
#ifndef JOBLIGHT_TESTS_KIT_H
#define JOBLIGHT_TESTS_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "only.h"

#define TEST(f) cmocka_unit_test(f)
#define RUN(name, tests) cmocka_run_group_tests_name(name, tests, NULL, NULL)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* How often `what` is in the text. */
static inline unsigned text_count(const char *text, const char *what)
{
	unsigned found = 0;

	while ((text = strstr(text, what)) != NULL) {
		text += strlen(what);
		found++;
	}
	return found;
}

#endif
