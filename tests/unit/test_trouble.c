/* What the log reports about a repeated failure: enough, and no more. */
#include "kit.h"

#include <unistd.h>

#include "joblight/base/xalloc.h"
#include "work/trouble.h"

static struct trouble a_trouble(void)
{
	return (struct trouble){ .begins = "it fails", .ends = "it works" };
}

/* Redirects the log to a file until log_end(). */
static int real_stderr;
static FILE *log_file;

static void log_begin(void)
{
	log_file = tmpfile();
	assert_non_null(log_file);
	real_stderr = dup(STDERR_FILENO);
	assert_int_equal(dup2(fileno(log_file), STDERR_FILENO), STDERR_FILENO);
}

static char *log_end(void)
{
	long size;
	char *text;

	assert_int_equal(dup2(real_stderr, STDERR_FILENO), STDERR_FILENO);
	close(real_stderr);
	assert_int_equal(fseek(log_file, 0, SEEK_END), 0);
	size = ftell(log_file);
	rewind(log_file);
	text = xcalloc(1, (size_t)size + 1);
	assert_int_equal(fread(text, 1, (size_t)size, log_file), size);
	fclose(log_file);
	return text;
}

static void a_lasting_fault_is_logged_once_and_counted(void **state)
{
	struct trouble t = a_trouble();
	char *text;

	(void)state;
	log_begin();
	for (uint64_t now = 5000; now < 65000; now += 10)
		trouble_failed(&t, "the disk is full", now);
	trouble_passed(&t, 65500);
	assert_int_equal(trouble_due(&t), 64990 + TROUBLE_QUIET_MS);
	trouble_passed(&t, trouble_due(&t));
	assert_int_equal(trouble_due(&t), UINT64_MAX);
	text = log_end();
	assert_int_equal(text_count(text, "\n"), 2);
	assert_int_equal(
	    text_count(text, "msg=\"it fails\" cause=\"the disk is full\" failures=1\n"), 1);
	assert_int_equal(text_count(text, "msg=\"it works\" failures=6000\n"), 1);
	assert_int_equal(t.total, 6000);
	free(text);
}

static void a_fault_that_comes_and_goes_is_one_fault(void **state)
{
	struct trouble t = a_trouble();
	char *text;

	(void)state;
	log_begin();
	for (uint64_t now = 0; now < 20000; now += 2) {
		trouble_failed(&t, "an error", now);
		trouble_passed(&t, now + 1);
	}
	text = log_end();
	assert_int_equal(text_count(text, "\n"), 1);
	free(text);
}

static void another_cause_is_logged_but_no_more_than_a_line_a_second(void **state)
{
	struct trouble t = a_trouble();
	char *text;

	(void)state;
	log_begin();
	for (uint64_t now = 0; now < 10000; now += 5)
		trouble_failed(&t, now % 10 ? "one" : "another", now);
	text = log_end();
	assert_in_range(text_count(text, "\n"), 5, 10);
	free(text);
}

static void what_works_is_not_mentioned(void **state)
{
	struct trouble t = a_trouble();
	char *text;

	(void)state;
	log_begin();
	trouble_passed(&t, 1);
	trouble_passed(&t, 5000);
	text = log_end();
	assert_string_equal(text, "");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_lasting_fault_is_logged_once_and_counted),
		TEST(a_fault_that_comes_and_goes_is_one_fault),
		TEST(another_cause_is_logged_but_no_more_than_a_line_a_second),
		TEST(what_works_is_not_mentioned),
	};

	return RUN("trouble", tests);
}
