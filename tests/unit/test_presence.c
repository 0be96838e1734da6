#include "kit.h"

#include "many.h"

#include "joblight/core/presence.h"

struct bench {
	struct presence *presence;
	char changed[128]; /* "j k " … */
};

static void note_change(void *context, const char *job_id)
{
	struct bench *b = context;
	size_t len = strlen(b->changed);

	snprintf(b->changed + len, sizeof(b->changed) - len, "%s ", job_id);
}

static int open_bench(void **state)
{
	static struct bench b;

	b.changed[0] = '\0';
	b.presence = presence_create(3, note_change, &b);
	*state = &b;
	return 0;
}

static int close_bench(void **state)
{
	presence_free(((struct bench *)*state)->presence);
	return 0;
}

static bool hear_from(struct bench *b, unsigned loop, uint64_t owner, const char *job,
                      const char *agent, const char *status, uint64_t due)
{
	struct presence_report w = { .owner = owner, .loop = loop, .due_ms = due };

	snprintf(w.job_id, sizeof(w.job_id), "%s", job);
	snprintf(w.agent, sizeof(w.agent), "%s", agent);
	snprintf(w.state, sizeof(w.state), "%s", status);
	return presence_apply(b->presence, &w);
}

static void hear(struct bench *b, const char *job, const char *agent, const char *status,
                 uint64_t due)
{
	assert_true(hear_from(b, 0, 0, job, agent, status, due));
}

static void agents_are(const struct bench *b, const char *job, const char *json)
{
	struct buf out = { 0 };

	presence_encode(b->presence, job, &out);
	assert_string_equal(buf_string(&out), json);
	buf_finish(&out);
}

static void changed_are(struct bench *b, const char *jobs)
{
	assert_string_equal(b->changed, jobs);
	b->changed[0] = '\0';
}

static void agents_are_listed_in_the_order_they_came(void **state)
{
	struct bench *b = *state;
	struct presence_report w = {
		.job_id = "j", .agent = "cy", .state = "on \"it\"", .task_id = "t3", .due_ms = 100
	};

	agents_are(b, "j", "[]");
	hear(b, "j", "bo", "working", 100);
	hear(b, "j", "ann", "typing", 100);
	assert_true(presence_apply(b->presence, &w));
	agents_are(b, "j",
	           "[{\"id\":\"bo\",\"state\":\"working\"},{\"id\":\"ann\",\"state\":\"typing\"},"
	           "{\"id\":\"cy\",\"state\":\"on \\\"it\\\"\",\"taskId\":\"t3\"}]");
	agents_are(b, "k", "[]");
	changed_are(b, "j j j ");
}

static void the_same_word_again_changes_nothing_but_its_time(void **state)
{
	struct bench *b = *state;

	hear(b, "j", "ann", "idle", 100);
	changed_are(b, "j ");
	hear(b, "j", "ann", "idle", 200);
	changed_are(b, "");
	presence_tick(b->presence, 199);
	agents_are(b, "j", "[{\"id\":\"ann\",\"state\":\"idle\"}]");
	presence_tick(b->presence, 200);
	agents_are(b, "j", "[]");
	changed_are(b, "j ");
}

/* What another loop heard may come here late. */
static void words_end_in_time_in_whatever_order_they_come(void **state)
{
	struct bench *b = *state;

	hear(b, "j", "ann", "idle", 200);
	hear(b, "j", "bo", "idle", 100);
	hear(b, "j", "cy", "idle", 150);
	presence_tick(b->presence, 100);
	agents_are(b, "j",
	           "[{\"id\":\"ann\",\"state\":\"idle\"},{\"id\":\"cy\",\"state\":\"idle\"}]");
	hear(b, "j", "ann", "idle", 120);
	presence_tick(b->presence, 120);
	agents_are(b, "j", "[{\"id\":\"cy\",\"state\":\"idle\"}]");
	presence_tick(b->presence, 150);
	agents_are(b, "j", "[]");
}

static void an_empty_state_ends_the_presence(void **state)
{
	struct bench *b = *state;

	hear(b, "j", "ann", "idle", 100);
	hear(b, "j", "bo", "idle", 100);
	hear(b, "j", "ann", "", 100);
	changed_are(b, "j j j ");
	agents_are(b, "j", "[{\"id\":\"bo\",\"state\":\"idle\"}]");
	hear(b, "j", "nobody", "", 100);
	hear(b, "k", "nobody", "", 100);
	changed_are(b, "");
}

