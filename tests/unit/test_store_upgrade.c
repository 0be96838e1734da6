/*
 * Databases of earlier versions of the schema, with data, are brought up to date.  They are made
 * from tests/support/schemas/version_N.sql: the schema as it was, and the same rows in each of them
 * as far as it has them.
 */
#include <sqlite3.h>
#include <sys/wait.h>

#include "store/sqlite.h"
#include "store_kit.h"

#define OLDEST 1

static void make(const struct bench *b, int version)
{
	char command[512];

	snprintf(command, sizeof command,
	         "rm -f %s*; sqlite3 -cmd 'PRAGMA synchronous=OFF' %s < " JOBLIGHT_TEST_SCHEMAS
	         "/version_%d.sql",
	         b->location, b->location, version);
	assert_int_equal(system(command), 0);
}

static int number_in(const struct bench *b, const char *query)
{
	sqlite3 *db;
	sqlite3_stmt *st;

	assert_int_equal(sqlite3_open(b->location, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, query, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	int value = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return value;
}

/* All rows of all tables, as SQL. */
static char *sql_of(const struct bench *b)
{
	char command[160];
	struct buf text = { 0 };
	char part[4096];
	size_t len;

	snprintf(command, sizeof command, "sqlite3 %s .dump", b->location);
	FILE *out = popen(command, "r");
	assert_non_null(out);
	while ((len = fread(part, 1, sizeof part, out)) > 0)
		buf_add(&text, part, len);
	assert_int_equal(pclose(out), 0);
	buf_string(&text);
	return text.ptr;
}

static char *upgraded(struct bench *b, int version)
{
	make(b, version);
	bench_open(b);
	char *text = dumped(b->reader);
	bench_close(b);
	return text;
}

static const char *const jobs_of_every_version[] = {
	"job whole cccccccccc \"whole\" {} 5 seq=2 first=1 tasks=0 deliverables=0 0 1770318000000 "
	"1770318001000 1770318001000 imported=0 bytes=277 pruned=0\n",
	"job ended bbbbbbbbbb \"pruned\" {} 4 seq=4 first=3 tasks=1 deliverables=0 0 1770318000000 "
	"1770318003000 1770318003000 imported=0 bytes=253 pruned=0\n",
	"job open aaaaaaaaaa \"Q4 \xe2\x80\x94 report\" {\"a\":1} 1 seq=5 first=1 tasks=2 "
	"deliverables=1 60000 1770318000000 1770318004000 0 imported=0 bytes=836 pruned=0\n",
	"  task 0 t1 \"Render\" note=page 1 1 10.5 1 -1 0 0 1770318000000 1770318001000 "
	"1770318001000 0\n",
	"  task 1 t2 \"t2\" note=- 3 -1 -1 -1 0 0 1770318002000 1770318002000 0 1770318002000\n",
	"  task 0 t \"t\" note=- 3 -1 -1 0 0 0 1770318000000 1770318002000 0 1770318002000\n",
	"  deliverable d1 \"report.pdf\" https://files.example/1 application/pdf 1770318003000\n",
	"  event 5 3 1770318004000 "
	"{\"type\":\"command\",\"jobId\":\"open\",\"seq\":5,\"command\":\"stop\",",
};

static void every_row_of_every_version_is_there(void **state)
{
	struct bench *b = *state;

	for (int version = OLDEST; version < SQLITE_SCHEMA_VERSION; version++) {
		char *text = upgraded(b, version);
		for (size_t i = 0; i < sizeof jobs_of_every_version / sizeof *jobs_of_every_version;
		     i++)
			if (!strstr(text, jobs_of_every_version[i]))
				fail_msg("version %d: no %s in %s", version,
				         jobs_of_every_version[i], text);
		free(text);
		assert_int_equal(number_in(b, "PRAGMA user_version"), SQLITE_SCHEMA_VERSION);
		assert_int_equal(number_in(b, "SELECT count(*) FROM access_keys"), version >= 3);
		assert_int_equal(number_in(b, "SELECT count(*) FROM signing_key"), version >= 4);
		assert_int_equal(number_in(b, "SELECT count(*) FROM revoked_tokens"), version >= 4);
		assert_int_equal(number_in(b, "SELECT count(*) FROM deleted_jobs"), version >= 2);
	}
}

static void all_versions_become_the_same(void **state)
{
	struct bench *b = *state;
	char *first = upgraded(b, OLDEST);

	for (int version = OLDEST + 1; version < SQLITE_SCHEMA_VERSION; version++) {
		char *text = upgraded(b, version);
		assert_string_equal(text, first);
		free(text);
	}
	free(first);
}

/* The tables and indexes are those of a new database, in whatever order the columns are. */
static void an_upgraded_database_has_the_schema_of_a_new_one(void **state)
{
	static const char objects[] =
	    "SELECT count(*) FROM (SELECT m.name, c.name, c.type, c.\"notnull\" FROM sqlite_schema "
	    "m, pragma_table_xinfo(m.name) c WHERE m.type = 'table' UNION SELECT m.name, i.name, "
	    "'index', i.origin FROM sqlite_schema m, pragma_index_list(m.name) i WHERE m.type = "
	    "'table')";
	struct bench *b = *state;

	bench_open(b);
	bench_close(b);
	int expected = number_in(b, objects);
	for (int version = OLDEST; version < SQLITE_SCHEMA_VERSION; version++) {
		free(upgraded(b, version));
		assert_int_equal(number_in(b, objects), expected);
	}
}

static void answers_of_every_version_are_found_under_their_keys(void **state)
{
	struct bench *b = *state;

	for (int version = OLDEST; version < SQLITE_SCHEMA_VERSION; version++) {
		struct job_row row = { 0 };
		struct idempotency_row answer = { 0 };
		char scope[ID_MAX + 1];

		make(b, version);
		bench_open(b);
		OK(b->reader->ops->begin(b->reader));
		OK(b->reader->ops->job_get(b->reader, "open", &row));
		job_scope(row.key, scope);
		OK(b->reader->ops->idempotency_get(b->reader, scope, "k1", &answer));
		OK(b->reader->ops->commit(b->reader));
		assert_string_equal(answer.body, "{\"ok\":true}\n");
		assert_string_equal(answer.epoch, "aaaaaaaaaa");
		assert_int_equal(answer.seq_last, 2);
		free(answer.body);
		job_row_finish(&row);
		bench_close(b);
	}
}

static void new_jobs_do_not_take_the_keys_of_earlier_ones(void **state)
{
	struct bench *b = *state;

	for (int version = OLDEST; version < SQLITE_SCHEMA_VERSION; version++) {
		struct job_row row = a_job("new");

		make(b, version);
		bench_open(b);
		OK(b->writer->ops->begin(b->writer));
		OK(b->writer->ops->job_put(b->writer, &row));
		OK(b->writer->ops->commit(b->writer));
		assert_int_equal(row.key, 5);
		bench_close(b);
	}
}

/* ---- a crash in the middle ---- */

static int die(void *unused)
{
	(void)unused;
	_exit(7);
}

static int die_at_commit(sqlite3 *db, char **error, const struct sqlite3_api_routines *api)
{
	(void)error;
	(void)api;
	sqlite3_commit_hook(db, die, NULL);
	return SQLITE_OK;
}

static void die_upgrading(const struct bench *b)
{
	char error[512];

	sqlite3_auto_extension((void (*)(void))die_at_commit);
	database_open(b->location, DURABILITY_FULL, error, sizeof error);
	_exit(0);
}

static void a_crash_in_the_middle_leaves_the_old_database(void **state)
{
	struct bench *b = *state;

	for (int version = OLDEST; version < SQLITE_SCHEMA_VERSION; version++) {
		make(b, version);
		char *before = sql_of(b);
		pid_t child = fork();
		int status;
		if (!child)
			die_upgrading(b);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
		char *after = sql_of(b);
		assert_string_equal(after, before);
		assert_int_equal(number_in(b, "PRAGMA user_version"), version);
		free(before);
		free(after);
		bench_open(b);
		bench_close(b);
		assert_int_equal(number_in(b, "PRAGMA user_version"), SQLITE_SCHEMA_VERSION);
	}
}

static void a_newer_version_is_refused_and_not_touched(void **state)
{
	struct bench *b = *state;
	char error[512];

	make(b, OLDEST);
	sqlite3 *db;
	assert_int_equal(sqlite3_open(b->location, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=7", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	char *before = sql_of(b);
	assert_null(database_open(b->location, DURABILITY_FULL, error, sizeof error));
	assert_non_null(strstr(error, "schema version is 7 and this joblight knows up to 6"));
	char *after = sql_of(b);
	assert_string_equal(after, before);
	free(before);
	free(after);
}

int main(void)
{
	static const struct CMUnitTest promises[] = {
		cmocka_unit_test_setup_teardown(every_row_of_every_version_is_there,
		                                bench_setup_closed, bench_teardown_closed),
		cmocka_unit_test_setup_teardown(all_versions_become_the_same, bench_setup_closed,
		                                bench_teardown_closed),
		cmocka_unit_test_setup_teardown(an_upgraded_database_has_the_schema_of_a_new_one,
		                                bench_setup_closed, bench_teardown_closed),
		cmocka_unit_test_setup_teardown(answers_of_every_version_are_found_under_their_keys,
		                                bench_setup_closed, bench_teardown_closed),
		cmocka_unit_test_setup_teardown(new_jobs_do_not_take_the_keys_of_earlier_ones,
		                                bench_setup_closed, bench_teardown_closed),
		cmocka_unit_test_setup_teardown(a_crash_in_the_middle_leaves_the_old_database,
		                                bench_setup_closed, bench_teardown_closed),
		cmocka_unit_test_setup_teardown(a_newer_version_is_refused_and_not_touched,
		                                bench_setup_closed, bench_teardown_closed),
	};

	return cmocka_run_group_tests_name("upgrades", promises, NULL, NULL);
}
