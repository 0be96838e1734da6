/*
 * What a store on a server promises to several nodes that use it.  Runs with PostgreSQL only; ctest
 * starts one.
 */
#include <stdatomic.h>

#include "nodes_kit.h"

/* ---- seq ---- */

static unsigned below(unsigned *seed, unsigned bound)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 16) % bound;
}

#define GROUPS 100
#define GROUP_JOBS 4

/* Groups of jobs in any order, which other nodes have in another order. */
static void *write_groups(void *context)
{
	struct node *n = context;

	for (int i = 0; i < GROUPS;) {
		const char *ids[GROUP_JOBS];
		unsigned first = below(&n->seed, JOBS), step = 1 + 2 * below(&n->seed, 2);
		for (unsigned k = 0; k < GROUP_JOBS; k++)
			ids[k] = names[(first + k * step) % JOBS];
		enum store_result r = add_events(n->store, ids, GROUP_JOBS);
		i += r == STORE_OK;
		n->stale += r != STORE_OK && n->store->stale;
		n->conflicts += r != STORE_OK && !n->store->stale;
	}
	return NULL;
}

static void nodes_that_write_the_same_jobs_leave_no_holes_and_do_not_block_each_other(void **state)
{
	struct bench *b = *state;
	struct node nodes[NODES];

	make_jobs(b->writer);
	for (unsigned i = 0; i < NODES; i++) {
		node_open(&nodes[i], b, i + 1);
		assert_int_equal(pthread_create(&nodes[i].thread, NULL, write_groups, &nodes[i]),
		                 0);
	}
	for (unsigned i = 0; i < NODES; i++) {
		pthread_join(nodes[i].thread, NULL);
		assert_int_equal(nodes[i].conflicts, 0);
		assert_in_range(nodes[i].stale, 0, GROUPS / 2); /* then jobs are not kept */
		database_close(nodes[i].db);
	}
	assert_int_equal(events_of_all(b->reader), NODES * GROUPS * GROUP_JOBS);
}

/* ---- rows that two nodes make ---- */

static void a_job_that_two_nodes_create_at_once_is_created_once(void **state)
{
	struct bench *b = *state;
	struct node other;
	struct expected_job expected = { "j", true };
	struct expected rows = { .jobs = &expected, .job_count = 1, .created = 1 };
	struct job_row mine = a_job("j"), theirs = a_job("j"), found = { 0 };

	node_open(&other, b, 1);
	for (int i = 0; i < 2; i++) {
		struct store *s = i ? other.store : b->writer;
		OK(s->ops->begin(s));
		OK(s->ops->expect(s, &rows));
		NONE(s->ops->job_get(s, "j", &found));
		OK(s->ops->job_put(s, i ? &theirs : &mine));
	}
	OK(b->writer->ops->commit(b->writer));
	assert_int_equal(other.store->ops->commit(other.store), STORE_CONFLICT);
	other.store->ops->rollback(other.store);
	OK(other.store->ops->begin(other.store));
	OK(other.store->ops->expect(other.store, &rows));
	OK(other.store->ops->job_get(other.store, "j", &found));
	assert_int_equal(found.key, mine.key);
	job_row_finish(&found);
	other.store->ops->rollback(other.store);
	database_close(other.db);
}

static void an_answer_is_put_by_one_of_two_nodes_that_have_not_found_it(void **state)
{
	struct bench *b = *state;
	struct node other;
	struct expected_answer expected = { .scope = "", .key = "k" };
	struct expected rows = { .answers = &expected, .answer_count = 1 };
	struct idempotency_row row = an_answer("", "k", 1), found;

	node_open(&other, b, 1);
	for (int i = 0; i < 2; i++) {
		struct store *s = i ? other.store : b->writer;
		OK(s->ops->begin(s));
		OK(s->ops->expect(s, &rows));
		NONE(s->ops->idempotency_get(s, "", "k", &found));
		OK(s->ops->idempotency_put(s, &row));
	}
	OK(b->writer->ops->commit(b->writer));
	assert_int_equal(other.store->ops->commit(other.store), STORE_CONFLICT);
	other.store->ops->rollback(other.store);
	database_close(other.db);
}

