/* Whether a database is sound: joblight/store/check.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "joblight/store/check.h"

static char path[] = "/tmp/joblight-check-XXXXXX";

static int make_database(void **state)
{
	sqlite3 *db;

	(void)state;
	close(mkstemp(path));
	if (sqlite3_open(path, &db) ||
	    sqlite3_exec(
	        db,
	        "CREATE TABLE t (n, m);"
	        "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 50000)"
	        " INSERT INTO t SELECT n, hex(randomblob(50)) FROM c; CREATE INDEX i ON t (m)",
	        NULL, NULL, NULL))
		return -1;
	return sqlite3_close(db);
}

static int remove_database(void **state)
{
	(void)state;
	return unlink(path);
}

static void a_sound_one_is_sound(void **state)
{
	char words[100];

	(void)state;
	assert_int_equal(store_check(path, 60000, words, sizeof(words)), DATABASE_SOUND);
	assert_string_equal(words, "ok");
}

static void there_is_no_time_for_a_large_one(void **state)
{
	char words[100];

	(void)state;
	assert_int_equal(store_check(path, 0, words, sizeof(words)), DATABASE_UNKNOWN);
	assert_string_equal(words, "it is too large for a quick check now");
}

static void one_that_is_absent_is_not_made(void **state)
{
	char words[100];

	(void)state;
	assert_int_equal(store_check("/tmp/joblight-check-absent", 1000, words, sizeof(words)),
	                 DATABASE_UNKNOWN);
	assert_non_null(strstr(words, "unable to open"));
	assert_int_equal(access("/tmp/joblight-check-absent", F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sound_one_is_sound),
		cmocka_unit_test(there_is_no_time_for_a_large_one),
		cmocka_unit_test(one_that_is_absent_is_not_made),
	};

	return cmocka_run_group_tests(tests, make_database, remove_database);
}
