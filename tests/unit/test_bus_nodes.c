/*
 * The bus of several nodes over a real Redis, or over the PostgreSQL whose URL is in the file
 * $JOBLIGHT_TEST_POSTGRES: two nodes of this process, which have nothing in common but that and the
 * database.
 */
#include "kit.h"

#include <dlfcn.h>
#include <netdb.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/nodes.h"
#include "bus_nodes/bus_node.h"
#include "bus_nodes/redis_server.h"
#include "joblight/base/clock.h"
#include "joblight/core/metric.h"

struct bench {
	char url[512];             /* of what carries the bus */
	struct redis_server redis; /* if that is Redis */
	struct bus_node a, b;
};

/* False: it is not to be PostgreSQL. */
static bool read_postgres_url(char url[512])
{
	const char *path = getenv("JOBLIGHT_TEST_POSTGRES");
	FILE *file = path ? fopen(path, "re") : NULL;

	if (!path)
		return false;
	if (!file || !fgets(url, 512, file))
		fail_msg("%s has no URL", path);
	fclose(file);
	return true;
}

static int setup(void **state)
{
	static struct bench bench;
	char error[256];

	bench = (struct bench){ 0 };
	node_database = database_open(":memory:", DURABILITY_FULL, error, sizeof(error));
	assert_non_null(node_database);
	if (!read_postgres_url(bench.url)) {
		redis_server_start(&bench.redis, 0);
		snprintf(bench.url, sizeof(bench.url), "%s", bench.redis.url);
	}
	node_start(&bench.a, bench.url, NULL);
	node_start(&bench.b, bench.url, NULL);
	node_await(&bench.a, true);
	node_await(&bench.b, true);
	*state = &bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	node_stop(&bench->a);
	node_stop(&bench->b);
	if (bench->redis.port)
		redis_server_finish(&bench->redis);
	database_close(node_database);
	return 0;
}

/* Returns when the channel of the job delivers to `n` what `other` publishes. */
static void watch(struct bus_node *other, struct bus_node *n, const char *job_id)
{
	char event[ID_MAX + 32];
	uint64_t seq = 1000;

	n->bus->ops->watchers(n->bus, 0, job_id, 1);
	do {
		struct batch *batch = batch_create();
		batch_adds(batch, job_id, ++seq);
		other->bus->ops->publish(other->bus, batch, NULL);
		batch_release(batch);
		snprintf(event, sizeof(event), "event %s.%llu ", job_id, (unsigned long long)seq);
	} while (!node_hears_within(n, event, 50));
	node_forget(n);
}

static void an_event_of_one_node_reaches_the_loops_of_another(void **state)
{
	struct bench *b = *state;

	watch(&b->a, &b->b, "j");
	node_commits(&b->a, "j", 1, 2);
	node_hears(&b->b, "event j.1 {\"seq\":1};event j.2 {\"seq\":2};");
}

static void a_commit_is_not_delivered_to_its_own_node_again(void **state)
{
	struct bench *b = *state;

	watch(&b->b, &b->a, "j");
	watch(&b->a, &b->b, "j");
	node_commits(&b->a, "j", 1, 1);
	node_commits(&b->b, "j", 2, 2);
	node_hears(&b->b, "event j.1 ");
	node_hears(&b->a, "event j.2 ");
	assert_int_equal(node_heard(&b->a, "event j.1 "), 0);
	assert_int_equal(node_heard(&b->b, "event j.2 "), 0);
}

static void a_job_that_nobody_watches_on_a_node_is_not_delivered_there(void **state)
{
	struct bench *b = *state;

	watch(&b->a, &b->b, "j");
	node_commits(&b->a, "k", 1, 1);
	node_commits(&b->a, "j", 1, 1);
	node_hears(&b->b, "event j.1 ");
	assert_int_equal(node_heard(&b->b, " k."), 0);
}

/* Longer than the channel of a job is kept that nobody needs. */
#define FOLLOWED_MS 7000

static void a_job_that_is_followed_is_delivered_without_watchers(void **state)
{
	struct bench *b = *state;

	b->b.bus->ops->follow(b->b.bus, 1, "j", true);
	watch(&b->a, &b->b, "j");
	b->b.bus->ops->watchers(b->b.bus, 0, "j", 0);
	assert_false(node_hears_within(&b->b, "nothing", FOLLOWED_MS));
	node_commits(&b->a, "j", 1, 1);
	node_hears(&b->b, "event j.1 ");
}