static void a_job_has_so_many_agents(void **state)
{
	struct bench *b = *state;

	hear(b, "j", "a", "idle", 100);
	hear(b, "j", "b", "idle", 100);
	hear(b, "j", "c", "idle", 100);
	assert_false(hear_from(b, 0, 0, "j", "d", "idle", 100));
	changed_are(b, "j j j ");
	hear(b, "j", "a", "typing", 100);
	hear(b, "k", "d", "idle", 100);
	hear(b, "j", "b", "", 100);
	hear(b, "j", "d", "idle", 100);
}

static void agents_go_with_the_connection_that_told_of_them(void **state)
{
	struct bench *b = *state;

	assert_true(hear_from(b, 0, 7, "j", "ann", "idle", 100));
	assert_true(hear_from(b, 0, 7, "k", "ann", "idle", 100));
	assert_true(hear_from(b, 1, 7, "j", "bo", "idle",
	                      100)); /* the same number on another loop is another one */
	hear(b, "j", "cy", "idle", 100);
	changed_are(b, "j k j j ");
	presence_drop_owner(b->presence, 0, 7);
	agents_are(b, "j",
	           "[{\"id\":\"bo\",\"state\":\"idle\"},{\"id\":\"cy\",\"state\":\"idle\"}]");
	agents_are(b, "k", "[]");
	presence_drop_owner(b->presence, 0, 7);
	presence_drop_owner(b->presence, 5, 5);
	agents_are(b, "j",
	           "[{\"id\":\"bo\",\"state\":\"idle\"},{\"id\":\"cy\",\"state\":\"idle\"}]");
}

static void the_last_word_says_who_the_owner_is(void **state)
{
	struct bench *b = *state;

	assert_true(hear_from(b, 0, 7, "j", "ann", "idle", 100));
	assert_true(
	    hear_from(b, 0, 8, "j", "ann", "idle", 100)); /* came back on another connection */
	presence_drop_owner(b->presence, 0, 7);
	agents_are(b, "j", "[{\"id\":\"ann\",\"state\":\"idle\"}]");
	presence_drop_owner(b->presence, 0, 8);
	agents_are(b, "j", "[]");
}

static void every_agent_of_thousands_is_found(void **state)
{
	struct bench *b = *state;

	for (unsigned i = 0; i < NAMES; i++)
		assert_true(hear_from(b, i % 3, i + 1, many_id(i), "ann", "idle", 100 + i % 7));
	for (unsigned i = 0; i < NAMES; i += 2) /* their connections close */
		presence_drop_owner(b->presence, i % 3, i + 1);
	for (unsigned i = 0; i < NAMES; i++)
		agents_are(b, many_id(i), i % 2 ? "[{\"id\":\"ann\",\"state\":\"idle\"}]" : "[]");
	presence_tick(b->presence, 107);
	for (unsigned i = 0; i < NAMES; i++)
		agents_are(b, many_id(i), "[]");
}

static void another_task_is_a_change(void **state)
{
	struct bench *b = *state;
	struct presence_report w = { .job_id = "j", .agent = "a", .state = "on", .due_ms = 100 };

	assert_true(presence_apply(b->presence, &w));
	snprintf(w.task_id, sizeof(w.task_id), "t");
	assert_true(presence_apply(b->presence, &w));
	changed_are(b, "j j ");
	agents_are(b, "j", "[{\"id\":\"a\",\"state\":\"on\",\"taskId\":\"t\"}]");
}

#define PRESENCE_TEST(f) cmocka_unit_test_setup_teardown(f, open_bench, close_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PRESENCE_TEST(agents_are_listed_in_the_order_they_came),
		PRESENCE_TEST(the_same_word_again_changes_nothing_but_its_time),
		PRESENCE_TEST(words_end_in_time_in_whatever_order_they_come),
		PRESENCE_TEST(an_empty_state_ends_the_presence),
		PRESENCE_TEST(a_job_has_so_many_agents),
		PRESENCE_TEST(agents_go_with_the_connection_that_told_of_them),
		PRESENCE_TEST(the_last_word_says_who_the_owner_is),
		PRESENCE_TEST(every_agent_of_thousands_is_found),
		PRESENCE_TEST(another_task_is_a_change),
	};

	return RUN("presence", tests);
}
