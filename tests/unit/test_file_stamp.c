/* A changed file is noticed once, whatever has changed. */
#include "kit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "serve/file_stamp.h"

static char folder[] = "/tmp/joblight-stamp-XXXXXX";
static char path[64], other[64];

static void put(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* A change is reported, and reported once. */
static void expect_change(struct file_stamp *stamp)
{
	assert_true(file_stamp_changed(stamp, path));
	assert_false(file_stamp_changed(stamp, path));
}

static void test_every_kind_of_change(void **state)
{
	struct file_stamp stamp = { 0 };
	const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1, .tv_nsec = 1 } };

	(void)state;
	assert_false(file_stamp_changed(&stamp, path)); /* it does not exist, as before */
	put(path, "one");
	expect_change(&stamp);
	put(path, "longer");
	expect_change(&stamp);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	expect_change(&stamp);
	put(other, "longer");
	assert_int_equal(rename(other, path), 0); /* another file of the same size */
	expect_change(&stamp);
	unlink(path);
	expect_change(&stamp);
	put(path, "back");
	expect_change(&stamp);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_kind_of_change) };

	if (!mkdtemp(folder))
		return 1;
	snprintf(path, sizeof(path), "%s/a", folder);
	snprintf(other, sizeof(other), "%s/b", folder);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(folder);
	return failed;
}
