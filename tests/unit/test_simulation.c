/*
 * Core in virtual time: thousands of random schedules of writers, watchers, lost connections, slow
 * readers, failing reads and pruned logs, each of them judged by every client (simulation/client.h)
 * against what was committed (simulation/life.h).
 *
 *   JOBLIGHT_TEST_SCHEDULES=n   so many, instead of 3000
 *   JOBLIGHT_TEST_SEED=n        this one alone, told step by step
 *
 * The first schedules are the same in every run.  A tenth more begin at a fresh seed, so that each
 * run also sees schedules that no run has seen; a failure prints the seed that repeats it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/random.h"

#include "simulation/client.h"

#define CLIENTS_MOST 10

struct simulation {
	struct world world;
	struct client clients[CLIENTS_MOST];
	unsigned client_count;
};

static struct node *some_node(struct world *w)
{
	return &w->nodes[dice_below(&w->dice, w->node_count)];
}

static struct client *some_client(struct simulation *s)
{
	return &s->clients[dice_below(&s->world.dice, s->client_count)];
}

/* Steps. */

static void do_commit(struct simulation *s)
{
	world_commit(&s->world);
}

static void do_deliver(struct simulation *s)
{
	struct node *n = some_node(&s->world);

	for (uint64_t left = dice_between(&s->world.dice, 1, 4); left && world_can_deliver(n);
	     left--)
		world_deliver(n);
}

static void do_round(struct simulation *s)
{
	world_round(some_node(&s->world));
}

static void do_time(struct simulation *s)
{
	struct world *w = &s->world;

	w->now += DICE_PICK(&w->dice, 1, 10, 60, 500);
	world_tick(some_node(w));
}

static void do_answer(struct simulation *s)
{
	world_answer(&s->world);
}

static void do_hand_back(struct simulation *s)
{
	world_hand_back(&s->world);
}

static void do_connect(struct simulation *s)
{
	struct client *c = some_client(s);

	if (c->state == CLIENT_AWAY && (!c->finished || dice_chance(&s->world.dice, 20)))
		client_connect(c);
}

static void do_cut(struct simulation *s)
{
	struct client *c = some_client(s);

	if (c->state != CLIENT_AWAY)
		client_cut(c);
}

static void do_unblock(struct simulation *s)
{
	struct client *c = some_client(s);

	if (c->blocked)
		client_unblock(c);
}

static void do_lose_patience(struct simulation *s)
{
	client_lose_patience(some_client(s));
}

static void do_pass(struct simulation *s)
{
	struct node *n = some_node(&s->world);
	unsigned job = (unsigned)dice_below(&s->world.dice, s->world.job_count),
	         number = world_pass(n, job);
	char id[ID_MAX + 1];

	world_job_name(job, id);
	for (unsigned i = 0; i < s->client_count; i++)
		client_hear_ephemeral(&s->clients[i], n, id, number);
}

static void do_prune(struct simulation *s)
{
	world_prune(&s->world);
}

static const struct {
	void (*run)(struct simulation *s);
	unsigned weight;
} steps[] = {
	{ do_commit, 20 }, { do_deliver, 18 },      { do_round, 18 },   { do_time, 4 },
	{ do_answer, 12 }, { do_hand_back, 12 },    { do_connect, 14 }, { do_cut, 3 },
	{ do_unblock, 8 }, { do_lose_patience, 2 }, { do_prune, 1 },    { do_pass, 4 },
};

static void poison_what_was_left(struct simulation *s)
{
	for (unsigned i = 0; i < s->client_count; i++)
		client_poison(&s->clients[i]);
}

static void random_step(struct simulation *s)
{
	uint64_t at = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		at += steps[i].weight;
	at = dice_below(&s->world.dice, at);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (at < steps[i].weight) {
			steps[i].run(s);
			return;
		}
		at -= steps[i].weight;
	}
}

/* Rest: nothing fails any more, and everything that is on its way arrives.  No time passes except
 * the pauses of paced channels. */

static bool settle_clients(struct simulation *s)
{
	bool busy = false;

	for (unsigned i = 0; i < s->client_count; i++)
		if (s->clients[i].blocked) {
			client_unblock(&s->clients[i]);
			busy = true;
		}
	return busy;
}

static bool settle_nodes(struct world *w)
{
	bool busy = false;

	for (unsigned i = 0; i < w->node_count; i++) {
		world_keep_pace(&w->nodes[i]);
		busy |= world_round(&w->nodes[i]);
		if (world_can_deliver(&w->nodes[i])) {
			world_deliver(&w->nodes[i]);
			busy = true;
		}
	}
	return busy;
}

static void settle(struct simulation *s)
{
	struct world *w = &s->world;
	unsigned turns = 0;

	for (bool busy = true; busy; turns++) {
		promise(turns < 100000, "it never comes to rest");
		busy = settle_clients(s);
		busy |= settle_nodes(w);
		world_answer(w);
		busy |= world_hand_back(w);
		poison_what_was_left(s);
	}
}

static void check_at_rest(const struct simulation *s, bool lossless_only)
{
	for (unsigned i = 0; i < s->client_count; i++)
		if (!lossless_only || !s->clients[i].node->loses)
			client_check_at_rest(&s->clients[i]);
}

/* Time for the slowest heartbeat that anybody may ask for. */
static void let_hearts_beat(struct simulation *s)
{
	struct world *w = &s->world;

	w->now += w->limits.heartbeat_ms + HEARTBEAT_SECONDS_MAX * 1000;
	for (unsigned i = 0; i < w->node_count; i++)
		world_tick(&w->nodes[i]);
	settle(s);
}

