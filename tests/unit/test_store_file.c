/*
 * What the SQLite store promises because it is a file: it outlives the process, only one server
 * uses it, it reports what is wrong with it, it survives a full disk, and its write-ahead log stays
 * small.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "child.h"
#include "store/sqlite.h"
#include "store_kit.h"

static const char *path(const struct bench *b, const char *name)
{
	static char text[160];

	snprintf(text, sizeof text, "%s/%s", b->directory, name);
	return text;
}

static off_t size_of(const struct bench *b, const char *name)
{
	struct stat file;

	return stat(path(b, name), &file) == 0 ? file.st_size : -1;
}

static void write_file(const char *name, const void *bytes, size_t len)
{
	FILE *file = fopen(name, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static void sql(const char *location, const char *text)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(location, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void refused(const char *location, const char *words)
{
	char error[512];
	struct database *db = database_open(location, DURABILITY_FULL, error, sizeof error);

	assert_null(db);
	if (!strstr(error, words))
		fail_msg("\"%s\" is not in \"%s\"", words, error);
	assert_non_null(strstr(error, location));
}

/* ---- in another process ---- */

/* In a child process: prints what is wrong and exits. */
#define CHILD(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "child, line %d: %s\n", __LINE__, #condition);             \
			end_child(1);                                                              \
		}                                                                                  \
	} while (0)

static int status_of(pid_t child)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void in_child(void (*run)(const struct bench *), const struct bench *b)
{
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		run(b);
		end_child(0);
	}
	assert_int_equal(status_of(child), 0);
}

static void no_longer_root(const struct bench *b)
{
	if (geteuid() != 0)
		return;
	CHILD(chmod(b->directory, 0755) == 0);
	CHILD(setuid(65534) == 0);
}

static void child_refused(const char *location, const char *words)
{
	char error[512];

	CHILD(!database_open(location, DURABILITY_FULL, error, sizeof error));
	if (!strstr(error, words))
		fprintf(stderr, "\"%s\" is not in \"%s\"\n", words, error);
	CHILD(strstr(error, words));
}

/* A server that holds the database until it is told to stop. */
struct server {
	pid_t pid;
	int told, tell;
};

static void serve(const char *location, int ready, int stop)
{
	char error[512], byte = 'r';

	CHILD(database_open(location, DURABILITY_FULL, error, sizeof error));
	CHILD(write(ready, &byte, 1) == 1);
	CHILD(read(stop, &byte, 1) == 0);
	end_child(0);
}

static struct server server_start(const char *location)
{
	int ready[2], stop[2];
	struct server s;
	char byte;

	assert_int_equal(pipe(ready) | pipe(stop), 0);
	s = (struct server){ fork(), ready[0], stop[1] };
	assert_true(s.pid >= 0);
	if (!s.pid) {
		close(stop[1]);
		serve(location, ready[1], stop[0]);
	}
	close(ready[1]);
	close(stop[0]);
	assert_int_equal(read(s.told, &byte, 1), 1);
	return s;
}

static void server_stop(struct server *s)
{
	close(s->tell);
	close(s->told);
	assert_int_equal(status_of(s->pid), 0);
}

/* ---- it outlives the process ---- */

static void fill(struct store *w)
{
	struct deliverable_row deliverable = { "d", "d", "https://a/", "text/plain", 1 };
	struct idempotency_row answer = an_answer("j0", "k", 1);
	struct task_row task = a_task("t", 0);

	OK(w->ops->begin(w));
	for (int i = 0; i < 3; i++) {
		char id[16];
		snprintf(id, sizeof id, "j%d", i);
		int64_t job = job_with_events(w, id, 5, i ? 0 : 10);
		OK(w->ops->task_put(w, job, &task));
		OK(w->ops->deliverable_put(w, job, &deliverable));
	}
	OK(w->ops->idempotency_put(w, &answer));
	OK(w->ops->commit(w));
}

static void opening_again_finds_everything(void **state)
{
	struct bench *b = *state;
	struct idempotency_row answer;
	char *before, *after;

	bench_open(b);
	fill(b->writer);
	before = dumped(b->reader);
	bench_close(b);
	bench_open(b);
	after = dumped(b->reader);
	assert_string_equal(after, before);
	OK(b->reader->ops->begin(b->reader));
	OK(b->reader->ops->idempotency_get(b->reader, "j0", "k", &answer));
	free(answer.body);
	OK(b->reader->ops->commit(b->reader));
	bench_close(b);
	free(before);
	free(after);
}

static void key_is_never_used_again_after_opening_again(void **state)
{
	struct bench *b = *state;
	struct job_row first = a_job("j"), second = a_job("j");

	bench_open(b);
	OK(b->writer->ops->begin(b->writer));
	OK(b->writer->ops->job_put(b->writer, &first));
	OK(b->writer->ops->job_delete(b->writer, &first));
	OK(b->writer->ops->commit(b->writer));
	bench_close(b);
	bench_open(b);
	OK(b->writer->ops->begin(b->writer));
	OK(b->writer->ops->job_put(b->writer, &second));
	OK(b->writer->ops->commit(b->writer));
	assert_true(second.key > first.key);
	bench_close(b);
}

static void killed_in_a_transaction(const struct bench *b)
{
	char error[512];
	struct database *db = database_open(b->location, DURABILITY_FULL, error, sizeof error);
	struct store *w = database_writer(db);
	struct job_row row = a_job("j");

	CHILD(db);
	for (uint64_t seq = 1; seq <= 8; seq++) {
		struct event_row event = an_event(seq);
		CHILD(w->ops->begin(w) == STORE_OK);
		CHILD(row.key || w->ops->job_put(w, &row) == STORE_OK);
		CHILD(w->ops->event_add(w, row.key, &event) == STORE_OK);
		row.seq = seq;
		CHILD(w->ops->job_put(w, &row) == STORE_OK);
		CHILD(seq == 8 || w->ops->commit(w) == STORE_OK);
	}
	kill(getpid(), SIGKILL);
}

