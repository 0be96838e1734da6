#include "kit.h"

#include "bus/nodes.h"

/* What the loop of this node was told: "j=2 j=0 " */
struct bench {
	struct bus_members members;
	struct nodes *nodes;
	char told[128];
};

static void note_watchers(void *loop, unsigned from, const char *job_id, unsigned count)
{
	struct bench *b = loop;
	size_t len = strlen(b->told);

	(void)from;
	snprintf(b->told + len, sizeof(b->told) - len, "%s=%u ", job_id, count);
}

static void ignore_report(void *loop, const struct presence_report *report)
{
	(void)loop;
	(void)report;
}

static int open_bench(void **state)
{
	static struct bench b;
	const struct bus_member member = { .loop = &b,
		                           .watchers = note_watchers,
		                           .presence = ignore_report };

	b = (struct bench){ 0 };
	members_join(&b.members, &member);
	b.nodes = nodes_create(&b.members);
	*state = &b;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *b = *state;

	nodes_free(b->nodes);
	members_finish(&b->members);
	return 0;
}

/* Everything that the node has: two watchers of j. */
static void node_tells(struct bench *b, uint64_t id, uint64_t now_ms)
{
	struct buf body = { 0 };
	struct node *node = nodes_hear(b->nodes, id, now_ms);

	assert_non_null(node);
	node_counts_begin(&body, PART_FIRST | PART_LAST);
	node_counts_add(&body, "j", 2);
	assert_true(node_take_counts(b->nodes, node, buf_as_slice(&body), 7));
	buf_finish(&body);
}

static void the_watchers_of_a_silent_node_vanish(void **state)
{
	struct bench *b = *state;

	node_tells(b, 1, 1000);
	nodes_tick(b->nodes, 1000 + NODE_SILENT_MS - 1);
	assert_string_equal(b->told, "j=2 ");
	nodes_tick(b->nodes, 1000 + NODE_SILENT_MS);
	assert_string_equal(b->told, "j=2 j=0 ");
	assert_int_equal(nodes_count(b->nodes), 0);
}

static void a_silent_node_is_missing_for_two_minutes(void **state)
{
	struct bench *b = *state;

	node_tells(b, 1, 1000);
	assert_false(nodes_miss_one(b->nodes, 1000 + NODE_DOUBT_MS - 1));
	assert_true(nodes_miss_one(b->nodes, 1000 + NODE_DOUBT_MS));
	nodes_tick(b->nodes, 1000 + NODE_SILENT_MS);
	assert_true(nodes_miss_one(b->nodes, 1000 + NODE_SILENT_MS));
	nodes_tick(b->nodes, 1000 + NODE_MISSING_MS - 1);
	assert_true(nodes_miss_one(b->nodes, 1000 + NODE_MISSING_MS - 1));
	nodes_tick(b->nodes, 1000 + NODE_MISSING_MS);
	assert_false(nodes_miss_one(b->nodes, 1000 + NODE_MISSING_MS));
}

/* As all of them do when Redis was away. */
static void a_node_that_is_heard_again_is_not_missing(void **state)
{
	struct bench *b = *state;

	node_tells(b, 1, 1000);
	nodes_tick(b->nodes, 1000 + NODE_SILENT_MS);
	struct node *node = nodes_hear(b->nodes, 1, 9000);
	assert_false(nodes_miss_one(b->nodes, 9000));
	assert_int_equal(nodes_count(b->nodes), 1);
	assert_false(node_follow(node, 7, false)); /* and has to tell everything again */
	node_tells(b, 1, 9000);
	assert_string_equal(b->told, "j=2 j=0 j=2 ");
}

static void a_node_that_says_that_it_stops_is_not_missing(void **state)
{
	struct bench *b = *state;

	node_tells(b, 1, 1000);
	nodes_leave(b->nodes, 1);
	assert_string_equal(b->told, "j=2 j=0 ");
	assert_false(nodes_miss_one(b->nodes, 9000));
	node_tells(b, 2, 9000);
	nodes_tick(b->nodes, 9000 + NODE_SILENT_MS);
	nodes_leave(b->nodes, 2);
	assert_false(nodes_miss_one(b->nodes, 9000 + NODE_SILENT_MS));
	assert_int_equal(nodes_count(b->nodes), 0);
}

/* Anybody who can publish can be a node of any name. */
static void forged_nodes_leave_room_for_others_when_they_are_silent(void **state)
{
	struct bench *b = *state;
	uint64_t id = 1;

	for (unsigned round = 0; round < 3; round++) {
		uint64_t now = 1000 + round * NODE_SILENT_MS;
		while (nodes_hear(b->nodes, id, now))
			id++;
		assert_int_equal(nodes_count(b->nodes), 1024);
		nodes_tick(b->nodes, now + NODE_SILENT_MS);
		assert_int_equal(nodes_count(b->nodes), 0);
	}
	assert_int_equal(id, 1 + 3 * 1024);
	node_tells(b, id, 20000);
	assert_string_equal(b->told, "j=2 ");
}

#define NODES_TEST(f) cmocka_unit_test_setup_teardown(f, open_bench, close_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		NODES_TEST(the_watchers_of_a_silent_node_vanish),
		NODES_TEST(a_silent_node_is_missing_for_two_minutes),
		NODES_TEST(a_node_that_is_heard_again_is_not_missing),
		NODES_TEST(a_node_that_says_that_it_stops_is_not_missing),
		NODES_TEST(forged_nodes_leave_room_for_others_when_they_are_silent),
	};

	return RUN("nodes", tests);
}