static void a_batch_of_several_jobs_is_delivered_job_by_job(void **state)
{
	struct bench *b = *state;
	struct batch *batch = batch_create();

	watch(&b->a, &b->b, "j");
	watch(&b->a, &b->b, "k");
	batch_adds(batch, "k", 5);
	batch_adds(batch, "j", 1);
	batch_adds(batch, "k", 6);
	batch_adds(batch, "j", 2);
	batch_add(batch)->deleted = true;
	memcpy(batch->events[4].job_id, "j", 2);
	memcpy(batch->events[4].epoch, TEST_EPOCH, sizeof(TEST_EPOCH));
	batch->events[4].seq = 2;
	b->a.bus->ops->publish(b->a.bus, batch, NULL);
	batch_release(batch);
	node_hears(&b->b, "event j.1 {\"seq\":1};event j.2 {\"seq\":2};deleted j;");
	node_hears(&b->b, "event k.5 {\"seq\":5};event k.6 {\"seq\":6};");
}

static void pad(struct batch *batch, struct event *e, size_t bytes)
{
	batch->text.len--;
	buf_text(&batch->text, ",\"text\":\"");
	for (size_t i = 0; i < bytes; i++)
		buf_char(&batch->text, 'a');
	buf_text(&batch->text, "\"}");
	e->json_len = batch->text.len - e->json_at;
}

/* 300 KB, which is one message of Redis and many notifications of PostgreSQL. */
static void events_of_a_job_that_are_more_than_a_message_are_delivered(void **state)
{
	struct bench *b = *state;
	struct batch *batch = batch_create();

	watch(&b->a, &b->b, "j");
	database_has("j", 300);
	for (unsigned seq = 1; seq <= 300; seq++)
		pad(batch, batch_adds(batch, "j", seq), 1000);
	b->a.bus->ops->publish(b->a.bus, batch, NULL);
	batch_release(batch);
	node_hears(&b->b, "event j.300 ");
	assert_int_equal(node_heard(&b->b, "event j."), 300);
}

static void an_event_that_is_larger_than_a_message_is_told_by_its_seq(void **state)
{
	struct bench *b = *state;
	struct batch *batch = batch_create();

	watch(&b->a, &b->b, "j");
	database_has("j", 4);
	for (unsigned seq = 1; seq <= 4; seq++)
		pad(batch, batch_adds(batch, "j", seq), seq == 3 ? 1024 * 1024 : 100);
	b->a.bus->ops->publish(b->a.bus, batch, NULL);
	batch_release(batch);
	node_hears(&b->b, "event j.2 ");
	node_hears(&b->b, "head j.4;");
}

static uint64_t dropped(enum label_DROPPED label)
{
	struct metric_values v;

	metrics_sum(&v);
	return v.cells[METRIC_BUS_DROPPED + label];
}

/* ---- watchers and agents ---- */

static void counts_are_the_sum_of_a_node(void **state)
{
	struct bench *b = *state;

	b->a.bus->ops->watchers(b->a.bus, 0, "j", 2);
	node_hears(&b->b, "watchers j=2;");
	b->a.bus->ops->watchers(b->a.bus, 1, "j", 3);
	node_hears(&b->b, "watchers j=5;");
	b->a.bus->ops->watchers(b->a.bus, 0, "j", 0);
	b->a.bus->ops->watchers(b->a.bus, 1, "j", 0);
	node_hears(&b->b, "watchers j=0;");
}

static struct presence_report report_of(const char *agent, const char *state, uint64_t owner)
{
	struct presence_report r = { .job_id = "j", .owner = owner, .loop = 1 };

	snprintf(r.agent, sizeof(r.agent), "%s", agent);
	snprintf(r.state, sizeof(r.state), "%s", state);
	r.due_ms = clock_monotonic_ms() + 60000;
	return r;
}

static void reports(struct bus_node *n, const char *agent, const char *state, uint64_t owner)
{
	struct presence_report r = report_of(agent, state, owner);

	n->bus->ops->presence(n->bus, 1, &r);
}