static int number_in(const char *location, const char *query)
{
	sqlite3 *db;
	sqlite3_stmt *st;
	int number;

	assert_int_equal(sqlite3_open(location, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, query, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	number = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return number;
}

static enum store_result prune_a_little(struct bench *b)
{
	enum store_result r;

	OK(b->writer->ops->begin(b->writer));
	r = prune(b->writer, 0, 0, 100, 10);
	OK(b->writer->ops->commit(b->writer));
	return r;
}

static void rows_of_a_deleted_job_are_removed_by_the_next_start_too(void **state)
{
	struct bench *b = *state;
	struct job_row row = a_job("gone");

	bench_open(b);
	OK(b->writer->ops->begin(b->writer));
	row.key = job_with_events(b->writer, "gone", 100, 0);
	OK(b->writer->ops->commit(b->writer));
	OK(b->writer->ops->begin(b->writer));
	OK(b->writer->ops->job_delete(b->writer, &row));
	OK(b->writer->ops->commit(b->writer));
	OK(prune_a_little(b));
	bench_close(b);
	assert_int_equal(number_in(b->location, "SELECT count(*) FROM job_activity"), 90);
	bench_open(b);
	while (prune_a_little(b) == STORE_OK)
		;
	bench_close(b);
	assert_int_equal(number_in(b->location, "SELECT count(*) FROM job_activity"), 0);
	assert_int_equal(number_in(b->location, "SELECT count(*) FROM deleted_jobs"), 0);
}

/* ---- free space ---- */

static void write_and_remove_much(struct bench *b)
{
	OK(b->writer->ops->begin(b->writer));
	job_with_events(b->writer, "j", 20000, 100);
	OK(b->writer->ops->commit(b->writer));
	OK(b->writer->ops->begin(b->writer));
	while (prune(b->writer, 0, 101, 100, 1000) == STORE_OK)
		;
	OK(b->writer->ops->commit(b->writer));
}

static struct store_space space_of(struct bench *b)
{
	struct store_space space;

	OK(b->writer->ops->begin(b->writer));
	OK(b->writer->ops->space(b->writer, &space));
	OK(b->writer->ops->commit(b->writer));
	return space;
}

/* Within a step no more pages move than were asked for. */
static void the_file_gives_its_free_space_back_in_steps(void **state)
{
	struct bench *b = *state;
	enum store_result r = STORE_OK;
	unsigned steps = 0;

	bench_open(b);
	write_and_remove_much(b);
	struct store_space before = space_of(b), space = before;
	assert_true(before.shrinks && before.free > 500000);
	while (r == STORE_OK) {
		OK(b->writer->ops->begin(b->writer));
		r = b->writer->ops->give_back(b->writer, 10);
		OK(b->writer->ops->commit(b->writer));
		struct store_space now = space_of(b);
		assert_true(space.free - now.free <=
		            11 * UINT64_C(4096)); /* a page of the map, too */
		assert_int_equal(now.used, space.used);
		space = now;
		steps++;
	}
	assert_int_equal(r, STORE_NONE);
	assert_int_equal(space.free, 0);
	assert_true(steps >= before.free / 4096 / 11);
	bench_close(b);
	assert_int_equal(size_of(b, "jobs.db"), space.used);
	assert_int_equal(number_in(b->location, "SELECT count(*) FROM job_activity"), 1);
}

static void a_file_of_an_earlier_version_keeps_its_free_space(void **state)
{
	struct bench *b = *state;

	sql(b->location, "PRAGMA auto_vacuum=NONE; CREATE TABLE t (x); DROP TABLE t");
	bench_open(b);
	write_and_remove_much(b);
	struct store_space space = space_of(b);
	assert_true(!space.shrinks && space.free > 500000);
	OK(b->writer->ops->begin(b->writer));
	NONE(b->writer->ops->give_back(b->writer, 10));
	OK(b->writer->ops->commit(b->writer));
	bench_close(b);
}

/* ---- imports ---- */

/* The process ends before the import does. */
static void begin_an_import(const struct bench *outer)
{
	struct bench b = *outer;
	struct task_row task = a_task("t", 0);
	int64_t key;

	bench_open(&b);
	CHILD(b.writer->ops->begin(b.writer) == STORE_OK);
	CHILD(b.writer->ops->import_begin(b.writer, &key) == STORE_OK);
	CHILD(b.writer->ops->task_put(b.writer, key, &task) == STORE_OK);
	CHILD(b.writer->ops->commit(b.writer) == STORE_OK);
	_exit(0);
}

static void an_import_of_a_process_that_died_is_removed(void **state)
{
	struct bench *b = *state;

	in_child(begin_an_import, b);
	assert_int_equal(number_in(b->location, "SELECT count(*) FROM imports"), 1);
	bench_open(b);
	while (prune_a_little(b) == STORE_OK)
		;
	bench_close(b);
	assert_int_equal(number_in(b->location, "SELECT count(*) FROM imports"), 0);
	assert_int_equal(number_in(b->location, "SELECT count(*) FROM deleted_jobs"), 0);
	assert_int_equal(number_in(b->location, "SELECT count(*) FROM tasks"), 0);
}

static void a_full_commit_is_synced(void **state)
{
	struct bench *b = *state;
	sqlite3_stmt *st;

	bench_open(b);
	assert_int_equal(sqlite3_prepare_v2(((struct sqlite_session *)b->writer)->db,
	                                    "PRAGMA synchronous", -1, &st, NULL),
	                 SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_int_equal(sqlite3_column_int(st, 0),
	                 2); /* FULL: after every commit; NORMAL, 1, is not enough */
	sqlite3_finalize(st);
	bench_close(b);
}

static void assert_private(const char *file)
{
	struct stat s;

	assert_int_equal(stat(file, &s), 0);
	assert_int_equal(s.st_mode & 0777, 0640);
}

static void every_file_is_for_its_owner_and_group_only(void **state)
{
	struct bench *b = *state;
	mode_t before = umask(0);

	bench_open(b);
	assert_private(b->location);
	assert_private(path(b, "jobs.db-wal"));
	assert_private(path(b, "jobs.db-shm"));
	assert_private(path(b, "jobs.db-lock"));
	bench_close(b);
	umask(before);
}

static void killed_process_leaves_what_it_committed_and_no_more(void **state)
{
	struct bench *b = *state;
	struct job_row row;
	struct buf text = { 0 };
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child)
		killed_in_a_transaction(b);
	assert_true(WIFSIGNALED(status_of(child)));
	bench_open(b);
	OK(b->reader->ops->begin(b->reader));
	OK(b->reader->ops->job_get(b->reader, "j", &row));
	assert_true(row.seq == 7);
	OK(b->reader->ops->events(b->reader, row.key, 6, false, 10, dump_event, &text));
	NONE(b->reader->ops->events(b->reader, row.key, 7, false, 10, dump_event, &text));
	OK(b->reader->ops->commit(b->reader));
	job_row_finish(&row);
	buf_finish(&text);
	bench_close(b);
}

static void snapshot_stays_while_the_writer_commits(void **state)
{
	struct bench *b = *state;
	struct store *r, *w;
	struct job_row row;

	bench_open(b);
	r = b->reader;
	w = b->writer;
	OK(r->ops->begin(r)); /* the snapshot is of now, not of the first read */
	fill(w);
	NONE(r->ops->job_get(r, "j0", &row));
	OK(r->ops->commit(r));
	OK(r->ops->begin(r));
	OK(r->ops->job_get(r, "j0", &row));
	job_row_finish(&row);
	OK(r->ops->commit(r));
	bench_close(b);
}

static void stopping_leaves_one_file_and_its_lock(void **state)
{
	struct bench *b = *state;
	struct stat file;

	umask(0);
	bench_open(b);
	fill(b->writer);
	assert_int_equal(stat(path(b, "jobs.db-wal"), &file), 0);
	assert_int_equal(file.st_mode & 0777, 0640);
	assert_int_equal(stat(path(b, "jobs.db-shm"), &file), 0);
	assert_int_equal(file.st_mode & 0777, 0640);
	bench_close(b);
	umask(022);
	assert_int_equal(stat(path(b, "jobs.db"), &file), 0);
	assert_int_equal(file.st_mode & 0777, 0640);
	assert_int_equal(stat(path(b, "jobs.db-lock"), &file), 0);
	assert_int_equal(file.st_mode & 0777, 0640);
	assert_int_equal(size_of(b, "jobs.db-wal"), -1);
	assert_int_equal(size_of(b, "jobs.db-shm"), -1);
}

/* ---- only one server uses it ---- */

static void second_server_is_refused_and_told_by_whom(void **state)
{
	struct bench *b = *state;
	struct server s = server_start(b->location);
	char holder[32], name[160];

	snprintf(holder, sizeof holder, "(pid %ld)", (long)s.pid);
	refused(b->location, "another joblight server is using");
	refused(b->location, holder);
	snprintf(name, sizeof name, "%s", path(b, "symbolic"));
	assert_int_equal(symlink(b->location, name), 0);
	refused(name, holder);
	snprintf(name, sizeof name, "%s", path(b, "hard"));
	assert_int_equal(link(b->location, name), 0);
	refused(name, holder);
	assert_int_equal(unlink(path(b, "jobs.db-lock")),
	                 0); /* the database itself is locked too */
	refused(b->location, holder);
	server_stop(&s);
	bench_open(b);
	bench_close(b);
}

static void file_put_in_place_of_the_served_one_is_refused(void **state)
{
	struct bench *b = *state;
	struct server s = server_start(b->location);
	char moved[160];

	snprintf(moved, sizeof moved, "%s", path(b, "moved.db"));
	assert_int_equal(rename(b->location, moved), 0);
	refused(b->location, "another joblight server is using");
	server_stop(&s);
}

static void locked_by_the_parent(const struct bench *b)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(b->location, O_RDWR);

	CHILD(fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0);
	CHILD(lock.l_type != F_UNLCK && lock.l_pid == getppid());
	child_refused(b->location, "another joblight server is using");
}

/*
 * Closing any descriptor of a file drops all fcntl() locks that this process has on it, including
 * those of SQLite.
 */
static void expect_not_a_file_of(const struct bench *b, int fd)
{
	char name[64], target[160] = "";

	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	if (readlink(name, target, sizeof target - 1) < 0)
		end_child(errno == ENOENT ? 0 : 2);
	end_child(strncmp(target, b->directory, strlen(b->directory)) == 0 ? 3 : 0);
}

/* The parent checks, because what the child prints would go into the file. */
static void open_with_closed_descriptors(const struct bench *b, int looked_at)
{
	char error[512];

	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	if (!database_open(b->location, DURABILITY_FULL, error, sizeof error))
		end_child(1);
	expect_not_a_file_of(b, looked_at);
}

static void no_file_gets_a_standard_descriptor(void **state)
{
	struct bench *b = *state;

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		pid_t child = fork();

		assert_true(child >= 0);
		if (!child)
			open_with_closed_descriptors(b, fd);
		assert_int_equal(status_of(child), 0);
	}
}

