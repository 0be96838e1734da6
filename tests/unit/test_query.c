/* The questions one can ask of the store.  The memory store answers. */
#include "store_kit.h"

#include "faulty_store.h"
#include "kit.h"
#include "joblight/core/json.h"
#include "joblight/core/keyring.h"
#include "joblight/core/query.h"

struct reading_bench {
	struct database *db;
	struct store *writer, *reader;
	struct read_result *result; /* of the last question */
	char json[4096];            /* its snapshot */
};

static int setup(void **state)
{
	struct reading_bench *b = xcalloc(1, sizeof(*b));

	b->db = open_or_fail(":memory:");
	b->writer = database_writer(b->db);
	b->reader = database_reader(b->db);
	OK(b->writer->ops->begin(b->writer));
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct reading_bench *b = *state;

	read_result_release(b->result);
	b->reader->ops->close(b->reader);
	database_close(b->db);
	free(b);
	return 0;
}

/* A job with the events first .. seq, whose JSON is {"n":N} and whose time is 10 * N. */
static struct job_row put_job(const struct reading_bench *b, const char *id, uint64_t first,
                              uint64_t seq)
{
	struct job_row row = a_job(id);
	char json[32];

	row.seq = seq;
	row.first = first;
	OK(b->writer->ops->job_put(b->writer, &row));
	for (uint64_t n = first; n <= seq; n++) {
		snprintf(json, sizeof(json), "{\"n\":%llu}", (unsigned long long)n);
		struct event_row event = { n, EVENT_COMMAND, (int64_t)(10 * n), slice_of(json) };
		OK(b->writer->ops->event_add(b->writer, row.key, &event));
	}
	return row;
}

static void written(const struct reading_bench *b)
{
	OK(b->writer->ops->commit(b->writer));
}

/* Asking. */

static const char *ask(struct reading_bench *b, const struct read_query *q)
{
	read_result_release(b->result);
	b->result = read_result_create();
	read_run(b->reader, NULL, q, b->result);
	if (!b->result->snapshot)
		return buf_string(&b->result->text);
	struct slice json = read_result_json(b->result);
	snprintf(b->json, sizeof(b->json), "%.*s", (int)json.len, json.ptr);
	return b->json;
}

static struct read_query about(enum read_kind kind, const char *job)
{
	struct read_query q = { .kind = kind, .status = -1, .limit = 100, .bytes = 100000 };

	snprintf(q.job_id, sizeof(q.job_id), "%s", job);
	return q;
}

static void resume(struct reading_bench *b, const char *position, size_t limit, size_t bytes)
{
	struct read_query q = about(READ_RESUME, "j");

	q.position = position_parse_time(slice_of(position));
	q.limit = limit;
	q.bytes = bytes;
	ask(b, &q);
	assert_int_equal(b->result->problem.outcome, OUTCOME_OK);
}

/* Exactly these events came, behind `start`. */
static void events_are(const struct reading_bench *b, uint64_t start, uint64_t last)
{
	const struct read_result *r = b->result;
	char json[32];

	assert_int_equal(r->resume, RESUME_EXACT);
	assert_int_equal(r->start, start);
	assert_int_equal(r->event_count, last - start);
	for (size_t i = 0; i < r->event_count; i++) {
		assert_int_equal(r->events[i].seq, start + 1 + i);
		assert_int_equal(r->events[i].type, EVENT_COMMAND);
		snprintf(json, sizeof(json), "{\"n\":%llu}", (unsigned long long)(start + 1 + i));
		assert_true(slice_is(read_event_json(r, &r->events[i]), json));
	}
}

static void a_snapshot_comes(const struct reading_bench *b, enum resume how,
                             enum reset_reason reason, uint64_t start)
{
	assert_int_equal(b->result->resume, how);
	assert_int_equal(b->result->reason, reason);
	assert_int_equal(b->result->start, start);
	assert_int_equal(b->result->event_count, 0);
	assert_int_equal(read_result_json(b->result).ptr[0], '{');
}

/* Going on. */

static void a_position_is_continued(void **state)
{
	struct reading_bench *b = *state;

	put_job(b, "j", 1, 9);
	put_job(b, "other", 1, 20);
	written(b);
	resume(b, "0123456789.0", 100, 100000);
	events_are(b, 0, 9);
	resume(b, "0123456789.4", 100, 100000);
	events_are(b, 4, 9);
	resume(b, "0123456789.9", 100, 100000);
	events_are(b, 9, 9);
	assert_int_equal(b->result->head, 9);
	assert_string_equal(b->result->epoch, "0123456789");
	assert_string_equal(b->result->title, "a title");
	assert_int_equal(b->result->status, JOB_IN_PROGRESS);
}