static void agents_are_told_to_the_other_nodes(void **state)
{
	struct bench *b = *state;
	struct presence_report gone = { .owner = 77, .loop = 1 };

	reports(&b->a, "robot", "working", 77);
	node_hears(&b->b, "agent j robot working;");
	b->a.bus->ops->presence(b->a.bus, 1, &gone);
	node_hears(&b->b, "gone 77;");
}

/* The id of a job that a client may not know of has a byte that no id has. */
static void concealed_ids_stay_on_their_node(void **state)
{
	struct bench *b = *state;
	struct presence_report r = report_of("robot", "working", 77);
	char job_id[] = "secret";
	uint64_t before = dropped(LABEL_DROPPED_BROKEN);

	id_conceal(job_id);
	id_conceal(r.job_id);
	b->a.bus->ops->watchers(b->a.bus, 0, job_id, 1);
	b->a.bus->ops->presence(b->a.bus, 1, &r);
	b->a.bus->ops->watchers(b->a.bus, 0, "j", 1);
	reports(&b->a, "walker", "working", 77);
	node_hears(&b->b, "watchers j=1;");
	node_hears(&b->b, "agent j walker working;");
	assert_int_equal(node_heard(&b->b, "robot"), 0);
	assert_true(dropped(LABEL_DROPPED_BROKEN) == before);
}

static void a_node_that_joins_is_told_everything(void **state)
{
	struct bench *b = *state;
	struct bus_node c;
	char job_id[ID_MAX + 1];

	for (unsigned i = 0; i < 5000; i++) {
		snprintf(job_id, sizeof(job_id), "a-job-with-a-long-name-%u", i);
		b->a.bus->ops->watchers(b->a.bus, 0, job_id, i + 1);
	}
	reports(&b->a, "robot", "working", 77);
	node_hears(&b->b, "watchers a-job-with-a-long-name-4999=5000;");
	node_hears(&b->b, "agent j robot working;");
	node_start(&c, b->url, NULL);
	node_hears(&c, "watchers a-job-with-a-long-name-0=1;");
	node_hears(&c, "watchers a-job-with-a-long-name-4999=5000;");
	node_hears(&c, "agent j robot working;");
	node_stop(&c);
}

static void the_watchers_of_a_node_that_stops_vanish_at_once(void **state)
{
	struct bench *b = *state;

	b->a.bus->ops->watchers(b->a.bus, 0, "j", 2);
	reports(&b->a, "robot", "working", 77);
	reports(&b->a, "walker", "working", 0); /* over HTTP: it may report to any node */
	node_hears(&b->b, "watchers j=2;");
	node_hears(&b->b, "agent j walker working;");
	node_stop(&b->a);
	assert_true(node_hears_within(&b->b, "watchers j=0;", NODE_SILENT_MS / 2));
	node_hears(&b->b, "gone 77;");
	assert_int_equal(node_heard(&b->b, "gone 0;"), 0);
}

/* The process of a node that is killed: it has watchers and an agent. */
static _Noreturn int run_node(const char *url)
{
	struct bus_node n;
	char error[256];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	node_database = database_open(":memory:", DURABILITY_FULL, error, sizeof(error));
	node_start(&n, url, NULL);
	n.bus->ops->watchers(n.bus, 0, "victim", 3);
	reports(&n, "robot", "working", 77);
	for (;;)
		pause();
}

static void the_watchers_and_agents_of_a_killed_node_vanish(void **state)
{
	struct bench *b = *state;
	pid_t pid = fork();

	if (!pid) {
		execl("/proc/self/exe", "node", b->url, (char *)NULL);
		_exit(127);
	}
	node_hears(&b->b, "watchers victim=3;");
	node_hears(&b->b, "agent j robot working;");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_true(node_hears_within(&b->b, "watchers victim=0;", NODE_SILENT_MS + 2000));
	node_hears(&b->b, "gone 77;");
}

/* A node that was killed may also be one that only cannot be heard: the database is asked. */
static void while_a_node_is_missing_the_database_is_asked(void **state)
{
	struct bench *b = *state;

	the_watchers_and_agents_of_a_killed_node_vanish(state);
	watch(&b->a, &b->b, "j");
	database_has("j", 9);
	assert_true(node_hears_within(&b->b, "head j.9;", 3000));
}

/* ---- Redis is away ---- */