static void refusing_in_the_same_process_keeps_the_locks(void **state)
{
	struct bench *b = *state;
	char name[160];

	bench_open(b);
	snprintf(name, sizeof name, "%s", path(b, "hard"));
	assert_int_equal(link(b->location, name), 0);
	refused(b->location, "another joblight server is using");
	refused(name, "another joblight server is using");
	in_child(locked_by_the_parent, b);
	fill(b->writer);
	bench_close(b);
}

/* ---- it reports what is wrong ---- */

static void missing_directory_is_named(void **state)
{
	struct bench *b = *state;
	char name[160];

	snprintf(name, sizeof name, "%s", path(b, "no/jobs.db"));
	refused(name, "the directory ");
	refused(name, "/no does not exist");
	refused("", "cannot open");
}

static void place_where_no_file_can_be_made_is_named(void **state)
{
	struct bench *b = *state;
	char name[400];

	refused("/proc/x.db", "no file can be made there");
	write_file(path(b, "file"), "x", 1);
	snprintf(name, sizeof name, "%s", path(b, "file/x.db"));
	refused(name, "/file does not exist");
	snprintf(name, sizeof name, "%s", path(b, "loop.db"));
	assert_int_equal(symlink(name, name), 0);
	refused(name, "Too many levels of symbolic links");
	snprintf(name, sizeof name, "%s/%0300d", b->directory, 0);
	refused(name, "File name too long");
}

static void what_is_not_a_file_is_refused(void **state)
{
	struct bench *b = *state;
	char name[160];

	refused(b->directory, "is a directory");
	snprintf(name, sizeof name, "%s", path(b, "fifo"));
	assert_int_equal(mkfifo(name, 0600), 0);
	refused(name, "not a regular file");
}

static void read_only_file_is_refused(void **state)
{
	struct bench *b = *state;

	bench_open(b);
	bench_close(b);
	assert_int_equal(chmod(b->location, 0440), 0);
	refused(b->location, "read-only");
}

static void opens_without_rights(const struct bench *b)
{
	char name[160];

	no_longer_root(b);
	snprintf(name, sizeof name, "%s/new.db", b->directory);
	child_refused(name, "permission denied");
	child_refused(b->location, "permission denied");
}

static void file_of_somebody_else_is_refused(void **state)
{
	struct bench *b = *state;

	bench_open(b);
	bench_close(b);
	assert_int_equal(chmod(b->location, 0600), 0);
	if (geteuid() != 0) { /* then the owner removes its own permission */
		assert_int_equal(chmod(b->location, 0020), 0);
		assert_int_equal(chmod(b->directory, 0500), 0);
	}
	in_child(opens_without_rights, b);
	assert_int_equal(chmod(b->directory, 0700), 0);
}

static void other_file_is_not_touched(void **state)
{
	struct bench *b = *state;
	char text[8192], after[8192];
	FILE *file;

	memset(text, 'x', sizeof text);
	write_file(b->location, text, sizeof text);
	refused(b->location, "not a SQLite database");
	file = fopen(b->location, "r");
	assert_int_equal(fread(after, 1, sizeof after, file), sizeof after);
	fclose(file);
	assert_memory_equal(after, text, sizeof text);
}

static void damaged_header_is_refused(void **state)
{
	static const struct {
		long at;
		const char *words;
	} damages[] = { { 0, "header is damaged" },
		        { 16, "header is damaged" },
		        { 100, "damaged" } };
	struct bench *b = *state;

	for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
		FILE *file;

		unlink(b->location);
		bench_open(b);
		fill(b->writer);
		bench_close(b);
		file = fopen(b->location, "r+");
		fseek(file, damages[i].at, SEEK_SET);
		fputs("\xff\xff\xff\xff\xff\xff\xff\xff", file);
		fclose(file);
		refused(b->location, damages[i].words);
	}
}