static void a_token_is_used_on_one_node(void **state)
{
	struct bench *b = *state;
	struct node other;
	struct revoked_token_row row = { "aaaaaaaaaaaaaaaaaaaaaa", 1 };

	node_open(&other, b, 1);
	OK(b->writer->ops->begin(b->writer));
	OK(b->writer->ops->revoked_token_put(b->writer, &row));
	OK(b->writer->ops->commit(b->writer));
	OK(other.store->ops->begin(other.store));
	NONE(other.store->ops->revoked_token_put(other.store, &row));
	other.store->ops->rollback(other.store);
	database_close(other.db);
}

static enum store_result use_ticket(struct store *s, const char *id)
{
	OK(s->ops->begin(s));
	enum store_result r = s->ops->used_ticket_put(s, id, 60000);
	OK(s->ops->commit(s));
	return r;
}

static void a_ticket_is_used_on_one_node(void **state)
{
	struct bench *b = *state;
	struct node other;

	node_open(&other, b, 1);
	OK(use_ticket(b->writer, "t"));
	NONE(use_ticket(other.store, "t"));
	OK(use_ticket(other.store, "u"));
	database_close(other.db);
}

#define TICKETS 50

static void *use_tickets(void *context)
{
	struct node *n = context;

	for (int i = 0; i < TICKETS; i++) {
		char id[8];
		snprintf(id, sizeof id, "%d", i);
		n->conflicts += use_ticket(n->store, id) == STORE_OK;
	}
	return NULL;
}

static void a_ticket_that_nodes_use_at_once_is_used_once(void **state)
{
	struct node nodes[NODES];
	unsigned used = 0;

	for (unsigned i = 0; i < NODES; i++) {
		node_open(&nodes[i], *state, i);
		assert_int_equal(pthread_create(&nodes[i].thread, NULL, use_tickets, &nodes[i]), 0);
	}
	for (unsigned i = 0; i < NODES; i++) {
		pthread_join(nodes[i].thread, NULL);
		used += nodes[i].conflicts;
		database_close(nodes[i].db);
	}
	assert_int_equal(used, TICKETS);
}

static void tickets_are_removed_when_they_need_not_be_kept_any_more(void **state)
{
	struct bench *b = *state;
	const struct store_ops *ops = b->writer->ops;
	const struct prune_limits nothing = { INT64_MIN, INT64_MIN, INT64_MIN, UINT64_MAX,
		                              UINT64_MAX };

	OK(ops->begin(b->writer));
	OK(ops->used_ticket_put(b->writer, "old", 0));
	OK(ops->used_ticket_put(b->writer, "new", 60000));
	OK(ops->commit(b->writer));
	OK(ops->begin(b->writer));
	OK(ops->prune(b->writer, &nothing, 10));
	NONE(ops->used_ticket_get(b->writer, "old"));
	OK(ops->used_ticket_get(b->writer, "new"));
	OK(ops->commit(b->writer));
}

/* ---- leases ---- */

static enum store_result take_lease(struct store *s, uint64_t ms)
{
	OK(s->ops->begin(s));
	enum store_result r = s->ops->lease_take(s, "chores", ms);
	OK(s->ops->commit(s));
	return r;
}

static void a_lease_is_had_by_one_node_until_it_ends(void **state)
{
	struct bench *b = *state;
	struct node other;

	node_open(&other, b, 1);
	OK(take_lease(b->writer, 60000));
	NONE(take_lease(other.store, 60000));
	OK(take_lease(b->writer, 0)); /* it ends now */
	OK(take_lease(other.store, 60000));
	NONE(take_lease(b->writer, 60000));
	OK(take_lease(b->writer, 30000)); /* it was taken before the clock was set back */
	OK(take_lease(other.store, 10000));
	NONE(take_lease(b->writer, 10000));
	database_close(other.db); /* which gives it up */
	OK(take_lease(b->writer, 60000));
}

