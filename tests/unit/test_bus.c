/* The bus of one process: a commit reaches every loop, an answer the loop that asked, and what one
 * loop tells reaches all others. */
#include "kit.h"

#include "joblight/base/buf.h"
#include "joblight/bus/buses.h"

#define LOOPS 3

/* A loop that writes down what it is told. */
static struct ear {
	struct buf heard;
} ears[LOOPS];

static void on_commit(void *loop, struct batch *batch, struct op *ops)
{
	struct buf *heard = &((struct ear *)loop)->heard;

	buf_format(heard, "commit %zu", batch ? batch->count : 0);
	for (struct op *op = ops, *next; op; op = next) {
		next = (struct op *)op->mail.next;
		buf_format(heard, " %s", op->job_id);
		op_free(op);
	}
	buf_text(heard, ";");
}

static bool on_offer(void *loop, struct batch *batch)
{
	on_commit(loop, batch, NULL);
	return true;
}

static void on_watchers(void *loop, unsigned from, const char *job_id, unsigned count)
{
	buf_format(&((struct ear *)loop)->heard, "watchers %u %s %u;", from, job_id, count);
}

static void on_presence(void *loop, const struct presence_report *word)
{
	buf_format(&((struct ear *)loop)->heard, "presence %s %s;", word->job_id, word->agent);
}

static int setup(void **state)
{
	struct bus_config config = { 0 };
	char error[256];
	struct bus *b = bus_start(&config, error, sizeof(error));

	assert_non_null(b);
	for (unsigned i = 0; i < LOOPS; i++) {
		struct bus_member member = { &ears[i], on_commit, on_offer, on_watchers,
			                     on_presence };
		assert_int_equal(b->ops->join(b, &member), i);
	}
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bus *b = *state;

	b->ops->stop(b);
	for (unsigned i = 0; i < LOOPS; i++)
		buf_finish(&ears[i].heard);
	return 0;
}

static void assert_heard(unsigned loop, const char *text)
{
	assert_string_equal(buf_string(&ears[loop].heard), text);
}

/* Appends an op that `loop` submitted. */
static struct op **ask(struct op **tail, unsigned loop, const char *job_id)
{
	struct op *op = op_create(OP_JOB_PATCH);

	op->loop = &ears[loop];
	snprintf(op->job_id, sizeof(op->job_id), "%s", job_id);
	*tail = op;
	return (struct op **)&op->mail.next;
}

static void test_a_commit_reaches_every_loop_and_an_op_its_own(void **state)
{
	struct bus *b = *state;
	struct batch batch = { .count = 2 };
	struct op *ops = NULL;

	ask(ask(ask(&ops, 2, "a"), 0, "b"), 2, "c");
	b->ops->publish(b, &batch, ops);
	assert_heard(0, "commit 2 b;");
	assert_heard(1, "commit 2;");
	assert_heard(2, "commit 2 a c;");
}

static void test_a_commit_without_events_wakes_only_those_who_asked(void **state)
{
	struct bus *b = *state;
	struct batch empty = { .count = 0 };
	struct op *ops = NULL;

	ask(&ops, 1, "a");
	b->ops->publish(b, &empty, ops);
	b->ops->publish(b, NULL, NULL);
	assert_heard(0, "");
	assert_heard(1, "commit 0 a;");
	assert_heard(2, "");
}

static void test_presence_and_watchers_reach_all_others(void **state)
{
	struct bus *b = *state;
	struct presence_report word = { .job_id = "a", .agent = "robot" };

	b->ops->watchers(b, 1, "a", 7);
	b->ops->presence(b, 0, &word);
	assert_heard(0, "watchers 1 a 7;");
	assert_heard(1, "presence a robot;");
	assert_heard(2, "watchers 1 a 7;presence a robot;");
}

static void test_a_scheme_without_a_row_starts_nothing(void **state)
{
	struct bus_config config = { .location = "pigeon://here" };
	char error[256];

	(void)state;
	assert_null(bus_start(&config, error, sizeof(error)));
	assert_non_null(strstr(error, "redis://"));
}

#define BUS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BUS_TEST(test_a_commit_reaches_every_loop_and_an_op_its_own),
		BUS_TEST(test_a_commit_without_events_wakes_only_those_who_asked),
		BUS_TEST(test_presence_and_watchers_reach_all_others),
		BUS_TEST(test_a_scheme_without_a_row_starts_nothing),
	};

	return RUN("bus", tests);
}
