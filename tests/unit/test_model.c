#include "kit.h"

#include "joblight/core/model.h"

static void job_statuses_are_the_contracts(void **state)
{
	static const struct {
		const char *text;
		enum job_status status;
		bool terminal;
	} all[] = {
		{ "pending", JOB_PENDING, false },     { "in_progress", JOB_IN_PROGRESS, false },
		{ "revisions", JOB_REVISIONS, false }, { "hardening", JOB_HARDENING, false },
		{ "completed", JOB_COMPLETED, true },  { "failed", JOB_FAILED, true },
		{ "cancelled", JOB_CANCELLED, true },
	};
	enum job_status s;

	(void)state;
	assert_int_equal(COUNT(all), JOB_STATUS_COUNT);
	for (size_t i = 0; i < COUNT(all); i++) {
		assert_true(job_status_parse(slice_of(all[i].text), &s));
		assert_int_equal(s, all[i].status);
		assert_string_equal(job_status_text(s), all[i].text);
		assert_int_equal(job_status_terminal(s), all[i].terminal);
	}
	assert_string_equal(
	    job_status_all(),
	    "pending, in_progress, revisions, hardening, completed, failed, cancelled");
}

static void task_statuses_are_the_contracts(void **state)
{
	static const struct {
		const char *text;
		enum task_status status;
		bool terminal;
	} all[] = {
		{ "pending", TASK_PENDING, false }, { "in_progress", TASK_IN_PROGRESS, false },
		{ "blocked", TASK_BLOCKED, false }, { "completed", TASK_COMPLETED, true },
		{ "failed", TASK_FAILED, true },    { "cancelled", TASK_CANCELLED, true },
	};
	enum task_status s;

	(void)state;
	assert_int_equal(COUNT(all), TASK_STATUS_COUNT);
	for (size_t i = 0; i < COUNT(all); i++) {
		assert_true(task_status_parse(slice_of(all[i].text), &s));
		assert_int_equal(s, all[i].status);
		assert_string_equal(task_status_text(s), all[i].text);
		assert_int_equal(task_status_terminal(s), all[i].terminal);
	}
	assert_string_equal(task_status_all(),
	                    "pending, in_progress, blocked, completed, failed, cancelled");
}

/* The store keeps them as numbers: what has one must never get another. */
static void stored_numbers_do_not_change(void **state)
{
	(void)state;
	assert_int_equal(JOB_PENDING, 0);
	assert_int_equal(JOB_HARDENING, 3);
	assert_int_equal(JOB_COMPLETED, 4);
	assert_int_equal(JOB_CANCELLED, 6);
	assert_int_equal(TASK_PENDING, 0);
	assert_int_equal(TASK_BLOCKED, 2);
	assert_int_equal(TASK_COMPLETED, 3);
	assert_int_equal(TASK_CANCELLED, 5);
	assert_int_equal(EVENT_TASK_UPDATE, 0);
	assert_int_equal(EVENT_JOB_UPDATE, 1);
	assert_int_equal(EVENT_DELIVERABLE, 2);
	assert_int_equal(EVENT_COMMAND, 3);
}

static void other_words_are_no_status(void **state)
{
	static const char *const bad[] = {
		"", "PENDING", "Pending", "pendin", "pending ", " pending", "done", "in progress",
	};
	enum job_status job;
	enum task_status task;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_false(job_status_parse(slice_of(bad[i]), &job));
		assert_false(task_status_parse(slice_of(bad[i]), &task));
	}
	assert_false(job_status_parse(SLICE("pending\0"), &job));
	assert_false(job_status_parse(SLICE("blocked"), &job));
	assert_false(task_status_parse(SLICE("hardening"), &task));
}

static void event_types_are_the_contracts(void **state)
{
	(void)state;
	assert_int_equal(EVENT_LOGGED_COUNT, 4);
	assert_int_equal(EVENT_TYPE_COUNT, 5);
	assert_string_equal(event_type_text(EVENT_TASK_UPDATE), "task_update");
	assert_string_equal(event_type_text(EVENT_JOB_UPDATE), "job_update");
	assert_string_equal(event_type_text(EVENT_DELIVERABLE), "deliverable");
	assert_string_equal(event_type_text(EVENT_COMMAND), "command");
	assert_string_equal(event_type_text(EVENT_PRESENCE), "presence");
	assert_string_equal(event_type_all(),
	                    "task_update, job_update, deliverable, command, presence");
}

static void keys_are_visible_ascii(void **state)
{
	static const char *const bad[] = { "", " ", "a b", "a\t", "a\n", "\x7f", "\xc3\xa9" };
	char longest[KEY_MAX + 1];

	(void)state;
	memset(longest, '~', sizeof(longest));
	assert_true(key_valid((struct slice){ longest, KEY_MAX }));
	assert_false(key_valid((struct slice){ longest, KEY_MAX + 1 }));
	assert_true(key_valid(SLICE("!")));
	assert_false(key_valid(SLICE("a\0")));
	assert_false(key_valid((struct slice){ 0 }));
	for (size_t i = 0; i < COUNT(bad); i++)
		if (key_valid(slice_of(bad[i])))
			fail_msg("taken: %s", bad[i]);
}

static void ids_are_plain_words(void **state)
{
	static const char *const good[] = {
		"a", "0", "Z", "a.b_c~d-e", "018f3c2e-7d1a-7000-8000-0123456789ab", "a..", "1",
	};
	static const char *const bad[] = {
		"",    ".",    "..",  "-a",       "_a",        "~a",
		".a",  "a b",  "a/b", "a\\b",     "a'b",       "'; DROP TABLE jobs",
		"a\n", "a%20", "a:b", "\xc3\xa9", "a\xc3\xa9", "a\x7f",
		"a+b", "a,b",  "a?b", "a#b",      "a\"b",
	};
	char longest[ID_MAX + 2];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(id_valid(slice_of(good[i])));
	for (size_t i = 0; i < COUNT(bad); i++)
		if (id_valid(slice_of(bad[i])))
			fail_msg("taken: %s", bad[i]);
	memset(longest, 'x', sizeof(longest));
	assert_true(id_valid((struct slice){ longest, ID_MAX }));
	assert_false(id_valid((struct slice){ longest, ID_MAX + 1 }));
	assert_false(id_valid(SLICE("a\0")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(job_statuses_are_the_contracts), TEST(task_statuses_are_the_contracts),
		TEST(stored_numbers_do_not_change),   TEST(other_words_are_no_status),
		TEST(event_types_are_the_contracts),  TEST(ids_are_plain_words),
		TEST(keys_are_visible_ascii),
	};

	return RUN("model", tests);
}