static void a_piece_is_limited_and_never_empty(void **state)
{
	struct reading_bench *b = *state;

	put_job(b, "j", 1, 9);
	written(b);
	resume(b, "0123456789.2", 3, 100000);
	events_are(b, 2, 5);
	resume(b, "0123456789.2", 100, 3 * strlen("{\"n\":3}"));
	events_are(b, 2, 5);
	resume(b, "0123456789.2", 100, 3 * strlen("{\"n\":3}") - 1);
	events_are(b, 2, 4);
	resume(b, "0123456789.2", 100, 1);
	events_are(b, 2, 3);
}

static void what_cannot_be_continued_is_a_snapshot_with_the_reason(void **state)
{
	struct reading_bench *b = *state;

	put_job(b, "j", 4, 9);
	written(b);
	resume(b, "", 100, 100000);
	a_snapshot_comes(b, RESUME_FRESH, RESET_NONE, 9);
	resume(b, "abc", 100, 100000);
	a_snapshot_comes(b, RESUME_RESET, RESET_INVALID, 9);
	resume(b, "zzzzzzzzzz.5", 100, 100000);
	a_snapshot_comes(b, RESUME_RESET, RESET_EPOCH, 9);
	resume(b, "0123456789.10", 100, 100000);
	a_snapshot_comes(b, RESUME_RESET, RESET_FUTURE, 9);
	resume(b, "0123456789.2", 100, 100000);
	a_snapshot_comes(b, RESUME_RESET, RESET_PRUNED, 9);
	resume(b, "0123456789.3", 100, 100000);
	events_are(b, 3, 9);
}

static void a_time_is_the_position_in_front_of_it(void **state)
{
	static const struct {
		const char *time;
		uint64_t start;
	} times[] = { { "0", 0 },  { "10", 0 }, { "11", 1 }, { "50", 4 },
		      { "51", 5 }, { "90", 8 }, { "91", 9 }, { "1000000", 9 } };
	struct reading_bench *b = *state;

	put_job(b, "j", 1, 9);
	written(b);
	for (size_t i = 0; i < COUNT(times); i++) {
		resume(b, times[i].time, 100, 100000);
		events_are(b, times[i].start, 9);
	}
	resume(b, "1970-01-01T00:00:00.050Z", 100, 100000);
	events_are(b, 4, 9);
}

static void a_time_that_may_reach_into_what_was_pruned_is_reset(void **state)
{
	struct reading_bench *b = *state;

	put_job(b, "j", 4, 9);
	written(b);
	resume(b, "0", 100, 100000);
	a_snapshot_comes(b, RESUME_RESET, RESET_PRUNED, 9);
	resume(b, "40", 100, 100000); /* there may have been another one at the same time */
	a_snapshot_comes(b, RESUME_RESET, RESET_PRUNED, 9);
	resume(b, "41", 100, 100000);
	events_are(b, 4, 9);
}

/* Looking. */

static void a_snapshot_has_everything(void **state)
{
	struct reading_bench *b = *state;
	struct job_row job = put_job(b, "j", 1, 2);
	struct task_row task = a_task("t", 0);
	struct deliverable_row deliverable = { "d", "D", NULL, NULL, 1 };
	struct read_query q = about(READ_JOB, "j");
	size_t at;

	OK(b->writer->ops->task_put(b->writer, job.key, &task));
	OK(b->writer->ops->deliverable_put(b->writer, job.key, &deliverable));
	written(b);
	assert_non_null(strstr(
	    ask(b, &q), "\"tasks\":[{\"id\":\"t\",\"status\":\"pending\",\"title\":\"a task\""));
	assert_non_null(
	    strstr(ask(b, &q), "\"deliverables\":[{\"id\":\"d\",\"title\":\"D\",\"createdAt\":"));
	assert_non_null(
	    strstr(ask(b, &q), "\"seq\":2,\"epoch\":\"0123456789\",\"cursor\":\"0123456789.2\"}"));
	assert_null(json_check(read_result_json(b->result), 8, &at));
	q.kind = READ_TASKS;
	assert_ptr_equal(strstr(ask(b, &q), "\"tasks\":[{\"id\":\"t\""), b->json);
	assert_string_equal(b->json + strlen(b->json) - 2, "}]");
	assert_null(strstr(b->json, "deliverables"));
	q.kind = READ_DELIVERABLES;
	assert_ptr_equal(strstr(ask(b, &q), "\"deliverables\":[{\"id\":\"d\""), b->json);
	assert_string_equal(b->json + strlen(b->json) - 2, "}]");
}