static void let_polls_return(struct simulation *s)
{
	for (unsigned i = 0; i < s->client_count; i++)
		if (s->clients[i].node->loses)
			client_lose_patience(&s->clients[i]);
}

static void check_watchers(const struct simulation *s)
{
	const struct world *w = &s->world;
	unsigned watching[JOBS_MOST] = { 0 };
	char id[ID_MAX + 1];

	for (unsigned i = 0; i < s->client_count; i++)
		if (s->clients[i].state != CLIENT_AWAY)
			watching[atoi(s->clients[i].job_id + 1)] += s->clients[i].tabs
			                                                ? s->clients[i].tabs
			                                                : 1;
	for (unsigned job = 0; job < w->job_count; job++) {
		world_job_name(job, id);
		promise(world_told_everywhere(w, job) == watching[job],
		        "%s has %u watchers, and %u were told", id, watching[job],
		        world_told_everywhere(w, job));
		for (unsigned i = 0; i < w->node_count; i++)
			promise(hub_watchers(w->nodes[i].hub, id) == watching[job],
			        "%s has %u watchers, hub %u says %u", id, watching[job], i,
			        hub_watchers(w->nodes[i].hub, id));
	}
}

/*
 * Those who are still there have everything, and without anybody's help: at once when no read
 * failed, else with the next heartbeat, and where a bus lost the last event, with the next one.
 */
static void come_to_rest(struct simulation *s)
{
	struct world *w = &s->world;

	trace("-- faults end");
	w->faults = false;
	settle(s);
	if (!w->failed_reads)
		check_at_rest(s, true);
	let_hearts_beat(s);
	check_at_rest(s, true);
	world_nudge(w);
	settle(s);
	let_hearts_beat(s);
	let_polls_return(s);
	check_at_rest(s, false);
}

/* Everybody comes back, as often as it takes a poll to the end. */
static void come_back(struct simulation *s)
{
	bool away = true;

	trace("-- everybody comes back");
	for (unsigned turns = 0; away && turns < 1000; turns++) {
		away = false;
		for (unsigned i = 0; i < s->client_count; i++) {
			struct client *c = &s->clients[i];
			const struct life *l = life_now(s->world.lives, c->job_id);
			if (c->state != CLIENT_AWAY || c->finished || !l)
				continue;
			if (c->polls && c->has && c->seq == l->head &&
			    !strcmp(c->epoch, l->epoch) && !l->over)
				continue;
			client_resume(c);
			away = true;
		}
		settle(s);
	}
	promise(!away, "a client reconnects without end");
	check_at_rest(s, false);
	check_watchers(s);
}

/* All hubs count in this thread. */
static void check_counts(const struct world *w)
{
	uint64_t counted, came = 0;

	for (unsigned i = 0; i < w->node_count; i++) {
		hub_count_deliveries(w->nodes[i].hub);
		came += w->nodes[i].events;
	}
	counted = metrics_own(METRIC_DELIVERIES) - w->deliveries_before;
	promise(counted == came, "the hubs count %llu events, %llu came",
	        (unsigned long long)counted, (unsigned long long)came);
}

static void check_channels_go(struct world *w)
{
	w->now += w->limits.linger_ms;
	for (unsigned i = 0; i < w->node_count; i++) {
		world_tick(&w->nodes[i]);
		promise(hub_channels(w->nodes[i].hub) == 0, "hub %u keeps %zu channels", i,
		        hub_channels(w->nodes[i].hub));
	}
}

/* What was asked of the store may come back when nobody is there, and no hub either. */
static void leave(struct simulation *s)
{
	struct world *w = &s->world;

	for (unsigned i = 0; i < s->client_count; i++)
		client_finish(&s->clients[i]);
	if (dice_chance(&w->dice, 50))
		check_channels_go(w);
	check_counts(w);
	world_close_hubs(w);
	world_finish(w);
	for (unsigned i = 0; i < s->client_count; i++)
		client_free(&s->clients[i]);
}

static void run_schedule(uint64_t seed, bool tracing)
{
	struct simulation s;
	struct world *w = &s.world;

	verdict_begin(seed, tracing);
	world_create(w, seed);
	s.client_count = (unsigned)dice_between(&w->dice, 1, CLIENTS_MOST);
	for (unsigned i = 0; i < s.client_count; i++)
		client_init(&s.clients[i], w, i);
	for (uint64_t left = dice_between(&w->dice, 50, 400); left; left--) {
		verdict_step(++w->step);
		random_step(&s);
		poison_what_was_left(&s);
	}
	if (dice_chance(&w->dice, 90)) { /* the others end in the middle of everything */
		come_to_rest(&s);
		come_back(&s);
	}
	leave(&s);
	verdict_done();
}

static void every_client_gets_exactly_what_was_committed(void **state)
{
	const char *seed = getenv("JOBLIGHT_TEST_SEED"),
	           *schedules = getenv("JOBLIGHT_TEST_SCHEDULES");
	uint64_t most = schedules ? strtoull(schedules, NULL, 10) : 3000;

	(void)state;
	if (seed) {
		run_schedule(strtoull(seed, NULL, 10), true);
		return;
	}
	for (uint64_t n = 1; n <= most; n++)
		run_schedule(n, false);
	uint64_t fresh = random_u64();
	fprintf(stderr, "%llu fresh schedules begin at JOBLIGHT_TEST_SEED=%llu\n",
	        (unsigned long long)(most / 10), (unsigned long long)fresh);
	for (uint64_t n = 0; n < most / 10; n++)
		run_schedule(fresh + n, false);
}

int main(void)
{
	const struct CMUnitTest promises[] = { cmocka_unit_test(
	    every_client_gets_exactly_what_was_committed) };

	return cmocka_run_group_tests_name("simulation", promises, NULL, NULL);
}