static void database_of_another_program_is_refused_and_not_touched(void **state)
{
	struct bench *b = *state;
	sqlite3_stmt *st;
	sqlite3 *db;

	sql(b->location, "CREATE TABLE theirs (x); PRAGMA user_version = 9");
	refused(b->location, "of another program");
	assert_int_equal(sqlite3_open(b->location, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA journal_mode", -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(st, 0), "delete");
	sqlite3_finalize(st);
	sqlite3_close(db);
}

static void newer_schema_is_refused(void **state)
{
	struct bench *b = *state;

	bench_open(b);
	bench_close(b);
	sql(b->location, "PRAGMA user_version = 1000");
	refused(b->location, "its schema version is 1000 and this joblight knows up to 6");
	sql(b->location, "PRAGMA user_version = 0");
	refused(b->location, "schema version 0 is unknown");
	sql(b->location, "PRAGMA user_version = 6");
	bench_open(b);
	bench_close(b);
}

static void damaged_row_breaks_the_read_and_nothing_else(void **state)
{
	struct bench *b = *state;
	struct store *r;
	struct job_row row;

	bench_open(b);
	fill(b->writer);
	bench_close(b);
	sql(b->location, "UPDATE jobs SET status = 99 WHERE id = 'j1'");
	bench_open(b);
	r = b->reader;
	OK(r->ops->begin(r));
	assert_int_equal(r->ops->job_get(r, "j1", &row), STORE_BROKEN);
	assert_int_equal(r->ops->job_get(r, "j0", &row),
	                 STORE_BROKEN); /* until it is rolled back */
	r->ops->rollback(r);
	OK(r->ops->begin(r));
	OK(r->ops->job_get(r, "j0", &row));
	job_row_finish(&row);
	r->ops->rollback(r);
	bench_close(b);
}

static bool any_job(void *context, const struct job_row *row)
{
	(void)context;
	(void)row;
	return true;
}

static bool any_task(void *context, const struct task_row *row)
{
	(void)context;
	(void)row;
	return true;
}

static bool any_event(void *context, const struct event_row *row)
{
	(void)context;
	(void)row;
	return true;
}

static bool any_key(void *context, const struct access_key_row *row)
{
	(void)context;
	(void)row;
	return true;
}

static bool any_revoked(void *context, const struct revoked_token_row *row)
{
	(void)context;
	(void)row;
	return true;
}

/* What every test below finds broken: reads of the job with the key 1. */
static enum store_result read_job(struct store *s)
{
	struct job_row row;
	enum store_result r = s->ops->job_get(s, "j0", &row);

	if (r == STORE_OK)
		job_row_finish(&row);
	return r;
}

static enum store_result read_jobs(struct store *s)
{
	return s->ops->jobs(s, -1, 0, 9, any_job, NULL);
}

static enum store_result read_task(struct store *s)
{
	struct task_row row;
	enum store_result r = s->ops->task_get(s, 1, "t", &row);

	if (r == STORE_OK)
		task_row_finish(&row);
	return r;
}

static enum store_result read_tasks(struct store *s)
{
	return s->ops->tasks(s, 1, 0, any_task, NULL);
}

static enum store_result read_events(struct store *s)
{
	return s->ops->events(s, 1, 0, false, 9, any_event, NULL);
}

static enum store_result read_answer(struct store *s)
{
	struct idempotency_row row;
	enum store_result r = s->ops->idempotency_get(s, "j0", "k", &row);

	if (r == STORE_OK)
		free(row.body);
	return r;
}

static enum store_result read_keys(struct store *s)
{
	return s->ops->access_keys(s, any_key, NULL);
}

static enum store_result read_signing_key(struct store *s)
{
	struct signing_key_row row;

	return s->ops->signing_key_get(s, &row);
}

static enum store_result read_revoked(struct store *s)
{
	return s->ops->revoked_tokens(s, any_revoked, NULL);
}

static void fill_access(struct store *w)
{
	struct access_key_row key = { .id = "0123456789AB", .name = "n", .jobs = "*" };
	struct signing_key_row signing = { .id = "AAAA-_09" };
	struct revoked_token_row revoked = { .id = "0123456789012345678901" };

	OK(w->ops->begin(w));
	OK(w->ops->access_key_put(w, &key));
	OK(w->ops->signing_key_put(w, &signing));
	OK(w->ops->revoked_token_put(w, &revoked));
	OK(w->ops->commit(w));
}

static enum store_result read_with(const struct bench *b, enum store_result (*read)(struct store *))
{
	OK(b->reader->ops->begin(b->reader));
	enum store_result r = read(b->reader);
	b->reader->ops->rollback(b->reader);
	return r;
}

/* A status or a type that does not exist, an id or a secret of another length. */
static void a_row_that_was_never_written_so_breaks_its_read(void **state)
{
	static const struct {
		enum store_result (*read)(struct store *s);
		const char *damage;
	} rows[] = {
		{ read_job, "UPDATE jobs SET status = 4000" },
		{ read_job, "UPDATE jobs SET status = -1" },
		{ read_jobs, "UPDATE jobs SET status = 4000" },
		{ read_task, "UPDATE tasks SET status = 4000" },
		{ read_task, "UPDATE tasks SET status = -1" },
		{ read_tasks, "UPDATE tasks SET status = 4000" },
		{ read_events, "UPDATE job_activity SET type = 4000" },
		{ read_events, "UPDATE job_activity SET type = -1" },
		{ read_answer, "UPDATE idempotency SET fingerprint = x'00'" },
		{ read_answer, "UPDATE idempotency SET fingerprint = x''" },
		{ read_keys, "UPDATE access_keys SET id = 'short'" },
		{ read_keys, "UPDATE access_keys SET hash = x'00'" },
		{ read_signing_key, "UPDATE signing_key SET id = 'short'" },
		{ read_signing_key, "UPDATE signing_key SET secret = x'00'" },
		{ read_signing_key, "UPDATE signing_key SET secret = x''" },
		{ read_revoked, "UPDATE revoked_tokens SET id = 'short'" },
	};
	struct bench *b = *state;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		snprintf(b->location, sizeof b->location, "%s/%zu.db", b->directory, i);
		bench_open(b);
		fill(b->writer);
		fill_access(b->writer);
		OK(read_with(b, rows[i].read));
		bench_close(b);
		sql(b->location, rows[i].damage);
		bench_open(b);
		if (read_with(b, rows[i].read) != STORE_BROKEN)
			fail_msg("read as if nothing had happened: %s", rows[i].damage);
		bench_close(b);
	}
}

/* A program that writes two tasks at one place has a mistake: nothing of the transaction stays. */
static void two_tasks_never_have_the_same_position(void **state)
{
	struct bench *b = *state;
	struct task_row one = a_task("one", 0), two = a_task("two", 0), three = a_task("three", 1);

	bench_open(b);
	OK(b->writer->ops->begin(b->writer));
	int64_t job = job_with_events(b->writer, "j", 1, 0);
	OK(b->writer->ops->task_put(b->writer, job, &one));
	OK(b->writer->ops->commit(b->writer));
	OK(b->writer->ops->begin(b->writer));
	OK(b->writer->ops->task_put(b->writer, job, &three));
	assert_int_equal(b->writer->ops->task_put(b->writer, job, &two), STORE_BROKEN);
	assert_non_null(strstr(store_error(b->writer), "writing a task"));
	assert_int_equal(b->writer->ops->commit(b->writer), STORE_BROKEN);
	b->writer->ops->rollback(b->writer);
	OK(b->writer->ops->begin(b->writer));
	NONE(b->writer->ops->task_get(b->writer, job, "three", &three));
	b->writer->ops->rollback(b->writer);
	bench_close(b);
}

static void damage_page(FILE *file, int number)
{
	fseek(file, (number - 1) * 4096L, SEEK_SET);
	for (int at = 0; at < 4096; at += 4)
		fputs("\xde\xad\xbe\xef", file);
}

static void damaged_pages_are_an_error_and_not_a_crash(void **state)
{
	struct bench *b = *state;
	struct job_row row;
	FILE *file;

	bench_open(b);
	fill(b->writer);
	bench_close(b);
	/* the pages of the schema stay */
	int table = number_in(b->location,
	                      "SELECT rootpage FROM sqlite_schema WHERE name = 'jobs'");
	int index = number_in(b->location, "SELECT rootpage FROM sqlite_schema WHERE name = "
	                                   "'sqlite_autoindex_jobs_1'");
	file = fopen(b->location, "r+");
	damage_page(file, table);
	damage_page(file, index);
	fclose(file);
	b->db = open_or_fail(b->location);
	b->writer = database_writer(b->db);
	OK(b->writer->ops->begin(b->writer));
	assert_int_equal(b->writer->ops->job_get(b->writer, "j0", &row), STORE_BROKEN);
	b->writer->ops->rollback(b->writer);
	database_close(b->db);
}

/* ---- a full disk ---- */

static void limit_files(off_t bytes)
{
	struct rlimit limit;

	CHILD(getrlimit(RLIMIT_FSIZE, &limit) == 0);
	limit.rlim_cur = bytes < 0 ? limit.rlim_max : (rlim_t)bytes;
	CHILD(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

/* Leaves a transaction that failed open. */
static enum store_result add_and_keep_open(struct store *w, int64_t job, uint64_t seq)
{
	static char json[20000];
	struct event_row event = { seq, EVENT_COMMAND, 1, { json, sizeof json } };
	enum store_result r = w->ops->begin(w);

	memset(json, 'x', sizeof json);
	if (r == STORE_OK)
		r = w->ops->event_add(w, job, &event);
	if (r == STORE_OK)
		r = w->ops->commit(w);
	return r;
}

static enum store_result add_big_event(struct store *w, int64_t job, uint64_t seq)
{
	enum store_result r = add_and_keep_open(w, job, seq);

	if (r != STORE_OK)
		w->ops->rollback(w);
	return r;
}

struct seen {
	uint64_t rows, bytes;
};

static bool see_event(void *context, const struct event_row *row)
{
	struct seen *seen = context;

	seen->rows++;
	seen->bytes += row->json.len;
	return row->seq == seen->rows; /* without holes */
}

static uint64_t count_events(struct store *r, int64_t job)
{
	struct seen seen = { 0 };
	enum store_result found;

	CHILD(r->ops->begin(r) == STORE_OK);
	found = r->ops->events(r, job, 0, false, SIZE_MAX, see_event, &seen);
	CHILD(found == STORE_OK || found == STORE_NONE);
	CHILD(r->ops->commit(r) == STORE_OK);
	CHILD(seen.bytes == seen.rows * 20000);
	return seen.rows;
}

/* Fills the disk (a limit on the size of files simulates it) and frees it again, three times. */
/* A database of this child's own, with one job. */
static struct database *open_with_job(const struct bench *b, enum durability durability,
                                      struct job_row *row)
{
	char error[512];
	struct database *db = database_open(b->location, durability, error, sizeof error);
	struct store *w = database_writer(db);

	CHILD(w->ops->begin(w) == STORE_OK && w->ops->job_put(w, row) == STORE_OK &&
	      w->ops->commit(w) == STORE_OK);
	return db;
}

static void disk_fills_up(const struct bench *b)
{
	struct job_row row = a_job("j");
	struct database *db = open_with_job(b, DURABILITY_FULL, &row);
	struct store *w = database_writer(db), *r = database_reader(db);
	uint64_t seq = 0;

	signal(SIGXFSZ, SIG_IGN);
	for (int round = 0; round < 3; round++) {
		enum store_result full;

		limit_files(size_of(b, "jobs.db-wal") + 100000 + 1000 * round);
		while ((full = add_big_event(w, row.key, seq + 1)) == STORE_OK)
			seq++;
		CHILD(full == STORE_FULL);
		CHILD(strstr(store_error(w), "full") || strstr(store_error(w), "I/O"));
		CHILD(add_big_event(w, row.key, seq + 1) == STORE_FULL);
		CHILD(count_events(r, row.key) == seq); /* what was committed can still be read */
		limit_files(-1);
		CHILD(add_big_event(w, row.key, ++seq) == STORE_OK);
		CHILD(count_events(r, row.key) == seq);
	}
	CHILD(seq >= 9);
	r->ops->close(r);
	database_close(db);
}

/* What store.h says: everything else in the transaction fails in the same way, until a rollback. */
static void reads_fail(struct store *w, int64_t job)
{
	struct job_row a_job_row;
	struct task_row task;
	struct deliverable_row deliverable;
	struct idempotency_row answer;
	struct signing_key_row signing;
	struct clock_row clock;
	struct task_counts counts;
	uint64_t rows;

	CHILD(w->ops->job_get(w, "j", &a_job_row) == STORE_FULL);
	CHILD(w->ops->jobs(w, -1, 0, 9, NULL, NULL) == STORE_FULL);
	CHILD(w->ops->task_get(w, job, "t", &task) == STORE_FULL);
	CHILD(w->ops->tasks(w, job, 0, NULL, NULL) == STORE_FULL);
	CHILD(w->ops->task_counts(w, job, &counts) == STORE_FULL);
	CHILD(w->ops->overdue_tasks(w, 1, 1, NULL, NULL) == STORE_FULL);
	CHILD(w->ops->deliverable_get(w, job, "d", &deliverable) == STORE_FULL);
	CHILD(w->ops->deliverables(w, job, NULL, NULL) == STORE_FULL);
	CHILD(w->ops->events(w, job, 0, false, 9, NULL, NULL) == STORE_FULL);
	CHILD(w->ops->idempotency_get(w, "j", "k", &answer) == STORE_FULL);
	CHILD(w->ops->access_keys(w, NULL, NULL) == STORE_FULL);
	CHILD(w->ops->signing_key_get(w, &signing) == STORE_FULL);
	CHILD(w->ops->revoked_tokens(w, NULL, NULL) == STORE_FULL);
	CHILD(w->ops->open_jobs(w, "k", 1, &rows) == STORE_FULL);
	CHILD(w->ops->clock_get(w, &clock) == STORE_FULL);
	CHILD(prunable(w, 1, 1, 1, 1, &rows) == STORE_FULL);
}

static void writes_fail(struct store *w, int64_t job)
{
	struct job_row a_job_row = a_job("other"), old = a_job("j");
	struct task_row task = a_task("t", 0);
	struct deliverable_row deliverable = { .id = "d", .title = "D" };
	struct event_row event = an_event(7);
	struct idempotency_row answer = an_answer("j", "k", 1);
	struct access_key_row key = { .id = "0123456789AB", .name = "n", .jobs = "*" };
	struct signing_key_row signing = { .id = "AAAA-_09" };
	struct revoked_token_row revoked = { .id = "0123456789012345678901" };
	struct clock_row clock = { .wall = 1 };

	old.key = job;
	CHILD(w->ops->job_put(w, &a_job_row) == STORE_FULL);
	CHILD(w->ops->job_delete(w, &old) == STORE_FULL);
	CHILD(w->ops->task_put(w, job, &task) == STORE_FULL);
	CHILD(w->ops->deliverable_put(w, job, &deliverable) == STORE_FULL);
	CHILD(w->ops->event_add(w, job, &event) == STORE_FULL);
	CHILD(w->ops->idempotency_put(w, &answer) == STORE_FULL);
	CHILD(w->ops->access_key_put(w, &key) == STORE_FULL);
	CHILD(w->ops->signing_key_put(w, &signing) == STORE_FULL);
	CHILD(w->ops->revoked_token_put(w, &revoked) == STORE_FULL);
	CHILD(w->ops->revoked_tokens_prune(w, 1) == STORE_FULL);
	CHILD(w->ops->clock_put(w, &clock) == STORE_FULL);
	CHILD(prune(w, 1, 1, 1, 1) == STORE_FULL);
	CHILD(w->ops->commit(w) == STORE_FULL);
}

static void transaction_is_lost(const struct bench *b)
{
	struct job_row row = a_job("j");
	struct database *db = open_with_job(b, DURABILITY_FULL, &row);
	struct store *w = database_writer(db), *r = database_reader(db);
	uint64_t seq = 1;

	signal(SIGXFSZ, SIG_IGN);
	limit_files(size_of(b, "jobs.db-wal") + 100000);
	while (add_and_keep_open(w, row.key, seq) == STORE_OK)
		seq++;
	limit_files(-1); /* the disk has room again, but the transaction is lost */
	reads_fail(w, row.key);
	writes_fail(w, row.key);
	w->ops->rollback(w);
	CHILD(count_events(r, row.key) == seq - 1);
	CHILD(add_big_event(w, row.key, seq) == STORE_OK);
	CHILD(count_events(r, row.key) == seq);
	r->ops->close(r);
	database_close(db);
}

static void after_a_failure_the_whole_transaction_fails(void **state)
{
	in_child(transaction_is_lost, *state);
}

static void full_disk_refuses_writes_until_there_is_space(void **state)
{
	struct bench *b = *state;
	sqlite3_stmt *st;
	sqlite3 *db;

	in_child(disk_fills_up, b);
	assert_int_equal(sqlite3_open(b->location, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &st, NULL),
	                 SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(st, 0), "ok");
	sqlite3_finalize(st);
	sqlite3_close(db);
}

/* The log has room but the database cannot grow. */
static void checkpoint_finds_no_space(const struct bench *b)
{
	struct job_row row = a_job("j");
	struct database *db = open_with_job(b, DURABILITY_PROCESS, &row);
	struct store *w = database_writer(db), *r = database_reader(db);
	uint64_t seq = 0;
	enum store_result found;

	signal(SIGXFSZ, SIG_IGN);
	while (size_of(b, "jobs.db-wal") < 9 << 20)
		CHILD(add_big_event(w, row.key, ++seq) == STORE_OK);
	limit_files(1 << 20);
	CHILD(w->ops->checkpoint(w) == STORE_FULL);
	CHILD(count_events(r, row.key) == seq);
	limit_files(-1);
	while ((found = w->ops->checkpoint(w)) == STORE_NONE)
		CHILD(add_big_event(w, row.key, ++seq) == STORE_OK);
	CHILD(found == STORE_OK);
	CHILD(size_of(b, "jobs.db") > 5 << 20);
	CHILD(count_events(r, row.key) == seq);
	r->ops->close(r);
	database_close(db);
}

static void full_disk_refuses_a_checkpoint_and_nothing_is_lost(void **state)
{
	in_child(checkpoint_finds_no_space, *state);
}

/* A log that is not large yet, of which another program still reads an old state. */
static void checkpoint_waits_for_a_reader(const struct bench *b)
{
	struct job_row row = a_job("j");
	struct database *db = open_with_job(b, DURABILITY_PROCESS, &row);
	struct store *w = database_writer(db), *r = database_reader(db);
	uint64_t seq = 0;
	enum store_result found;

	CHILD(r->ops->begin(r) == STORE_OK);
	while (size_of(b, "jobs.db-wal") < 18 << 20)
		CHILD(add_big_event(w, row.key, ++seq) == STORE_OK);
	while ((found = w->ops->checkpoint(w)) == STORE_NONE)
		;
	CHILD(found == STORE_BUSY); /* it must not be told that all is in the database */
	r->ops->rollback(r);
	while ((found = w->ops->checkpoint(w)) == STORE_NONE || found == STORE_BUSY)
		;
	CHILD(found == STORE_OK);
	CHILD(size_of(b, "jobs.db") > 5 << 20);
	r->ops->close(r);
	database_close(db);
}

static void a_checkpoint_that_a_reader_limits_is_not_complete(void **state)
{
	in_child(checkpoint_waits_for_a_reader, *state);
}

static void opens_on_a_full_disk(const struct bench *b)
{
	signal(SIGXFSZ, SIG_IGN);
	limit_files(2048);
	child_refused(b->location, "no space left");
}

static void full_disk_at_the_start_is_said(void **state)
{
	in_child(opens_on_a_full_disk, *state);
	bench_open(*state); /* what it left does not prevent that */
	bench_close(*state);
}

/* ---- the write-ahead log ---- */

static void write_events(struct store *w, int64_t job, uint64_t *seq, size_t size, int count)
{
	char *json = xmalloc(size);

	memset(json, 'x', size);
	OK(w->ops->begin(w));
	for (int i = 0; i < count; i++) {
		struct event_row event = { ++*seq, EVENT_COMMAND, 1, { json, size } };
		OK(w->ops->event_add(w, job, &event));
	}
	OK(w->ops->commit(w));
	free(json);
}

static void write_batch(struct store *w, int64_t job, uint64_t *seq, size_t size, int count)
{
	write_events(w, job, seq, size, count);
	assert_in_range(w->ops->checkpoint(w), STORE_OK, STORE_NONE);
}

/* While a program reads, so that the log cannot be restarted; on a slow machine that is told. */
static bool write_while_held_up(struct store *w, int64_t job, uint64_t *seq)
{
	write_events(w, job, seq, 100000, 20);
	enum store_result r = w->ops->checkpoint(w);
	return r == STORE_OK || r == STORE_NONE || r == STORE_BUSY;
}

static void open_quickly(struct bench *b, struct job_row *row)
{
	char error[512];

	b->db = database_open(b->location, DURABILITY_PROCESS, error, sizeof error);
	assert_non_null(b->db);
	b->writer = database_writer(b->db);
	b->reader = database_reader(b->db);
	OK(b->writer->ops->begin(b->writer));
	OK(b->writer->ops->job_put(b->writer, row));
	OK(b->writer->ops->commit(b->writer));
}

#define MIB (1 << 20)

static void checkpoints_keep_the_log_small(void **state)
{
	struct bench *b = *state;
	struct job_row row = a_job("j");
	uint64_t seq = 0;

	open_quickly(b, &row);
	while (seq < 100000) {
		write_batch(b->writer, row.key, &seq, 250, 100);
		assert_true(size_of(b, "jobs.db-wal") < 9 * MIB);
	}
	assert_true(size_of(b, "jobs.db") > 20 * MIB); /* so the log was restarted several times */
	bench_close(b);
}

static void log_that_a_reader_held_up_shrinks_again(void **state)
{
	struct bench *b = *state;
	struct job_row row = a_job("j");
	uint64_t seq = 0;
	enum store_result r;

	open_quickly(b, &row);
	OK(b->reader->ops->begin(b->reader));
	while (size_of(b, "jobs.db-wal") < 68 * MIB)
		assert_true(write_while_held_up(b->writer, row.key, &seq));
	OK(b->reader->ops->commit(b->reader));
	while ((r = b->writer->ops->checkpoint(b->writer)) == STORE_NONE)
		; /* until its pause is over */
	assert_int_equal(r, STORE_OK);
	write_batch(b->writer, row.key, &seq, 100000, 20);
	assert_true(size_of(b, "jobs.db-wal") < 12 * MIB);
	bench_close(b);
}

static bool count_event(void *context, const struct event_row *row)
{
	(void)row;
	++*(uint64_t *)context;
	return true;
}

/* Within the transaction of the reader. */
static uint64_t events_of(struct bench *b, int64_t job)
{
	uint64_t count = 0;

	OK(b->reader->ops->events(b->reader, job, 0, false, SIZE_MAX, count_event, &count));
	return count;
}

/* SQLite waits for other connections with the sleep function of its VFS. */
static unsigned sleeps;

static int count_sleep(sqlite3_vfs *vfs, int microseconds)
{
	(void)vfs;
	sleeps++;
	return microseconds;
}

static sqlite3_vfs *watch_sleeps(void)
{
	static sqlite3_vfs counting;

	counting = *sqlite3_vfs_find(NULL);
	counting.zName = "counting";
	counting.xSleep = count_sleep;
	assert_int_equal(sqlite3_vfs_register(&counting, 1), SQLITE_OK);
	sleeps = 0;
	return &counting;
}

static void program_that_goes_on_reading_is_told_of_and_not_waited_for(void **state)
{
	struct bench *b = *state;
	struct job_row row = a_job("j");
	uint64_t seq = 0;
	sqlite3_vfs *vfs = watch_sleeps();
	sqlite3 *other;
	enum store_result r;

	open_quickly(b, &row);
	assert_int_equal(sqlite3_open(b->location, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN; SELECT count(*) FROM jobs", NULL, NULL, NULL),
	                 SQLITE_OK);
	while (size_of(b, "jobs.db-wal") < 100 * MIB)
		assert_true(write_while_held_up(b->writer, row.key, &seq));
	while ((r = b->writer->ops->checkpoint(b->writer)) != STORE_BUSY)
		assert_int_equal(r, STORE_NONE);
	assert_non_null(strstr(store_error(b->writer), "another program"));
	sqlite3_close_v2(other);
	while ((r = b->writer->ops->checkpoint(b->writer)) != STORE_OK)
		assert_in_range(r, STORE_NONE, STORE_BUSY);
	assert_int_equal(size_of(b, "jobs.db-wal"), 0);
	assert_int_equal(sleeps, 0);
	bench_close(b);
	sqlite3_vfs_unregister(vfs);
}

/* ---- which thread copies ---- */

/* The number of bytes that this thread has written into files. */
static long long written_by_me(void)
{
	FILE *file = fopen("/proc/thread-self/io", "r");
	long long bytes = -1;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "rchar: %*d wchar: %lld", &bytes), 1);
	fclose(file);
	return bytes;
}

/*
 * Keeps writing a little until the log is restarted; returns the largest amount that one checkpoint
 * wrote in this thread.
 */
static long long most_in_one_checkpoint(struct bench *b, int64_t job, uint64_t *seq)
{
	const struct sqlite_session *s = (const struct sqlite_session *)b->writer;
	long long most = 0;

	do {
		struct event_row event = { ++*seq, EVENT_COMMAND, 1, SLICE("{}") };
		OK(b->writer->ops->begin(b->writer));
		OK(b->writer->ops->event_add(b->writer, job, &event));
		OK(b->writer->ops->commit(b->writer));
		long long before = written_by_me();
		assert_in_range(b->writer->ops->checkpoint(b->writer), STORE_OK, STORE_BUSY);
		long long wrote = written_by_me() - before;
		most = wrote > most ? wrote : most;
	} while ((long long)s->wal_pages * s->page_size > 20 * MIB);
	return most;
}

static void no_write_waits_while_a_large_log_is_copied(void **state)
{
	struct bench *b = *state;
	struct job_row row = a_job("j");
	uint64_t seq = 0;
	sqlite3 *other;

	open_quickly(b, &row);
	assert_int_equal(sqlite3_open(b->location, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN; SELECT count(*) FROM jobs", NULL, NULL, NULL),
	                 SQLITE_OK);
	while (size_of(b, "jobs.db-wal") < 100 * MIB)
		assert_true(write_while_held_up(b->writer, row.key, &seq));
	sqlite3_close_v2(other);
	assert_in_range(most_in_one_checkpoint(b, row.key, &seq), 0, 20 * MIB);
	bench_close(b);
	bench_open(b);
	OK(b->reader->ops->begin(b->reader));
	assert_int_equal(events_of(b, row.key), seq);
	OK(b->reader->ops->commit(b->reader));
	bench_close(b);
}

/* A reader prevents restarting a large log; then it ends, and the disk is full. */
static void large_log_finds_no_space(const struct bench *b)
{
	struct bench child = *b;
	struct job_row row = a_job("j");
	uint64_t seq = 0;
	enum store_result found;

	signal(SIGXFSZ, SIG_IGN);
	open_quickly(&child, &row);
	CHILD(child.reader->ops->begin(child.reader) == STORE_OK);
	while (size_of(b, "jobs.db-wal") < 72 * MIB)
		CHILD(add_big_event(child.writer, row.key, ++seq) == STORE_OK &&
		      child.writer->ops->checkpoint(child.writer) <= STORE_BUSY);
	CHILD(child.reader->ops->commit(child.reader) == STORE_OK);
	limit_files(1 << 20);
	while ((found = child.writer->ops->checkpoint(child.writer)) == STORE_NONE)
		; /* until its pause is over */
	CHILD(found == STORE_FULL);
	CHILD(child.writer->ops->checkpoint(child.writer) == STORE_NONE);
	CHILD(count_events(child.reader, row.key) == seq);
	limit_files(-1);
	while ((found = child.writer->ops->checkpoint(child.writer)) != STORE_OK)
		CHILD(found == STORE_NONE || found == STORE_FULL);
	CHILD(size_of(b, "jobs.db") > 30 * MIB);
	CHILD(count_events(child.reader, row.key) == seq);
	bench_close(&child);
}

/* Each attempt copies until the disk is full, so it must not be repeated after every write. */
static void full_disk_and_a_large_log_are_not_tried_again_at_once(void **state)
{
	in_child(large_log_finds_no_space, *state);
}

static void leaves_a_large_log(const struct bench *b)
{
	struct bench child = *b;
	struct job_row row = a_job("j");
	uint64_t seq = 0;

	open_quickly(&child, &row);
	OK(child.reader->ops->begin(child.reader));
	while (size_of(&child, "jobs.db-wal") < 100 * MIB)
		CHILD(write_while_held_up(child.writer, row.key, &seq));
	end_child(0);
}

static void no_write_waits_for_the_log_that_the_last_run_left(void **state)
{
	struct bench *b = *state;
	struct job_row row;

	in_child(leaves_a_large_log, b);
	bench_open(b);
	OK(b->reader->ops->begin(b->reader));
	OK(b->reader->ops->job_get(b->reader, "j", &row));
	uint64_t seq = events_of(b, row.key);
	OK(b->reader->ops->commit(b->reader));
	assert_in_range(most_in_one_checkpoint(b, row.key, &seq), 0, 20 * MIB);
	job_row_finish(&row);
	bench_close(b);
}

/* ---- counting ---- */

static int steps_to_count(struct bench *b, size_t limit)
{
	struct sqlite_session *s = (struct sqlite_session *)b->writer;
	sqlite3_stmt *st = NULL;
	uint64_t rows;

	do
		st = sqlite3_next_stmt(s->db, st);
	while (!strstr(sqlite3_sql(st), "coalesce(sum(events)"));
	sqlite3_stmt_status(st, SQLITE_STMTSTATUS_VM_STEP, 1);
	OK(b->writer->ops->begin(b->writer));
	OK(prunable(b->writer, INT64_MAX, 2, 3, limit, &rows));
	b->writer->ops->rollback(b->writer);
	assert_true(rows >= limit);
	return sqlite3_stmt_status(st, SQLITE_STMTSTATUS_VM_STEP, 1);
}

/*
 * A thousand of each kind: jobs that ended long ago, long logs, deleted jobs with and without
 * events, keys.
 */
static void counting_what_is_overdue_takes_no_longer_when_there_is_more(void **state)
{
	struct bench *b = *state;
	struct store *w;
	char id[16];

	bench_open(b);
	w = b->writer;
	OK(w->ops->begin(w));
	for (int i = 0; i < 4000; i++) {
		snprintf(id, sizeof id, "j%d", i);
		struct job_row row = a_job(id);
		struct idempotency_row answer = an_answer("", id, 1);
		row.key = job_with_events(w, id, i % 2 ? 5 : 0, i % 4 == 1 ? 1 : 10);
		if (i % 4 != 1 && i % 8 != 3)
			OK(w->ops->job_delete(w, &row));
		OK(w->ops->idempotency_put(w, &answer));
	}
	OK(w->ops->commit(w));
	assert_in_range(steps_to_count(b, 20), 1, 20 * 5 * 20);
	assert_true(steps_to_count(b, 10000) > 20 * 5 * 20);
	bench_close(b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup_closed, bench_teardown_closed)

int main(void)
{
	static const struct CMUnitTest promises[] = {
		TEST(opening_again_finds_everything),
		TEST(key_is_never_used_again_after_opening_again),
		TEST(rows_of_a_deleted_job_are_removed_by_the_next_start_too),
		TEST(the_file_gives_its_free_space_back_in_steps),
		TEST(a_file_of_an_earlier_version_keeps_its_free_space),
		TEST(an_import_of_a_process_that_died_is_removed),
		TEST(a_full_commit_is_synced),
		TEST(every_file_is_for_its_owner_and_group_only),
		TEST(killed_process_leaves_what_it_committed_and_no_more),
		TEST(snapshot_stays_while_the_writer_commits),
		TEST(stopping_leaves_one_file_and_its_lock),
		TEST(second_server_is_refused_and_told_by_whom),
		TEST(file_put_in_place_of_the_served_one_is_refused),
		TEST(no_file_gets_a_standard_descriptor),
		TEST(refusing_in_the_same_process_keeps_the_locks),
		TEST(missing_directory_is_named),
		TEST(place_where_no_file_can_be_made_is_named),
		TEST(what_is_not_a_file_is_refused),
		TEST(read_only_file_is_refused),
		TEST(file_of_somebody_else_is_refused),
		TEST(other_file_is_not_touched),
		TEST(damaged_header_is_refused),
		TEST(database_of_another_program_is_refused_and_not_touched),
		TEST(newer_schema_is_refused),
		TEST(damaged_row_breaks_the_read_and_nothing_else),
		TEST(a_row_that_was_never_written_so_breaks_its_read),
		TEST(two_tasks_never_have_the_same_position),
		TEST(damaged_pages_are_an_error_and_not_a_crash),
		TEST(full_disk_refuses_writes_until_there_is_space),
		TEST(after_a_failure_the_whole_transaction_fails),
		TEST(full_disk_refuses_a_checkpoint_and_nothing_is_lost),
		TEST(a_checkpoint_that_a_reader_limits_is_not_complete),
		TEST(full_disk_at_the_start_is_said),
		TEST(checkpoints_keep_the_log_small),
		TEST(log_that_a_reader_held_up_shrinks_again),
		TEST(program_that_goes_on_reading_is_told_of_and_not_waited_for),
		TEST(no_write_waits_while_a_large_log_is_copied),
		TEST(full_disk_and_a_large_log_are_not_tried_again_at_once),
		TEST(no_write_waits_for_the_log_that_the_last_run_left),
		TEST(counting_what_is_overdue_takes_no_longer_when_there_is_more),
	};

	return cmocka_run_group_tests_name("sqlite file", promises, NULL, NULL);
}