static void a_job_without_anything_has_empty_lists(void **state)
{
	struct reading_bench *b = *state;
	struct read_query q = about(READ_TASKS, "j");

	put_job(b, "j", 1, 1);
	written(b);
	assert_string_equal(ask(b, &q), "\"tasks\":[]");
	q.kind = READ_DELIVERABLES;
	assert_string_equal(ask(b, &q), "\"deliverables\":[]");
	q.kind = READ_JOB;
	assert_non_null(strstr(ask(b, &q), "\"tasks\":[],\"deliverables\":[],\"seq\":1,"));
}

static void a_job_that_is_not_there_is_not_found(void **state)
{
	struct reading_bench *b = *state;

	written(b);
	for (int kind = READ_RESUME; kind <= READ_ACTIVITY; kind++) {
		struct read_query q = about((enum read_kind)kind, "nobody");
		if (kind == READ_JOBS)
			continue;
		ask(b, &q);
		assert_int_equal(b->result->problem.outcome, OUTCOME_NOT_FOUND);
	}
}

static void activity_is_paged_both_ways(void **state)
{
	struct reading_bench *b = *state;
	struct read_query q = about(READ_ACTIVITY, "j");

	put_job(b, "j", 1, 5);
	written(b);
	q.limit = 2;
	assert_string_equal(ask(b, &q), "{\"activity\":[{\"n\":1},{\"n\":2}],\"nextAfter\":2}");
	q.from = 2;
	assert_string_equal(ask(b, &q), "{\"activity\":[{\"n\":3},{\"n\":4}],\"nextAfter\":4}");
	q.from = 4;
	assert_string_equal(ask(b, &q), "{\"activity\":[{\"n\":5}]}");
	q.from = 5;
	assert_string_equal(ask(b, &q), "{\"activity\":[]}");
	q.descending = true;
	q.from = UINT64_MAX;
	assert_string_equal(ask(b, &q), "{\"activity\":[{\"n\":5},{\"n\":4}],\"nextAfter\":4}");
	q.from = 4;
	q.limit = 3;
	assert_string_equal(ask(b, &q), "{\"activity\":[{\"n\":3},{\"n\":2},{\"n\":1}]}");
}

static void activity_says_what_is_the_first_when_more_was_asked_for(void **state)
{
	struct reading_bench *b = *state;
	struct read_query q = about(READ_ACTIVITY, "j");

	put_job(b, "j", 3, 5);
	written(b);
	assert_string_equal(ask(b, &q),
	                    "{\"activity\":[{\"n\":3},{\"n\":4},{\"n\":5}],\"first\":3}");
	q.from = 1;
	q.limit = 1;
	assert_string_equal(ask(b, &q), "{\"activity\":[{\"n\":3}],\"nextAfter\":3,\"first\":3}");
	q.from = 2;
	assert_string_equal(ask(b, &q), "{\"activity\":[{\"n\":3}],\"nextAfter\":3}");
	q.descending = true;
	q.from = UINT64_MAX;
	q.limit = 2;
	assert_string_equal(ask(b, &q), "{\"activity\":[{\"n\":5},{\"n\":4}],\"nextAfter\":4}");
	q.limit = 3;
	assert_string_equal(ask(b, &q),
	                    "{\"activity\":[{\"n\":5},{\"n\":4},{\"n\":3}],\"first\":3}");
	q.from = 2;
	assert_string_equal(ask(b, &q), "{\"activity\":[],\"first\":3}");
}

static void a_page_has_so_many_bytes_and_never_less_than_a_row(void **state)
{
	struct reading_bench *b = *state;
	struct read_query q = about(READ_ACTIVITY, "j");
	const char *two = "{\"activity\":[{\"n\":1},{\"n\":2}";

	put_job(b, "j", 1, 5);
	written(b);
	q.bytes = strlen(two);
	assert_string_equal(ask(b, &q), "{\"activity\":[{\"n\":1},{\"n\":2}],\"nextAfter\":2}");
	q.bytes--;
	assert_string_equal(ask(b, &q), "{\"activity\":[{\"n\":1}],\"nextAfter\":1}");
	q.bytes = 1;
	assert_string_equal(ask(b, &q), "{\"activity\":[{\"n\":1}],\"nextAfter\":1}");
}