static void events_come_from_the_database_while_redis_is_away(void **state)
{
	struct bench *b = *state;
	int port = b->redis.port;

	watch(&b->a, &b->b, "j");
	redis_server_kill(&b->redis);
	node_await(&b->b, false);
	node_commits(&b->a, "j", 1, 3);
	assert_true(node_hears_within(&b->b, "head j.3;", 3000));
	redis_server_start(&b->redis, port);
	node_await(&b->a, true);
	node_await(&b->b, true);
	watch(&b->a, &b->b, "k"); /* its channel is confirmed after that of j */
	node_commits(&b->a, "j", 4, 4);
	node_hears(&b->b, "event j.4 ");
}

static void what_was_committed_before_the_channel_delivers_is_found(void **state)
{
	struct bench *b = *state;

	node_commits(&b->a, "j", 1, 7);
	b->b.bus->ops->watchers(b->b.bus, 0, "j", 1);
	node_hears(&b->b, "head j.7;");
	b->b.bus->ops->watchers(b->b.bus, 0, "nothing", 1);
	node_hears(&b->b, "head nothing.0 none;");
}

static void a_stopped_redis_is_noticed_within_3_seconds(void **state)
{
	struct bench *b = *state;

	watch(&b->a, &b->b, "j");
	kill(b->redis.pid, SIGSTOP);
	uint64_t began = clock_monotonic_ms();
	node_await(&b->a, false);
	node_await(&b->b, false);
	assert_true(clock_monotonic_ms() - began <= 3000);
	node_commits(&b->a, "j", 1, 1);
	assert_true(node_hears_within(&b->b, "head j.1;", 3000));
	kill(b->redis.pid, SIGCONT);
	node_await(&b->a, true);
	node_await(&b->b, true);
	watch(&b->a, &b->b, "k");
	node_commits(&b->a, "j", 2, 2);
	node_hears(&b->b, "event j.2 ");
}

static void connections_that_redis_kills_are_made_again(void **state)
{
	struct bench *b = *state;

	watch(&b->a, &b->b, "j");
	assert_string_not_equal(redis_server_say(&b->redis, "CLIENT KILL TYPE pubsub"), ":0\r\n");
	node_hears(&b->b, "head j."); /* its channel is confirmed again */
	node_await(&b->a, true);
	node_commits(&b->a, "j", 1, 1);
	node_hears(&b->b, "j.1");
	redis_server_say(&b->redis, "CLIENT KILL TYPE normal SKIPME yes");
	node_commits(&b->a, "j", 2, 2);
	node_hears(&b->b, "j.2");
}

static void a_subscriber_that_redis_cuts_off_reads_the_database(void **state)
{
	struct bench *b = *state;
	struct batch *batch = batch_create();

	watch(&b->a, &b->b, "j");
	assert_string_equal(
	    redis_server_say(&b->redis,
	                     "CONFIG SET client-output-buffer-limit \"pubsub 4096 4096 1\""),
	    "+OK\r\n");
	database_has("j", 1);
	pad(batch, batch_adds(batch, "j", 1), 200000);
	b->a.bus->ops->publish(b->a.bus, batch, NULL);
	batch_release(batch);
	node_hears(&b->b, "head j.1;");
	node_await(&b->b, true);
	node_commits(&b->a, "j", 2, 2);
	node_hears(&b->b, "j.2");
}

static void an_emptied_redis_changes_nothing(void **state)
{
	struct bench *b = *state;

	watch(&b->a, &b->b, "j");
	assert_string_equal(redis_server_say(&b->redis, "FLUSHALL"), "+OK\r\n");
	node_commits(&b->a, "j", 1, 1);
	node_hears(&b->b, "event j.1 ");
	assert_string_equal(redis_server_say(&b->redis, "DBSIZE"), ":0\r\n");
}

static void a_redis_that_was_never_there_is_told(void **state)
{
	struct bench *b = *state;
	struct bus_node c;
	struct bus_health health;

	redis_server_kill(&b->redis);
	node_start(&c, b->url, NULL);
	do
		c.bus->ops->health(c.bus, &health);
	while (strstr(health.text, "not connected yet"));
	assert_false(health.is_up);
	assert_non_null(strstr(health.text, "connection refused"));
	database_has("j", 2);
	c.bus->ops->watchers(c.bus, 0, "j", 1);
	assert_true(node_hears_within(&c, "head j.2;", 3000));
	node_stop(&c);
}