static void a_lease_of_a_node_that_is_lent_to_another_process_ends(void **state)
{
	struct bench *b = *state;
	struct node other;
	char error[512];

	node_open(&other, b, 1);
	OK(take_lease(b->writer, 60000));
	database_lend(b->db);
	OK(take_lease(other.store, 60000));
	assert_true(database_take_back(b->db, error, sizeof error));
	b->writer = database_writer(b->db);
	NONE(take_lease(b->writer, 60000));
	database_close(other.db);
}

static void *take_leases(void *context)
{
	struct node *n = context;

	n->conflicts = take_lease(n->store, 60000) == STORE_OK;
	return NULL;
}

static void a_lease_that_nodes_take_at_once_is_had_by_one(void **state)
{
	struct node nodes[NODES];
	unsigned had = 0;

	for (unsigned i = 0; i < NODES; i++)
		node_open(&nodes[i], *state, i);
	for (unsigned i = 0; i < NODES; i++)
		assert_int_equal(pthread_create(&nodes[i].thread, NULL, take_leases, &nodes[i]), 0);
	for (unsigned i = 0; i < NODES; i++) {
		pthread_join(nodes[i].thread, NULL);
		had += nodes[i].conflicts;
	}
	for (unsigned i = 0; i < NODES; i++)
		database_close(nodes[i].db);
	assert_int_equal(had, 1);
}

/* ---- what was expected ---- */

static void what_is_expected_comes_back_as_it_is(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	struct job_row job = a_job("j"), found = { 0 };
	struct task_row task = a_task("t", 0), task_found = { 0 };
	struct expected_job jobs[] = { { "j", false }, { "no", false }, { "\xea", false } };
	struct expected_task tasks[] = { { "j", SLICE("t") },
		                         { "j", SLICE("u") },
		                         { "no", SLICE("t") } };
	struct expected_answer answers[] = { { .job = "j", .key = "k" },
		                             { .job = "j", .key = "l" } };
	struct expected rows = { .jobs = jobs,
		                 .tasks = tasks,
		                 .answers = answers,
		                 .job_count = 3,
		                 .task_count = 3,
		                 .answer_count = 2 };
	struct idempotency_row answer = an_answer("", "k", 1), answer_found;

	OK(w->ops->begin(w));
	OK(w->ops->job_put(w, &job));
	OK(w->ops->task_put(w, job.key, &task));
	job_scope(job.key, answer.scope);
	OK(w->ops->idempotency_put(w, &answer));
	OK(w->ops->commit(w));
	OK(w->ops->begin(w));
	OK(w->ops->expect(w, &rows));
	OK(w->ops->job_get(w, "j", &found));
	NONE(w->ops->job_get(w, "no", &found));
	NONE(w->ops->job_get(w, "\xea", &found));
	OK(w->ops->task_get(w, job.key, "t", &task_found));
	NONE(w->ops->task_get(w, job.key, "u", &task_found));
	OK(w->ops->idempotency_get(w, answer.scope, "k", &answer_found));
	free(answer_found.body);
	NONE(w->ops->idempotency_get(w, answer.scope, "l", &answer_found));
	OK(w->ops->commit(w));
	job_row_finish(&found);
	task_row_finish(&task_found);
}

/* ---- the server ---- */

#define UPDATES 400

static void updates_of_a_job_stay_in_their_page(void **state)
{
	struct bench *b = *state;
	char share[64];

	make_jobs(b->writer);
	for (int i = 0; i < UPDATES; i++)
		OK(add_events(b->writer, names, JOBS));
	b->reader->ops->close(b->reader); /* a connection reports what it did when it ends */
	database_close(b->db);
	ask_server(b,
	           "SELECT (100 * n_tup_hot_upd / n_tup_upd >= 95)::text || n_tup_upd FROM "
	           "pg_stat_user_tables WHERE relname = 'jobs' AND schemaname = current_schema()",
	           share, sizeof share);
	bench_open(b);
	assert_string_equal(share, "true4000");
}

static void tables_of_a_newer_version_are_refused(void **state)
{
	struct bench *b = *state;
	char none[8], error[512] = "";

	ask_server(b, "UPDATE joblight SET version = 1000", none, sizeof none);
	assert_null(database_open(b->location, DURABILITY_FULL, error, sizeof error));
	assert_non_null(strstr(error, "version 1000"));
}