static void the_head_alone_needs_no_tasks(void **state)
{
	struct reading_bench *b = *state;
	struct read_query q = about(READ_HEAD, "j");

	put_job(b, "j", 1, 7);
	written(b);
	ask(b, &q);
	assert_int_equal(b->result->head, 7);
	assert_string_equal(b->result->epoch, "0123456789");
	assert_int_equal(read_result_json(b->result).len, 0);
}

/* The ids in an answer, in order. */
static const char *ids(struct reading_bench *b, const struct read_query *q, const char **token)
{
	static char out[64];
	const char *at = ask(b, q);

	out[0] = '\0';
	*token = strstr(at, "\"nextPageToken\":\"");
	while ((at = strstr(at, "{\"id\":\""))) {
		at += strlen("{\"id\":\"");
		snprintf(out + strlen(out), sizeof(out) - strlen(out), "%.*s ",
		         (int)strcspn(at, "\""), at);
	}
	return out;
}

static void jobs_are_listed_newest_first_in_pages(void **state)
{
	struct reading_bench *b = *state;
	struct read_query q = about(READ_JOBS, "");
	const char *token;

	for (const char *id = "a\0b\0c\0d\0e\0"; *id; id += 2)
		put_job(b, id, 1, 1);
	written(b);
	q.limit = 2;
	assert_string_equal(ids(b, &q, &token), "e d ");
	assert_non_null(token);
	q.below = atoi(token + strlen("\"nextPageToken\":\""));
	assert_string_equal(ids(b, &q, &token), "c b ");
	q.below = atoi(token + strlen("\"nextPageToken\":\""));
	assert_string_equal(ids(b, &q, &token), "a ");
	assert_null(token);
	q = about(READ_JOBS, "");
	q.status = JOB_COMPLETED;
	assert_string_equal(ids(b, &q, &token), "");
	q.status = JOB_IN_PROGRESS;
	q.limit = 5;
	assert_string_equal(ids(b, &q, &token), "e d c b a ");
	assert_null(token);
}

static void a_store_that_fails_is_a_503_and_works_again(void **state)
{
	struct reading_bench *b = *state;
	struct store *reader = b->reader;
	struct faulty_store faulty;
	struct store_ops ops;
	int failures = 0;

	put_job(b, "j", 1, 5);
	written(b);
	faulty_init(&faulty, reader, &ops, true);
	b->reader = &faulty.base;
	for (int kind = READ_RESUME; kind <= READ_ACTIVITY; kind++)
		for (unsigned long n = 1; n <= 6; n++) {
			struct read_query q = about((enum read_kind)kind, "j");
			faulty.calls = 0;
			faulty.fails_at = n;
			faulty.how = STORE_BUSY;
			ask(b, &q);
			failures += b->result->problem.outcome == OUTCOME_STORAGE_UNAVAILABLE;
			assert_true(b->result->problem.outcome == OUTCOME_OK ||
			            b->result->problem.outcome == OUTCOME_STORAGE_UNAVAILABLE);
			faulty.fails_at = 0;
			ask(b, &q);
			assert_int_equal(b->result->problem.outcome, OUTCOME_OK);
		}
	assert_true(failures >= 15);
	b->reader = reader;
}

/* Each call of the store fails in turn; without a failure the outcome is `works`. */
static int failures_of(struct reading_bench *b, const struct read_query *q, enum outcome works)
{
	struct store *reader = b->reader;
	struct faulty_store faulty;
	struct store_ops ops;
	int failures = 0;

	faulty_init(&faulty, reader, &ops, true);
	b->reader = &faulty.base;
	do {
		faulty.calls = 0;
		faulty.fails_at++;
		faulty.how = STORE_BROKEN;
		ask(b, q);
		failures += b->result->problem.outcome == OUTCOME_STORAGE_UNAVAILABLE;
	} while (b->result->problem.outcome == OUTCOME_STORAGE_UNAVAILABLE);
	assert_int_equal(b->result->problem.outcome, works);
	assert_true(faulty.calls < faulty.fails_at); /* none was left */
	b->reader = reader;
	return failures;
}