static void a_loop_that_takes_nothing_is_told_the_head_later(void **state)
{
	struct bench *b = *state;

	watch(&b->a, &b->b, "j");
	pthread_mutex_lock(&b->b.lock);
	b->b.loops[1].is_full = true;
	pthread_mutex_unlock(&b->b.lock);
	node_commits(&b->a, "j", 1, 1);
	while (!node_heard(&b->b, "event j.1 "))
		node_hears_within(&b->b, "never", 10);
	pthread_mutex_lock(&b->b.lock);
	b->b.loops[1].is_full = false;
	pthread_mutex_unlock(&b->b.lock);
	node_hears(&b->b, "head j.1;");
}

/* ---- others on the same Redis ---- */

static void two_clusters_share_an_engine_by_their_prefixes(void **state)
{
	struct bench *b = *state;
	struct bus_node c, d;

	node_start(&c, b->url, "other");
	node_start(&d, b->url, "other");
	node_await(&c, true);
	node_await(&d, true);
	watch(&b->a, &b->b, "j");
	watch(&c, &d, "j");
	node_commits(&c, "j", 1, 1);
	node_hears(&d, "event j.1 ");
	node_commits(&b->a, "j", 2, 2);
	node_hears(&b->b, "event j.2 ");
	assert_int_equal(node_heard(&b->b, "event j.1 "), 0);
	assert_int_equal(node_heard(&d, "event j.2 "), 0);
	assert_int_equal(node_heard(&d, "watchers"), 0);
	node_stop(&c);
	node_stop(&d);
}

static void foreign_messages_are_counted_and_ignored(void **state)
{
	struct bench *b = *state;
	static const char *const texts[] = { "hello", "jl", "{\"seq\":1}", "jl\x01\x01" };
	uint64_t before = dropped(LABEL_DROPPED_FOREIGN) + dropped(LABEL_DROPPED_BROKEN);
	char command[128];

	watch(&b->a, &b->b, "j");
	for (unsigned i = 0; i < COUNT(texts); i++) {
		snprintf(command, sizeof(command), "PUBLISH joblight:job:j %s",
		         i == 2 ? "{}" : texts[i]);
		assert_string_equal(redis_server_say(&b->redis, command), ":1\r\n");
		snprintf(command, sizeof(command), "PUBLISH joblight:nodes %s",
		         i == 2 ? "{}" : texts[i]);
		assert_string_equal(redis_server_say(&b->redis, command), ":2\r\n");
	}
	node_commits(&b->a, "j", 1, 1);
	node_hears(&b->b, "event j.1 ");
	assert_true(dropped(LABEL_DROPPED_FOREIGN) + dropped(LABEL_DROPPED_BROKEN) >= before + 8);
}

static void a_huge_message_of_others_is_survived(void **state)
{
	struct bench *b = *state;

	watch(&b->a, &b->b, "j");
	/* a string of 9 MB, made by Redis itself */
	redis_server_say(&b->redis, "SETRANGE big 9000000 x");
	redis_server_say(&b->redis, "EVAL \"redis.call('PUBLISH','joblight:job:j',redis.call("
	                            "'GET','big'))\" 0");
	node_commits(&b->a, "j", 1, 1);
	node_hears(&b->b, "j.1");
}

/* ---- the password ---- */

#define SPECIAL "p@s:s/w%rd?#"
#define SPECIAL_ENCODED "p%40s%3As%2Fw%25rd%3F%23"

static void connects_with(const struct bench *b, const char *user)
{
	struct bus_node c;
	char url[256];

	snprintf(url, sizeof(url), "redis://%s@127.0.0.1:%d/0", user, b->redis.port);
	node_start(&c, url, NULL);
	node_await(&c, true);
	node_stop(&c);
}

static void a_password_may_have_any_character(void **state)
{
	struct bench *b = *state;

	assert_string_equal(
	    redis_server_say(&b->redis, "ACL SETUSER light on >" SPECIAL " +@all &* ~*"),
	    "+OK\r\n");
	connects_with(b, "light:" SPECIAL_ENCODED);
	assert_string_equal(redis_server_say(&b->redis, "CONFIG SET requirepass " SPECIAL),
	                    "+OK\r\n");
	connects_with(b, ":" SPECIAL_ENCODED);
}