static void *start(void *context)
{
	struct node *n = context;
	char error[512] = "";

	n->db = database_open(n->bench->location, DURABILITY_FULL, error, sizeof error);
	if (!n->db)
		fprintf(stderr, "%s\n", error);
	return NULL;
}

#define STARTS 5

static void nodes_that_start_at_once_make_the_tables_once(void **state)
{
	struct bench fresh;
	struct node nodes[NODES];

	(void)state;
	for (int round = 0; round < STARTS; round++) {
		bench_schema(&fresh);
		for (unsigned i = 0; i < NODES; i++) {
			nodes[i] = (struct node){ .bench = &fresh };
			assert_int_equal(pthread_create(&nodes[i].thread, NULL, start, &nodes[i]),
			                 0);
		}
		for (unsigned i = 0; i < NODES; i++)
			pthread_join(nodes[i].thread, NULL);
		for (unsigned i = 0; i < NODES; i++) {
			assert_non_null(nodes[i].db);
			database_close(nodes[i].db);
		}
	}
}

static void a_password_is_in_no_message(void **state)
{
	static const char *const locations[] = {
		"postgres://u:secr@t@127.0.0.1:1/d",           "postgres://u:secr/et@127.0.0.1:1/d",
		"postgres://u:secr%zz@127.0.0.1:1/d",          "postgres://u:secr:et@127.0.0.1:1/d",
		"postgres://u:secr%40%3A%2F%25@127.0.0.1:1/d",
	};
	char error[512], shown[DATABASE_SHOWN_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof locations / sizeof *locations; i++) {
		assert_null(database_open(locations[i], DURABILITY_FULL, error, sizeof error));
		assert_true(strlen(error) > 10);
		assert_null(strstr(error, "secr"));
		assert_null(strstr(error, "et@"));
		database_show(locations[i], shown, sizeof shown);
		assert_string_equal(shown, "PostgreSQL at 127.0.0.1:1/d");
		assert_true(database_has_password(locations[i]));
	}
}

/* Two nodes that put the same answers would wait for each other otherwise. */
static void answers_are_written_in_the_order_of_their_keys(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;
	char keys[64];

	OK(w->ops->begin(w));
	for (char letter = 'z'; letter >= 'q'; letter--) {
		struct idempotency_row answer = an_answer("s", &(char[]){ letter, 0 }[0], 1);
		OK(w->ops->idempotency_put(w, &answer));
	}
	OK(w->ops->commit(w));
	ask_server(b, "SELECT string_agg(key, '' ORDER BY ctid) FROM idempotency", keys,
	           sizeof keys);
	assert_string_equal(keys, "qrstuvwxyz");
}

static const struct CMUnitTest promises[] = {
	STORE_TEST(nodes_that_write_the_same_jobs_leave_no_holes_and_do_not_block_each_other),
	STORE_TEST(a_job_that_two_nodes_create_at_once_is_created_once),
	STORE_TEST(an_answer_is_put_by_one_of_two_nodes_that_have_not_found_it),
	STORE_TEST(a_token_is_used_on_one_node),
	STORE_TEST(a_ticket_is_used_on_one_node),
	STORE_TEST(a_ticket_that_nodes_use_at_once_is_used_once),
	STORE_TEST(tickets_are_removed_when_they_need_not_be_kept_any_more),
	STORE_TEST(a_lease_is_had_by_one_node_until_it_ends),
	STORE_TEST(a_lease_of_a_node_that_is_lent_to_another_process_ends),
	STORE_TEST(a_lease_that_nodes_take_at_once_is_had_by_one),
	STORE_TEST(what_is_expected_comes_back_as_it_is),
	STORE_TEST(answers_are_written_in_the_order_of_their_keys),
	STORE_TEST(updates_of_a_job_stay_in_their_page),
	STORE_TEST(tables_of_a_newer_version_are_refused),
	cmocka_unit_test(nodes_that_start_at_once_make_the_tables_once),
	cmocka_unit_test(a_password_is_in_no_message),
};

int main(void)
{
	return _cmocka_run_group_tests("nodes", promises, sizeof promises / sizeof *promises, NULL,
	                               NULL);
}