static void heads_and_keys_are_read(void **state)
{
	struct reading_bench *b = *state;
	const char ids[][ID_MAX + 1] = { "j", "nobody", "k" };
	struct read_query heads = about(READ_HEADS, ""), keys = about(READ_KEYS, "");

	heads.ids = ids;
	heads.id_count = COUNT(ids);
	put_job(b, "j", 1, 5);
	put_job(b, "k", 1, 9);
	written(b);
	ask(b, &heads);
	assert_int_equal(b->result->head_count, 2);
	assert_string_equal(b->result->heads[0].job_id, "j");
	assert_int_equal(b->result->heads[0].seq, 5);
	assert_string_equal(b->result->heads[1].job_id, "k");
	assert_int_equal(b->result->heads[1].seq, 9);
	assert_int_equal(failures_of(b, &heads, OUTCOME_OK), 2);
	ask(b, &keys);
	assert_true(b->result->keyring && keyring_is_open(b->result->keyring));
	assert_int_equal(failures_of(b, &keys, OUTCOME_OK), 5);
}

/* A list reads the counts of each job, a time is found by bisection, and so on. */
static void no_call_of_the_store_may_fail_unnoticed(void **state)
{
	struct reading_bench *b = *state;
	struct read_query jobs = about(READ_JOBS, ""), since = about(READ_RESUME, "j"),
	                  gone = about(READ_RESUME, "none"), head = about(READ_HEAD, "none");

	for (int i = 0; i < 3; i++)
		put_job(b, i ? i == 1 ? "k" : "l" : "j", 1, 64);
	written(b);
	since.position = position_parse_time(SLICE("300"));
	gone.position = position_parse(SLICE("0123456789.3"));
	assert_int_equal(failures_of(b, &jobs, OUTCOME_OK), 2 + 3);
	assert_in_range(failures_of(b, &since, OUTCOME_OK), 2 + 6, 2 + 6 + 3);
	assert_in_range(failures_of(b, &gone, OUTCOME_NOT_FOUND), 2, 3);
	assert_int_equal(failures_of(b, &head, OUTCOME_NOT_FOUND), 2);
}

/* Sharing. */

static void equal_questions_are_found_equal_and_others_not(void **state)
{
	struct read_query a = about(READ_RESUME, "j"), changed[10];

	(void)state;
	for (size_t i = 0; i < COUNT(changed); i++)
		changed[i] = a;
	changed[0].kind = READ_JOB;
	changed[1].job_id[0] = 'k';
	changed[2].position = position_parse(SLICE("a.0"));
	changed[3].position = position_parse(SLICE("abc"));
	changed[4].position = position_parse_time(SLICE("7"));
	changed[5].from = 1;
	changed[6].descending = true;
	changed[7].status = 1;
	changed[8].below = 1;
	changed[9].limit = 1;
	for (size_t i = 0; i < COUNT(changed); i++)
		assert_false(read_query_equal(&a, &changed[i]));
	struct read_query same = a;
	assert_true(read_query_equal(&a, &same));
	assert_true(read_query_hash(&a) == read_query_hash(&same));
	same.bytes = 1;
	assert_false(read_query_equal(&a, &same));
}

#define READING_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		READING_TEST(a_position_is_continued),
		READING_TEST(a_piece_is_limited_and_never_empty),
		READING_TEST(what_cannot_be_continued_is_a_snapshot_with_the_reason),
		READING_TEST(a_time_is_the_position_in_front_of_it),
		READING_TEST(a_time_that_may_reach_into_what_was_pruned_is_reset),
		READING_TEST(a_snapshot_has_everything),
		READING_TEST(a_job_without_anything_has_empty_lists),
		READING_TEST(a_job_that_is_not_there_is_not_found),
		READING_TEST(activity_is_paged_both_ways),
		READING_TEST(activity_says_what_is_the_first_when_more_was_asked_for),
		READING_TEST(a_page_has_so_many_bytes_and_never_less_than_a_row),
		READING_TEST(the_head_alone_needs_no_tasks),
		READING_TEST(jobs_are_listed_newest_first_in_pages),
		READING_TEST(a_store_that_fails_is_a_503_and_works_again),
		READING_TEST(heads_and_keys_are_read),
		READING_TEST(no_call_of_the_store_may_fail_unnoticed),
		TEST(equal_questions_are_found_equal_and_others_not),
	};

	return RUN("query", tests);
}