static void is_refused_with(const struct bench *b, const char *user, const char *cause)
{
	struct bus_node c;
	struct bus_health health;
	char url[256];

	snprintf(url, sizeof(url), "redis://%s127.0.0.1:%d", user, b->redis.port);
	node_start(&c, url, NULL);
	do
		c.bus->ops->health(c.bus, &health);
	while (strstr(health.text, "not connected yet"));
	assert_false(health.is_up);
	if (!strstr(health.text, cause))
		fail_msg("%s: %s", user, health.text);
	assert_null(strstr(health.text, "wrong-word"));
	node_stop(&c);
}

static void a_wrong_password_is_told_and_not_shown(void **state)
{
	struct bench *b = *state;

	is_refused_with(b, ":wrong-word@", "refuses the user or the password (ERR)");
	is_refused_with(b, "nobody:wrong-word@", "refuses the user or the password (WRONGPASS)");
	redis_server_say(&b->redis, "CONFIG SET requirepass right");
	is_refused_with(b, ":wrong-word@", "refuses the user or the password (WRONGPASS)");
	is_refused_with(b, "", "NOAUTH");
}

static void a_user_needs_no_more_than_the_commands_of_messages(void **state)
{
	struct bench *b = *state;

	assert_string_equal(redis_server_say(&b->redis, "ACL SETUSER light on >light-word +publish "
	                                                "+subscribe +unsubscribe &joblight:*"),
	                    "+OK\r\n");
	connects_with(b, "light:light-word");
}

/* ---- replicas ---- */

static void make_replica(const struct redis_server *replica, const struct redis_server *master)
{
	char command[64];

	snprintf(command, sizeof(command), "REPLICAOF 127.0.0.1 %d", master->port);
	assert_string_equal(redis_server_say(replica, command), "+OK\r\n");
}

/* What is published on a replica does not reach its master. */
static void a_replica_is_left_for_its_master(void **state)
{
	struct bench *b = *state;
	struct redis_server replica = { 0 };
	struct bus_node c;

	redis_server_start(&replica, 0);
	make_replica(&replica, &b->redis);
	node_start(&c, replica.url, NULL);
	node_await(&c, true);
	watch(&b->a, &b->b, "j");
	node_commits(&c, "j", 1, 1);
	node_hears(&b->b, "event j.1 ");
	node_stop(&c);
	redis_server_finish(&replica);
}

/* ---- names ---- */

static atomic_bool resolver_hangs;
static atomic_uint resolver_calls;

/* Takes the place of the one of the C library, also for the module. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
	int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

	atomic_fetch_add(&resolver_calls, 1);
	while (atomic_load(&resolver_hangs))
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	*(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
	return next(node, service, hints, result);
}

static void a_name_server_that_hangs_delays_nothing(void **state)
{
	struct bench *b = *state;
	struct bus_node c;
	char url[64];

	snprintf(url, sizeof(url), "redis://localhost:%d", b->redis.port);
	node_start(&c, url, NULL);
	node_await(&c, true);
	assert_true(atomic_load(&resolver_calls) > 0);
	atomic_store(&resolver_hangs, true);
	watch(&b->a, &c, "j");
	redis_server_say(&b->redis, "CLIENT KILL TYPE pubsub");
	node_hears(&c, "head j."); /* it has connected to the address that was known */
	node_await(&b->a, true);
	node_commits(&b->a, "j", 1, 1);
	node_hears(&c, "j.1");
	node_stop(&c);
	node_start(&c, url, NULL); /* and no address is known */
	database_has("j", 5);
	c.bus->ops->watchers(c.bus, 0, "j", 1);
	assert_true(node_hears_within(&c, "head j.5;", 3000));
	node_stop(&c);
	atomic_store(&resolver_hangs, false);
}

/* ---- keys ---- */

static void database_gets_key(const char *id)
{
	struct store *w = database_writer(node_database);
	struct access_key_row row = { .name = (char *)(uintptr_t) "n",
		                      .jobs = (char *)(uintptr_t) "*" };

	snprintf(row.id, sizeof(row.id), "%s", id);
	assert_int_equal(w->ops->begin(w), STORE_OK);
	assert_int_equal(w->ops->access_key_put(w, &row), STORE_OK);
	assert_int_equal(w->ops->commit(w), STORE_OK);
}

static void publish_keys(struct bus_node *n)
{
	struct batch *batch = batch_create();

	batch->keys_changed = true;
	assert_int_equal(keyring_read(database_writer(node_database), NULL, &batch->keyring),
	                 STORE_OK);
	n->bus->ops->publish(n->bus, batch, NULL);
	batch_release(batch);
}

static void keys_that_another_node_has_changed_are_read_again(void **state)
{
	struct bench *b = *state;

	node_hears(&b->b, "keys;"); /* when it has connected */
	node_forget(&b->b);
	publish_keys(&b->a); /* which the loops have already */
	watch(&b->a, &b->b, "j");
	database_gets_key("000000000001");
	publish_keys(&b->a);
	assert_true(node_hears_within(&b->b, "keys;", 1000));
	assert_int_equal(node_heard(&b->b, "keys;"), 1);
}

static void keys_are_read_again_while_redis_is_away(void **state)
{
	struct bench *b = *state;

	node_hears(&b->b, "keys;");
	node_forget(&b->b);
	kill(b->redis.pid, SIGSTOP);
	database_gets_key("000000000002");
	publish_keys(&b->a);
	assert_true(node_hears_within(&b->b, "keys;", 4000));
}

#define BUS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN); /* as in the server */
	if (argc == 2 && strcmp(argv[0], "node") == 0)
		return run_node(argv[1]);

	const struct CMUnitTest tests[] = {
		BUS_TEST(an_event_of_one_node_reaches_the_loops_of_another),
		BUS_TEST(a_commit_is_not_delivered_to_its_own_node_again),
		BUS_TEST(a_job_that_nobody_watches_on_a_node_is_not_delivered_there),
		BUS_TEST(a_job_that_is_followed_is_delivered_without_watchers),
		BUS_TEST(a_batch_of_several_jobs_is_delivered_job_by_job),
		BUS_TEST(events_of_a_job_that_are_more_than_a_message_are_delivered),
		BUS_TEST(an_event_that_is_larger_than_a_message_is_told_by_its_seq),
		BUS_TEST(counts_are_the_sum_of_a_node),
		BUS_TEST(agents_are_told_to_the_other_nodes),
		BUS_TEST(concealed_ids_stay_on_their_node),
		BUS_TEST(a_node_that_joins_is_told_everything),
		BUS_TEST(the_watchers_of_a_node_that_stops_vanish_at_once),
		BUS_TEST(the_watchers_and_agents_of_a_killed_node_vanish),
		BUS_TEST(while_a_node_is_missing_the_database_is_asked),
		BUS_TEST(what_was_committed_before_the_channel_delivers_is_found),
		BUS_TEST(a_loop_that_takes_nothing_is_told_the_head_later),
		BUS_TEST(two_clusters_share_an_engine_by_their_prefixes),
		BUS_TEST(keys_that_another_node_has_changed_are_read_again),
	};
	const struct CMUnitTest with_redis[] = {
		BUS_TEST(events_come_from_the_database_while_redis_is_away),
		BUS_TEST(a_stopped_redis_is_noticed_within_3_seconds),
		BUS_TEST(connections_that_redis_kills_are_made_again),
		BUS_TEST(a_subscriber_that_redis_cuts_off_reads_the_database),
		BUS_TEST(an_emptied_redis_changes_nothing),
		BUS_TEST(a_redis_that_was_never_there_is_told),
		BUS_TEST(foreign_messages_are_counted_and_ignored),
		BUS_TEST(a_huge_message_of_others_is_survived),
		BUS_TEST(a_password_may_have_any_character),
		BUS_TEST(a_wrong_password_is_told_and_not_shown),
		BUS_TEST(a_user_needs_no_more_than_the_commands_of_messages),
		BUS_TEST(a_replica_is_left_for_its_master),
		BUS_TEST(a_name_server_that_hangs_delays_nothing),
		BUS_TEST(keys_are_read_again_while_redis_is_away),
	};

	if (getenv("JOBLIGHT_TEST_POSTGRES"))
		return RUN("bus_nodes over PostgreSQL", tests);
	return RUN("bus_nodes", tests) + RUN("bus_nodes over Redis", with_redis);
}
