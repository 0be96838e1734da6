/*
 * What the hub promises, told one by one; test_simulation.c mixes all of it.  Here the store is
 * whoever writes the test: the hub's questions wait in a list until they are answered by hand.
 */
#include "kit.h"

#include "joblight/base/xalloc.h"
#include "joblight/core/hub.h"
#include "joblight/core/metric.h"

#define A "aaaaaaaaaa" /* epochs */
#define B "bbbbbbbbbb"
#define HOLE_MS 20 /* what is missing may still come */

struct bench {
	struct limits limits;
	struct hub *hub;
	struct read_request *asked[16]; /* in order */
	int ask_count;
	bool refuses; /* the store has too much to do */
	bool woken;
	uint64_t now;
	char told[64];               /* "job:count " … */
	char followed[64];           /* "+job -job " … */
	struct metric_values before; /* what was counted in earlier tests */
	uint64_t committed_us;       /* of what is published */
};

/* One who watches: the story of what it was told. */
struct watcher {
	struct subscriber subscriber; /* first */
	struct bench *bench;
	struct buf story;
	bool blocks, takes;
};

static bool bench_reads(void *context, struct read_request *r)
{
	struct bench *b = context;

	if (!b->refuses)
		b->asked[b->ask_count++] = r;
	return !b->refuses;
}

static void bench_wakes(void *context)
{
	((struct bench *)context)->woken = true;
}

static void bench_tells(void *context, const char *job_id, unsigned count)
{
	struct bench *b = context;
	size_t len = strlen(b->told);

	snprintf(b->told + len, sizeof(b->told) - len, "%s:%u ", job_id, count);
}

static void bench_follows(void *context, const char *job_id, bool follows)
{
	struct bench *b = context;
	size_t len = strlen(b->followed);

	snprintf(b->followed + len, sizeof(b->followed) - len, "%c%s ", follows ? '+' : '-',
	         job_id);
}

static const struct hub_ops bench_ops = { bench_reads, bench_wakes, bench_tells, bench_follows };

static int open_bench(void **state)
{
	struct bench *b = xcalloc(1, sizeof(*b));

	b->limits = limits_default;
	b->hub = hub_create(&b->limits, &bench_ops, b);
	metrics_sum(&b->before);
	*state = b;
	return 0;
}

/* What this test has counted. */
static uint64_t counted(const struct bench *b, unsigned cell)
{
	hub_count_deliveries(b->hub);
	return metrics_own(cell) - b->before.cells[cell];
}

static int close_bench(void **state)
{
	struct bench *b = *state;

	assert_int_equal(b->ask_count, 0);
	hub_free(b->hub);
	free(b);
	return 0;
}

static void turn(struct bench *b)
{
	while (b->woken) {
		b->woken = false;
		if (hub_round(b->hub, b->now))
			b->woken = true;
	}
}

static void tick(struct bench *b, uint64_t ms)
{
	b->now += ms;
	while (hub_tick(b->hub, b->now))
		;
	if (hub_round_due(b->hub) <= b->now)
		bench_wakes(b);
	turn(b);
}

/* Events: the JSON of event n is {"n":n}. */

static void publish(struct bench *b, const char *epoch, uint64_t seq, enum job_status status)
{
	struct batch *batch = batch_create();
	struct event *e = batch_add(batch);

	batch->committed_us = b->committed_us;
	batch->submitted_us = b->committed_us / 2;

	snprintf(e->job_id, sizeof(e->job_id), "j");
	snprintf(e->epoch, sizeof(e->epoch), "%s", epoch);
	e->seq = seq;
	e->type = seq % 2 ? EVENT_TASK_UPDATE : EVENT_COMMAND;
	e->job_status = status;
	buf_format(&batch->text, "{\"n\":%llu}", (unsigned long long)seq);
	e->json_len = batch->text.len;
	hub_publish(b->hub, batch);
	batch_release(batch);
}

static void publish_many(struct bench *b, const char *epoch, uint64_t first, uint64_t last)
{
	for (uint64_t seq = first; seq <= last; seq++)
		publish(b, epoch, seq, JOB_IN_PROGRESS);
	turn(b);
}

static void publish_deletion(struct bench *b, const char *epoch, uint64_t seq)
{
	struct batch *batch = batch_create();
	struct event *e = batch_add(batch);

	snprintf(e->job_id, sizeof(e->job_id), "j");
	snprintf(e->epoch, sizeof(e->epoch), "%s", epoch);
	e->seq = seq;
	e->deleted = true;
	hub_publish(b->hub, batch);
	batch_release(batch);
	turn(b);
}

/* Answers of the store. */

static struct read_result *about(const char *epoch, uint64_t head, enum job_status status)
{
	struct read_result *r = read_result_create();

	snprintf(r->epoch, sizeof(r->epoch), "%s", epoch);
	r->title = xstrdup("a job");
	r->status = status;
	r->head = head;
	return r;
}

static struct read_result *snapshot(const char *epoch, uint64_t head, enum job_status status)
{
	struct read_result *r = about(epoch, head, status);

	r->start = head;
	buf_format(&r->text, "{\"snapshot\":%llu}", (unsigned long long)head);
	return r;
}

static struct read_result *events(const char *epoch, uint64_t start, uint64_t last, uint64_t head,
                                  enum job_status status)
{
	struct read_result *r = about(epoch, head, status);

	r->resume = RESUME_EXACT;
	r->start = start;
	r->events = xcalloc(last - start, sizeof(*r->events));
	for (uint64_t seq = start + 1; seq <= last; seq++) {
		struct read_event *e = &r->events[r->event_count++];
		*e = (struct read_event){ seq, seq % 2 ? EVENT_TASK_UPDATE : EVENT_COMMAND,
			                  r->text.len, 0 };
		buf_format(&r->text, "{\"n\":%llu}", (unsigned long long)seq);
		e->len = r->text.len - e->at;
	}
	return r;
}

static struct read_result *refusal(enum outcome outcome)
{
	struct read_result *r = read_result_create();

	problem_set(&r->problem, outcome, "no");
	return r;
}

/* Answers question `n`; the others stay. */
static void answer(struct bench *b, int n, struct read_result *result)
{
	struct read_request *r = b->asked[n];

	assert_in_range(n, 0, b->ask_count - 1);
	memmove(&b->asked[n], &b->asked[n + 1], (size_t)(b->ask_count - n - 1) * sizeof(*b->asked));
	b->ask_count--;
	r->result = result;
	r->done(r);
	turn(b);
}

static void asked_behind(const struct bench *b, int n, const char *epoch, uint64_t seq)
{
	assert_in_range(n, 0, b->ask_count - 1);
	assert_string_equal(b->asked[n]->query.position.epoch, epoch);
	assert_int_equal(b->asked[n]->query.position.seq, seq);
}

/* Watchers. */

static void watcher_opened(struct subscriber *s, const struct subscription_start *o)
{
	struct watcher *w = (struct watcher *)s;
	struct first_message m = { .snapshot = o->snapshot };

	if (outcome_is_error(o->outcome)) {
		buf_format(&w->story, "%s ", outcome_code(o->outcome));
		return;
	}
	buf_format(&w->story, "%s%s%s@%llu/%llu ", o->again ? "again-" : "", resume_text(o->resume),
	           o->finished ? "-over" : "", (unsigned long long)o->start,
	           (unsigned long long)o->head);
	if (s->ops->write && o->snapshot.len) {
		buf_text(&m.tail, "\n");
		hub_send(s, &m, o->result);
	}
}

/* `id: E.7\ndata: {"n":7}\n\n` becomes `7 `. */
static enum sink watcher_write(struct subscriber *s, const char *bytes, size_t len)
{
	struct watcher *w = (struct watcher *)s;
	char *text = xmemdup(bytes, len), *rest = text;

	assert_false(s->blocked);
	for (char *line; (line = strsep(&rest, "\n"));) {
		if (!strncmp(line, "data: {\"n\":", 11))
			buf_format(&w->story, "%d ", atoi(line + 11));
		else if (line[0] == '{' || !strncmp(line, "data: ", 6))
			buf_format(&w->story, "%s ", line);
	}
	free(text);
	return w->blocks ? SINK_BLOCKED : SINK_OPEN;
}

static void watcher_ready(struct subscriber *s)
{
	buf_format(&((struct watcher *)s)->story, "ready%s%s ", subscriber_ended(s) ? "-ended" : "",
	           subscriber_reaches(s) ? "" : "-beyond");
}

static void watcher_ended(struct subscriber *s, const struct subscription_end *e)
{
	assert_string_equal(e->job_id, "j");
	assert_true(!strcmp(e->epoch, A) || !strcmp(e->epoch, B));
	assert_null(s->channel);
	buf_format(&((struct watcher *)s)->story, "end:%s@%llu ", e->status,
	           (unsigned long long)e->seq);
}

static void watcher_heartbeat(struct subscriber *s, uint64_t head)
{
	buf_format(&((struct watcher *)s)->story, "beat@%llu ", (unsigned long long)head);
}

static void watcher_stalled(struct subscriber *s)
{
	buf_text(&((struct watcher *)s)->story, "stalled ");
}

static bool watcher_takes(struct subscriber *s)
{
	return ((struct watcher *)s)->takes;
}

static const struct subscriber_ops stream = {
	.opened = watcher_opened,
	.write = watcher_write,
	.ended = watcher_ended,
	.heartbeat = watcher_heartbeat,
	.write_stalled = watcher_stalled,
	.takes = watcher_takes,
};
static const struct subscriber_ops silent = { .opened = watcher_opened,
	                                      .write = watcher_write,
	                                      .ended = watcher_ended,
	                                      .write_stalled = watcher_stalled };
static const struct subscriber_ops poll = { .opened = watcher_opened, .ready = watcher_ready };

/* `a` without the job and the framing; no types are all types. */
static void watch_as(struct bench *b, struct watcher *w, const struct subscriber_ops *ops,
                     struct attach a)
{
	a.job_id = "j";
	a.framing = FRAME_SSE;
	a.types = a.types ? a.types : TYPE_BITS_ALL;
	w->bench = b;
	hub_attach(b->hub, &w->subscriber, ops, &a);
	turn(b);
}

static void watch_types(struct bench *b, struct watcher *w, const struct subscriber_ops *ops,
                        const char *position, unsigned types)
{
	struct attach a = { .position = position_parse(slice_of(position)), .types = types };

	watch_as(b, w, ops, a);
}

static void watch(struct bench *b, struct watcher *w, const char *position)
{
	watch_types(b, w, &stream, position, TYPE_BITS_ALL);
}

static void watch_with(struct bench *b, struct watcher *w, uint8_t heartbeat_s, uint8_t tabs)
{
	struct attach a = { .position = position_parse(SLICE(A ".5")),
		            .heartbeat_s = heartbeat_s,
		            .tabs = tabs };

	watch_as(b, w, &stream, a);
	w->story.len = 0;
}

static void watch_of(struct bench *b, struct watcher *w, const char *identity, uint8_t tabs)
{
	struct attach a = { .position = position_parse(SLICE(A ".5")),
		            .tabs = tabs,
		            .identity = identity };

	watch_as(b, w, &stream, a);
	w->story.len = 0;
}

static void leave(struct watcher *w)
{
	hub_detach(w->bench->hub, &w->subscriber);
	buf_finish(&w->story);
}

/* What it was told since the last time, and nothing else. */
static void told(struct watcher *w, const char *story)
{
	assert_string_equal(buf_string(&w->story), story);
	w->story.len = 0;
}

/* A watcher who is at event `head` of epoch A, and a ring that begins there. */
static void watch_from(struct bench *b, struct watcher *w, uint64_t head)
{
	watch(b, w, "");
	answer(b, 0, snapshot(A, head, JOB_IN_PROGRESS));
	w->story.len = 0;
}

/* Beginning. */

static void the_first_event_is_the_snapshots_next(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 };

	watch(b, &w, "");
	publish_many(b, A, 5, 6); /* while the store is being read */
	answer(b, 0, snapshot(A, 5, JOB_IN_PROGRESS));
	told(&w, "fresh@5/6 {\"snapshot\":5} 6 ");
	publish_many(b, A, 7, 7);
	told(&w, "7 ");
	leave(&w);
}

static void a_position_in_the_ring_needs_no_store(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 }, v = { 0 };

	watch_from(b, &w, 5);
	publish_many(b, A, 6, 9);
	watch(b, &v, A ".7");
	assert_int_equal(b->ask_count, 0);
	told(&v, "exact@7/9 8 9 ");
	leave(&v);
	leave(&w);
}

static void a_position_below_the_ring_is_filled_from_the_store(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 }, v = { 0 };

	watch_from(b, &w, 5);
	publish_many(b, A, 6, 7);
	watch(b, &v, A ".2");
	asked_behind(b, 0, A, 2);
	publish_many(b, A, 8, 8);
	answer(b, 0, events(A, 2, 4, 7, JOB_IN_PROGRESS)); /* a first piece */
	told(&v, "exact@2/8 3 4 ");
	asked_behind(b, 0, A, 4);
	answer(b, 0, events(A, 4, 7, 8, JOB_IN_PROGRESS));
	told(&v, "5 6 7 8 ");
	leave(&v);
	leave(&w);
}

static void positions_that_cannot_be_served_are_asked_of_the_store(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 }, v = { 0 };
	static const char *const positions[] = { "", "abc", B ".6", A ".8", A ".99" };

	watch_from(b, &w, 5);
	publish_many(b, A, 6, 7);
	for (size_t i = 0; i < COUNT(positions); i++) {
		watch(b, &v, positions[i]);
		assert_int_equal(b->ask_count, 1);
		hub_detach(b->hub, &v.subscriber);
		answer(b, 0, snapshot(A, 7, JOB_IN_PROGRESS)); /* nobody is there to get it */
		told(&v, "");
	}
	leave(&v);
	leave(&w);
}

static void a_busy_store_refuses_newcomers(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 };

	b->refuses = true;
	watch(b, &w, "");
	told(&w, "overloaded ");
	assert_null(w.subscriber.channel);
	b->refuses = false;
	watch(b, &w, "");
	answer(b, 0, refusal(OUTCOME_STORAGE_UNAVAILABLE));
	told(&w, "storage_unavailable ");
	leave(&w);
}

/* Its events had no framing: the ring must not serve what it cannot write. */
static void a_job_that_was_asked_for_before_it_was_made(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 }, v = { 0 };

	watch(b, &w, "");
	answer(b, 0, refusal(OUTCOME_NOT_FOUND));
	told(&w, "not_found ");
	publish_many(b, A, 1, 4);
	watch(b, &w, "");
	answer(b, 0, snapshot(A, 4, JOB_IN_PROGRESS));
	told(&w, "fresh@4/4 {\"snapshot\":4} ");
	watch(b, &v, A ".2");
	answer(b, 0, events(A, 2, 4, 4, JOB_IN_PROGRESS));
	told(&v, "exact@2/4 3 4 ");
	publish_many(b, A, 5, 5);
	told(&v, "5 ");
	told(&w, "5 ");
	leave(&v);
	leave(&w);
}

/* Slow readers. */

static void a_blocked_reader_is_given_nothing_and_misses_nothing(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 };

	b->limits.ring_events = 4;
	watch_from(b, &w, 5);
	w.blocks = true;
	publish_many(b, A, 6, 6);
	told(&w, "6 ");
	publish_many(b, A, 7, 20); /* the ring laps it */
	told(&w, "");
	w.blocks = false;
	hub_writable(b->hub, &w.subscriber);
	asked_behind(b, 0, A, 6);
	answer(b, 0, events(A, 6, 18, 20, JOB_IN_PROGRESS));
	told(&w, "7 8 9 10 11 12 13 14 15 16 17 18 19 20 ");
	leave(&w);
}

static void who_comes_to_a_blocked_connection_waits_for_it(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 }, late = { 0 };
	struct attach blocked = { .position = position_parse(SLICE(A ".5")), .blocked = true };

	watch_from(b, &w, 5);
	watch_as(b, &late, &stream, blocked);
	told(&late, "exact@5/5 ");
	publish_many(b, A, 6, 7);
	told(&w, "6 7 ");
	size_t too_early = late.story.len;
	hub_writable(b->hub, &late.subscriber);
	told(&late, "6 7 ");
	leave(&w);
	leave(&late);
	assert_int_equal(too_early, 0);
}

static void who_cannot_be_continued_is_reset_and_told_so(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 };
	struct read_result *r = snapshot(A, 20, JOB_IN_PROGRESS);

	b->limits.ring_events = 4;
	watch_from(b, &w, 5);
	hub_block(b->hub, &w.subscriber);
	publish_many(b, A, 6, 20);
	hub_writable(b->hub, &w.subscriber);
	r->resume = RESUME_RESET;
	r->reason = RESET_PRUNED;
	answer(b, 0, r);
	told(&w, "again-reset@20/20 {\"snapshot\":20} ");
	publish_many(b, A, 21, 21);
	told(&w, "21 ");
	assert_int_equal(counted(b, METRIC_RESETS), 1);
	leave(&w);
}

static void who_takes_nothing_for_too_long_is_let_go(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 };

	watch_from(b, &w, 5);
	w.blocks = true;
	publish_many(b, A, 6, 6);
	tick(b, b->limits.write_stall_ms - 1);
	told(&w, "6 ");
	tick(b, 1);
	told(&w, "stalled ");
	assert_null(w.subscriber.channel);
	assert_int_equal(counted(b, METRIC_SLOW_CLOSES + LABEL_CAUSE_STALLED), 1);
	leave(&w);
}

static void who_goes_on_taking_is_not_let_go(void **state)
{
	struct bench *b = *state;
	struct watcher w = { .takes = true };

	watch_from(b, &w, 5);
	w.blocks = true;
	publish_many(b, A, 6, 6);
	for (int i = 0; i < 3; i++)
		tick(b, b->limits.write_stall_ms);
	told(&w, "6 ");
	w.takes = false;
	tick(b, b->limits.write_stall_ms - 1);
	told(&w, "");
	tick(b, 1);
	told(&w, "stalled ");
	assert_int_equal(counted(b, METRIC_SLOW_CLOSES + LABEL_CAUSE_STALLED), 1);
	leave(&w);
}

static void a_refill_that_failed_is_asked_for_again_soon(void **state)
{
	struct bench *b = *state;
	const struct subscriber_ops *kinds[] = { &stream, &silent };

	for (size_t i = 0; i < COUNT(kinds); i++) {
		struct watcher w = { 0 };
		b->limits.ring_events = 4;
		if (i)
			publish_many(b, A, 21, 25);
		watch_types(b, &w, kinds[i], "", TYPE_BITS_ALL);
		answer(b, 0, snapshot(A, 5 + 20 * i, JOB_IN_PROGRESS));
		hub_block(b->hub, &w.subscriber);
		publish_many(b, A, 6 + 20 * i, 20 + 20 * i);
		hub_writable(b->hub, &w.subscriber);
		answer(b, 0, refusal(OUTCOME_STORAGE_UNAVAILABLE));
		tick(b, 100);
		assert_int_equal(b->ask_count, 0);
		b->refuses = true;
		tick(b, 150);
		assert_int_equal(b->ask_count, 0);
		b->refuses = false;
		tick(b, 250);
		asked_behind(b, 0, A, 5 + 20 * i);
		answer(b, 0, events(A, 5 + 20 * i, 20 + 20 * i, 20 + 20 * i, JOB_IN_PROGRESS));
		assert_int_equal(w.subscriber.cursor, 20 + 20 * i);
		leave(&w);
	}
}

static void a_read_of_who_has_gone_is_marked_so(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 }, v = { 0 };

	watch(b, &w, "");
	watch(b, &v, "abc");
	leave(&w);
	assert_true(b->asked[0]->gone);
	assert_false(b->asked[1]->gone);
	answer(b, 0, refusal(OUTCOME_STOPPING));
	answer(b, 0, snapshot(A, 5, JOB_IN_PROGRESS));
	told(&v, "fresh@5/5 {\"snapshot\":5} ");
	leave(&v);
}

static void what_a_bus_lost_is_read_after_a_moment(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 }, v = { 0 };

	watch_from(b, &w, 5);
	watch(b, &v, "");
	answer(b, 0,
	       snapshot(A, 7, JOB_COMPLETED)); /* so 6 and 7 were lost, or are still on their way */
	told(&v, "fresh@7/7 {\"snapshot\":7} end:completed@7 ");
	tick(b, HOLE_MS - 1);
	assert_int_equal(b->ask_count, 0);
	tick(b, 1);
	asked_behind(b, 0, A, 5);
	answer(b, 0, events(A, 5, 6, 7, JOB_COMPLETED)); /* in pieces */
	tick(b, HOLE_MS);
	asked_behind(b, 0, A, 6);
	answer(b, 0, events(A, 6, 7, 7, JOB_COMPLETED));
	told(&w, "6 7 end:completed@7 ");
	leave(&v);
	leave(&w);
}

static void events_that_overtake_others_are_put_in_order(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 };

	watch_from(b, &w, 5);
	publish_many(b, A, 9, 9);
	publish_many(b, A, 7, 8);
	publish_many(b, A, 9, 9);
	told(&w, "");
	publish_many(b, A, 6, 6);
	told(&w, "6 7 8 9 ");
	publish_many(b, A, 6, 9);
	tick(b, HOLE_MS);
	assert_int_equal(b->ask_count, 0);
	told(&w, "");
	leave(&w);
}

static void what_is_missing_is_read_once_for_all(void **state)
{
	struct bench *b = *state;
	struct watcher w[3] = { 0 };

	for (size_t i = 0; i < COUNT(w); i++)
		watch(b, &w[i], i ? A ".5" : "");
	answer(b, 0, snapshot(A, 5, JOB_IN_PROGRESS));
	while (b->ask_count)
		answer(b, 0, events(A, 5, 5, 5, JOB_IN_PROGRESS));
	for (size_t i = 0; i < COUNT(w); i++)
		w[i].story.len = 0;
	publish_many(b, A, 8, 9);
	tick(b, HOLE_MS);
	assert_int_equal(b->ask_count, 1);
	asked_behind(b, 0, A, 5);
	publish_many(b, A, 10, 10);
	answer(b, 0, events(A, 5, 7, 9, JOB_IN_PROGRESS));
	for (size_t i = 0; i < COUNT(w); i++)
		told(&w[i], "6 7 8 9 10 ");
	assert_int_equal(counted(b, METRIC_BUS_HOLES), 1);
	for (size_t i = 0; i < COUNT(w); i++)
		leave(&w[i]);
}

static void more_than_is_kept_is_read(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 };

	watch_from(b, &w, 5);
	publish_many(b, A, 7, 6 + 300);
	tick(b, HOLE_MS);
	answer(b, 0, events(A, 5, 6, 306, JOB_IN_PROGRESS));
	assert_int_equal(w.subscriber.cursor, 6 + 256);
	tick(b, HOLE_MS);
	asked_behind(b, 0, A, 6 + 256);
	answer(b, 0, events(A, 6 + 256, 306, 306, JOB_IN_PROGRESS));
	assert_int_equal(w.subscriber.cursor, 306);
	leave(&w);
}

static void a_hole_that_cannot_be_read_is_tried_again(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 };

	watch_from(b, &w, 5);
	publish_many(b, A, 7, 7);
	b->refuses = true;
	tick(b, HOLE_MS);
	b->refuses = false;
	tick(b, 250);
	answer(b, 0, refusal(OUTCOME_STORAGE_UNAVAILABLE));
	tick(b, 249);
	assert_int_equal(b->ask_count, 0);
	tick(b, 1);
	answer(b, 0, events(A, 5, 5, 5, JOB_IN_PROGRESS)); /* the database lags */
	tick(b, 250);
	answer(b, 0, events(A, 5, 7, 7, JOB_IN_PROGRESS));
	told(&w, "6 7 ");
	tick(b, 1000);
	assert_int_equal(b->ask_count, 0);
	leave(&w);
}

static void an_event_that_the_log_never_had_is_disbelieved(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 }, v = { 0 };

	watch_from(b, &w, 5);
	publish(b, A, 1000, JOB_COMPLETED); /* of whoever may send on the bus, too */
	turn(b);
	for (int i = 0; i < 4; i++) {
		tick(b, 250);
		assert_int_equal(b->ask_count, 1);
		answer(b, 0, events(A, 5, 5, 5, JOB_IN_PROGRESS));
	}
	tick(b, 1000);
	assert_int_equal(b->ask_count, 0);
	publish_many(b, A, 6, 6);
	told(&w, "6 ");
	watch(b, &v, A ".5"); /* the ring can be trusted again */
	told(&v, "exact@5/6 6 ");
	leave(&v);
	leave(&w);
}

static void a_hole_that_reaches_into_the_pruned_log_is_a_reset(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 };
	struct read_result *r = snapshot(A, 9, JOB_IN_PROGRESS);

	watch_from(b, &w, 5);
	publish_many(b, A, 9, 9);
	tick(b, HOLE_MS);
	r->resume = RESUME_RESET;
	r->reason = RESET_PRUNED;
	answer(b, 0, r);
	asked_behind(b, 0, A, 5); /* the watcher for itself */
	r = snapshot(A, 9, JOB_IN_PROGRESS);
	r->resume = RESUME_RESET;
	r->reason = RESET_PRUNED;
	answer(b, 0, r);
	publish_many(b, A, 10, 10);
	told(&w, "again-reset@9/9 {\"snapshot\":9} 10 ");
	leave(&w);
}

static void a_hole_of_a_channel_that_is_dropped_is_forgotten(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 };

	watch_from(b, &w, 5);
	publish_many(b, A, 7, 7);
	tick(b, HOLE_MS);
	leave(&w);
	tick(b, b->limits.linger_ms);
	assert_int_equal(hub_channels(b->hub), 0);
	answer(b, 0, events(A, 5, 7, 7, JOB_IN_PROGRESS));
}

/* The heads of jobs, as a bus reads them from the database. */

static void publish_head(struct bench *b, const char *epoch, uint64_t seq, enum job_status status)
{
	struct batch *batch = batch_create();
	struct event *e = batch_add(batch);

	snprintf(e->job_id, sizeof(e->job_id), "j");
	snprintf(e->epoch, sizeof(e->epoch), "%s", epoch);
	e->seq = seq;
	e->job_status = status;
	e->is_head = true;
	hub_publish(b->hub, batch);
	batch_release(batch);
	turn(b);
}

static void a_head_that_is_further_than_the_ring_is_read(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 };

	publish_head(b, A, 4, JOB_IN_PROGRESS); /* nobody watches */
	watch_from(b, &w, 5);
	publish_head(b, A, 4, JOB_IN_PROGRESS);
	publish_head(b, A, 5, JOB_IN_PROGRESS);
	tick(b, HOLE_MS);
	assert_int_equal(b->ask_count, 0);
	publish_head(b, A, 7, JOB_COMPLETED);
	publish_head(b, A, 7, JOB_COMPLETED);
	tick(b, HOLE_MS);
	assert_int_equal(b->ask_count, 1);
	answer(b, 0, events(A, 5, 7, 7, JOB_COMPLETED));
	told(&w, "6 7 end:completed@7 ");
	leave(&w);
}

static void a_head_during_the_first_read_is_remembered(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 };

	watch(b, &w, "");
	publish_head(b, A, 6, JOB_IN_PROGRESS);
	answer(b, 0, snapshot(A, 5, JOB_IN_PROGRESS)); /* it was read before */
	tick(b, HOLE_MS);
	asked_behind(b, 0, A, 5);
	answer(b, 0, events(A, 5, 6, 6, JOB_IN_PROGRESS));
	told(&w, "fresh@5/5 {\"snapshot\":5} 6 ");
	leave(&w);
}

static void a_read_decides_whether_a_job_is_gone(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 }, v = { 0 };

	watch_from(b, &w, 5);
	publish_head(b, "", 0, JOB_PENDING); /* older than the job */
	tick(b, HOLE_MS);
	answer(b, 0, events(A, 5, 5, 5, JOB_IN_PROGRESS));
	told(&w, "");
	publish_head(b, "", 0, JOB_PENDING);
	tick(b, HOLE_MS);
	answer(b, 0, refusal(OUTCOME_NOT_FOUND));
	told(&w, "end:deleted@5 ");
	leave(&w);

	watch_from(b, &v, 5);
	publish_head(b, B, 1, JOB_PENDING); /* it was deleted and made again */
	tick(b, HOLE_MS);
	answer(b, 0, snapshot(B, 1, JOB_PENDING));
	told(&v, "end:deleted@5 ");
	leave(&v);
}

static void a_head_of_another_log_drops_a_ring_that_nobody_watches(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 };

	watch_from(b, &w, 5);
	leave(&w);
	publish_head(b, B, 1, JOB_PENDING);
	watch(b, &w, A ".5");
	answer(b, 0, snapshot(B, 1, JOB_PENDING));
	told(&w, "fresh@1/1 {\"snapshot\":1} ");
	leave(&w);
}

static void a_ring_that_is_known_to_lag_serves_nobody(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 }, v = { 0 };

	watch_from(b, &w, 5);
	watch(b, &v, "");
	answer(b, 0, snapshot(A, 7, JOB_IN_PROGRESS));
	hub_detach(b->hub, &v.subscriber);
	v.story.len = 0;
	watch(b, &v, A ".5");
	asked_behind(b, 0, A, 5);
	answer(b, 0, events(A, 5, 7, 7, JOB_IN_PROGRESS));
	told(&v, "exact@5/7 6 7 ");
	publish_many(b, A, 6, 8);
	told(&v, "8 ");
	told(&w, "6 7 8 ");
	leave(&v);
	leave(&w);
}

/* The end. */

static void the_end_comes_once_behind_the_last_event(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 };

	watch_from(b, &w, 5);
	publish(b, A, 6, JOB_IN_PROGRESS);
	publish(b, A, 7, JOB_FAILED);
	turn(b);
	told(&w, "6 7 end:failed@7 ");
	tick(b, b->limits.linger_ms - 1);
	told(&w, "");
	watch(b, &w, A ".7");
	told(&w, "exact-over@7/7 end:failed@7 ");
	leave(&w);
}

static void a_poll_is_not_over_before_the_end_is_here(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 }, p = { 0 };

	watch_from(b, &w, 5);
	watch_types(b, &p, &poll, A ".5", TYPE_BITS_ALL);
	told(&p, "exact@5/5 ");
	leave(&w);
	watch(b, &w, "");
	answer(b, 0, snapshot(A, 8, JOB_COMPLETED)); /* the news of 6, 7 and 8 are on their way */
	assert_false(subscriber_ended(&p.subscriber));
	publish_many(b, A, 6, 6);
	told(&p, "ready ");
	publish_many(b, A, 7, 7);
	publish(b, A, 8, JOB_COMPLETED);
	turn(b);
	told(&p, "ready ready-ended ");
	leave(&p);
	leave(&w);
}

static void a_deleted_job_ends_its_streams(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 };

	watch_from(b, &w, 5);
	publish_many(b, A, 6, 6);
	publish_deletion(b, A, 6);
	told(&w, "6 end:deleted@6 ");
	leave(&w);
}

static void a_deleted_job_ends_even_who_waits_for_the_store(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 };

	b->limits.ring_events = 4;
	watch_from(b, &w, 5);
	hub_block(b->hub, &w.subscriber);
	publish_many(b, A, 6, 20);
	hub_writable(b->hub, &w.subscriber);
	publish_deletion(b, A, 20);
	told(&w, "");
	answer(b, 0, refusal(OUTCOME_NOT_FOUND));
	told(&w, "end:deleted@20 ");
	leave(&w);
}

static void the_store_may_know_of_a_deletion_first(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 };

	b->limits.ring_events = 4;
	watch_from(b, &w, 5);
	hub_block(b->hub, &w.subscriber);
	publish_many(b, A, 6, 20);
	hub_writable(b->hub, &w.subscriber);
	answer(b, 0, refusal(OUTCOME_NOT_FOUND));
	told(&w, "end:deleted@5 ");
	publish_deletion(b, A, 20); /* too late: nobody is there */
	leave(&w);
}

static void a_deletion_does_not_move_the_end(void **state)
{
	struct bench *b = *state;
	struct watcher slow = { 0 }, w = { 0 };

	b->limits.ring_events = 4;
	watch_from(b, &slow, 5);
	watch(b, &w, A ".7");
	hub_block(b->hub, &slow.subscriber);
	publish_many(b, A, 6, 19);
	publish(b, A, 20, JOB_COMPLETED);
	hub_writable(b->hub, &slow.subscriber);
	answer(b, 1, refusal(OUTCOME_NOT_FOUND)); /* the job went, and the slow one ends at 5 */
	answer(b, 0, events(A, 7, 8, 19, JOB_IN_PROGRESS)); /* read before the end */
	told(&w, "exact@7/20 8 end:deleted@20 ");
	leave(&slow);
	leave(&w);
}

/* Another job under the same name. */

static void a_job_made_again_is_another_job(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 }, v = { 0 };

	watch_from(b, &w, 5);
	publish_deletion(b, A, 5);
	told(&w, "end:deleted@5 ");
	watch(b, &v, "");
	publish_many(b, B, 1, 2);
	publish_many(b, A, 6, 6); /* late news of the first one */
	answer(b, 0, snapshot(B, 1, JOB_IN_PROGRESS));
	told(&v, "fresh@1/2 {\"snapshot\":1} 2 ");
	leave(&v);
	leave(&w);
}

static void an_answer_that_is_ahead_of_the_news_ends_the_old_job(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 }, v = { 0 };

	watch_from(b, &w, 5);
	watch(b, &v, "");
	answer(b, 0, snapshot(B, 1, JOB_IN_PROGRESS)); /* asked when A was known: B is newer */
	told(&w, "end:deleted@5 ");
	told(&v, "");
	answer(b, 0, snapshot(B, 1, JOB_IN_PROGRESS)); /* asked once more, for the channel of B */
	told(&v, "fresh@1/1 {\"snapshot\":1} ");
	publish_deletion(b, A, 5);
	publish_many(b, B, 1, 2);
	told(&v, "2 ");
	leave(&v);
	leave(&w);
}

static void an_answer_that_was_overtaken_ends_nobody(void **state)
{
	struct bench *b = *state;
	struct watcher early = { 0 }, late = { 0 };

	watch(b, &early, "");
	watch(b, &late, "");
	answer(b, 1, snapshot(B, 1, JOB_IN_PROGRESS));
	told(&late, "fresh@1/1 {\"snapshot\":1} ");
	answer(
	    b, 0,
	    snapshot(A, 14, JOB_IN_PROGRESS)); /* read before the job was deleted and made again */
	told(&late, "");
	answer(b, 0, snapshot(B, 1, JOB_IN_PROGRESS));
	told(&early, "fresh@1/1 {\"snapshot\":1} ");
	leave(&early);
	leave(&late);
}

/* Watchers are counted. */

static void others_are_told_how_many_watch(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 }, v = { 0 };

	watch_from(b, &w, 5);
	assert_string_equal(b->told, "j:1 ");
	watch(b, &v, A ".5");
	assert_int_equal(hub_watchers(b->hub, "j"), 2);
	hub_set_remote_watchers(b->hub, "j", 1, 5);
	hub_set_remote_watchers(b->hub, "j", 2, 1);
	hub_set_remote_watchers(b->hub, "k", 1, 7);
	assert_int_equal(hub_watchers(b->hub, "j"), 8);
	hub_set_remote_watchers(b->hub, "j", 1, 0);
	assert_int_equal(hub_watchers(b->hub, "j"), 3);
	leave(&v);
	leave(&w);
	turn(b);
	assert_string_equal(b->told, "j:1 j:2 j:0 ");
}

static void who_speaks_for_several_tabs_counts_as_so_many(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 }, v = { 0 };

	watch_from(b, &w, 5);
	watch_with(b, &v, 0, TABS_MAX);
	assert_int_equal(hub_watchers(b->hub, "j"), 33);
	leave(&v); /* and comes again, for fewer */
	watch_with(b, &v, 0, 2);
	assert_int_equal(hub_watchers(b->hub, "j"), 3);
	leave(&v);
	leave(&w);
	turn(b);
	assert_string_equal(b->told, "j:1 j:33 j:3 j:0 ");
}

static void one_client_is_one_watcher_however_often_it_watches(void **state)
{
	struct bench *b = *state;
	struct watcher anybody = { 0 }, ann[3] = { 0 }, bob = { 0 };

	watch_from(b, &anybody, 5);
	for (int i = 0; i < 3; i++)
		watch_of(b, &ann[i], "ann", 4);
	assert_int_equal(hub_watchers(b->hub, "j"), 2);
	watch_of(b, &bob, "bob", 1);
	assert_int_equal(hub_watchers(b->hub, "j"), 3);
	leave(&ann[0]);
	leave(&ann[2]);
	assert_int_equal(hub_watchers(b->hub, "j"), 3);
	leave(&ann[1]);
	assert_int_equal(hub_watchers(b->hub, "j"), 2);
	watch_of(b, &ann[1], "ann", 4);
	assert_int_equal(hub_watchers(b->hub, "j"), 3);
	leave(&ann[1]);
	leave(&bob);
	leave(&anybody);
	assert_int_equal(hub_watchers(b->hub, "j"), 0);
}

static void watchers_of_a_deleted_job_do_not_count_for_the_next(void **state)
{
	struct bench *b = *state;
	struct watcher old = { 0 }, young = { 0 };

	watch_from(b, &old, 5);
	hub_block(b->hub, &old.subscriber); /* so that it is not told yet */
	publish_deletion(b, A, 5);
	watch(b, &young, "");
	assert_string_equal(b->told, "j:1 j:1 ");
	hub_writable(b->hub, &old.subscriber);
	turn(b);
	told(&old, "end:deleted@5 ");
	assert_string_equal(b->told, "j:1 j:1 j:1 ");
	assert_int_equal(hub_watchers(b->hub, "j"), 1);
	answer(b, 0, snapshot(B, 1, JOB_IN_PROGRESS));
	leave(&old);
	leave(&young);
}

static void who_leaves_when_it_is_answered_is_no_watcher(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 }, v = { 0 };
	struct attach a = { .tabs = 3, .uncounted = true };

	watch_as(b, &w, &poll, a);
	a.identity = "ann";
	watch_as(b, &v, &poll, a);
	assert_int_equal(hub_watchers(b->hub, "j"), 0);
	answer(b, 0, snapshot(B, 1, JOB_IN_PROGRESS));
	/* read before the job was deleted and made again: v is attached again */
	answer(b, 0, snapshot(A, 14, JOB_IN_PROGRESS));
	answer(b, 0, snapshot(B, 1, JOB_IN_PROGRESS));
	assert_int_equal(hub_watchers(b->hub, "j"), 0);
	leave(&w);
	leave(&v);
	assert_int_equal(hub_watchers(b->hub, "j"), 0);
	assert_string_equal(b->told, "");
}

static void a_job_is_followed_as_long_as_its_ring_is_kept(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 };

	watch_from(b, &w, 5);
	leave(&w);
	tick(b, b->limits.linger_ms - 1);
	assert_string_equal(b->followed, "+j ");
	tick(b, 1);
	assert_string_equal(b->followed, "+j -j ");
}

static void a_deleted_job_is_not_followed_and_the_next_one_is(void **state)
{
	struct bench *b = *state;
	struct watcher old = { 0 }, young = { 0 };

	watch_from(b, &old, 5);
	hub_block(b->hub, &old.subscriber); /* so that its channel stays */
	publish_deletion(b, A, 5);
	assert_string_equal(b->followed, "+j -j ");
	watch(b, &young, "");
	assert_string_equal(b->followed, "+j -j +j ");
	answer(b, 0, snapshot(B, 1, JOB_IN_PROGRESS));
	leave(&old);
	tick(b, 1); /* its channel is dropped */
	assert_int_equal(hub_channels(b->hub), 1);
	assert_string_equal(b->followed, "+j -j +j ");
	leave(&young);
}

static void a_job_that_is_not_there_is_forgotten_at_once(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 };

	watch(b, &w, "");
	answer(b, 0, refusal(OUTCOME_NOT_FOUND));
	leave(&w);
	tick(b, 1);
	assert_int_equal(hub_channels(b->hub), 0);
	assert_string_equal(b->followed, "+j -j ");
}

static void a_job_that_nobody_watches_is_forgotten_after_a_while(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 };

	watch_from(b, &w, 5);
	leave(&w);
	tick(b, b->limits.linger_ms - 1);
	assert_int_equal(hub_channels(b->hub), 1);
	publish_many(b, A, 6, 6);
	w = (struct watcher){ 0 };
	watch(b, &w, A ".5"); /* who comes back in time needs no store */
	told(&w, "exact@5/6 6 ");
	leave(&w);
	tick(b, b->limits.linger_ms - 1);
	assert_int_equal(hub_channels(b->hub), 1);
	tick(b, 1);
	assert_int_equal(hub_channels(b->hub), 0);
}

/* Rounds. */

static void a_round_has_an_end(void **state)
{
	struct bench *b = *state;
	struct watcher many[5] = { 0 };
	int served = 0;

	b->limits.round_visits = 2;
	watch_from(b, &many[0], 5);
	for (int i = 1; i < 5; i++) {
		watch(b, &many[i], A ".5");
		many[i].story.len = 0;
	}
	publish(b, A, 6, JOB_IN_PROGRESS);
	assert_true(hub_round(b->hub, b->now));
	for (int i = 0; i < 5; i++)
		served += many[i].story.len > 0;
	assert_int_equal(served, 2);
	publish(
	    b, A, 7,
	    JOB_IN_PROGRESS); /* while it is under way: nobody is forgotten, nobody served twice */
	turn(b);
	for (int i = 0; i < 5; i++) {
		told(&many[i], "6 7 ");
		leave(&many[i]);
	}
}

static void many_watchers_are_written_to_at_a_pace(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 }, v = { 0 };

	b->limits.pace_watchers = 2;
	hub_set_pace(b->hub, 10);
	watch_from(b, &w, 5);
	watch(b, &v, A ".5");
	v.story.len = 0;
	assert_true(hub_round_due(b->hub) == UINT64_MAX);
	publish_many(b, A, 6, 6);
	told(&w, "6 "); /* the first at once */
	publish_many(b, A, 7, 7);
	publish_many(b, A, 8, 8);
	told(&w, "");
	assert_int_equal(hub_round_due(b->hub), b->now + 10);
	b->now += 10;
	hub_round(b->hub, b->now);
	told(&w, "7 8 ");
	told(&v, "6 7 8 ");
	assert_int_equal(counted(b, METRIC_PACED_ROUNDS), 1);
	assert_int_equal(metrics_own(METRIC_PACE), 10000);
	assert_true(hub_round_due(b->hub) == UINT64_MAX);
	leave(&v);
	publish_many(b, A, 9, 9);
	told(&w, "9 "); /* one watcher is not paced */
	leave(&w);
}

static uint64_t counted_in(const struct bench *b, unsigned cell)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < METRIC_TIMES_CELLS - 1; i++)
		sum += counted(b, cell + i);
	return sum;
}

static void a_round_is_as_old_as_its_oldest_event(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 };

	watch_from(b, &w, 5);
	assert_false(hub_has_rounds(b->hub));
	b->committed_us = 1000;
	publish(b, A, 6, JOB_IN_PROGRESS);
	b->committed_us = 5000;
	publish(b, A, 7, JOB_IN_PROGRESS);
	turn(b);
	told(&w, "6 7 ");
	assert_true(hub_has_rounds(b->hub));
	hub_observe_rounds(b->hub, 10000);
	assert_false(hub_has_rounds(b->hub));
	assert_int_equal(counted_in(b, METRIC_COMMIT_TO_WRITE), 1);
	assert_int_equal(counted(b, METRIC_COMMIT_TO_WRITE_LAST), 9000);
	assert_int_equal(counted(b, METRIC_PUBLISH_TO_WRITE_LAST), 9500);
	leave(&w);
}

static void events_that_nobody_watches_have_no_age(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 };

	watch_from(b, &w, 5);
	b->committed_us = 1000;
	publish(b, A, 6, JOB_IN_PROGRESS);
	leave(&w);
	publish(b, A, 7, JOB_IN_PROGRESS);
	turn(b);
	watch(b, &w, A ".7");
	b->committed_us = 8000;
	publish(b, A, 8, JOB_IN_PROGRESS);
	turn(b);
	hub_observe_rounds(b->hub, 10000);
	assert_int_equal(counted_in(b, METRIC_COMMIT_TO_WRITE), 1);
	assert_int_equal(counted(b, METRIC_COMMIT_TO_WRITE_LAST), 2000);
	leave(&w);
}

/* Events that wait for the pause to be over; how long the next pause is. */
static uint64_t pause_after(struct bench *b, uint64_t from, uint64_t to)
{
	publish_many(b, A, from, to);
	b->now = hub_round_due(b->hub);
	hub_round(b->hub, b->now);
	publish_many(b, A, to + 1, to + 1);
	return hub_round_due(b->hub) - b->now;
}

static void many_watchers_that_get_very_much_are_written_to_half_as_often(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 }, v = { 0 };

	b->limits.pace_watchers = 2;
	hub_set_pace(b->hub, 10);
	watch_from(b, &w, 5);
	watch(b, &v, A ".5");
	publish_many(b, A, 6, 6);
	assert_int_equal(pause_after(b, 7, 37), 10);  /* 31 for each */
	assert_int_equal(pause_after(b, 39, 69), 20); /* 32, with 38 */
	assert_int_equal(pause_after(b, 71, 71), 10);
	leave(&v);
	leave(&w);
}

static void without_a_pause_everything_goes_at_once(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 }, v = { 0 };

	b->limits.pace_watchers = 2;
	hub_set_pace(b->hub, 0);
	watch_from(b, &w, 5);
	watch(b, &v, A ".5");
	publish_many(b, A, 6, 6);
	publish_many(b, A, 7, 7);
	told(&w, "6 7 ");
	assert_true(hub_round_due(b->hub) == UINT64_MAX);
	leave(&v);
	leave(&w);
}

static void a_heartbeat_says_the_head(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 };

	watch_from(b, &w, 5);
	tick(b, b->limits.heartbeat_ms - 1);
	told(&w, "");
	tick(b, 1);
	told(&w, "beat@5 ");
	publish_many(b, A, 6, 6);
	tick(b, b->limits.heartbeat_ms);
	told(&w, "6 beat@6 ");
	hub_block(b->hub, &w.subscriber);
	tick(b, b->limits.heartbeat_ms - 1);
	told(&w, "");
	leave(&w);
}

/* Quick, standard and slow ones, come in an order that is not the order of their beats. */
static void each_has_the_heartbeat_it_asked_for(void **state)
{
	struct bench *b = *state;
	struct watcher standard = { 0 }, slow = { 0 }, quick = { 0 };

	watch_from(b, &standard, 5);
	watch_with(b, &slow, HEARTBEAT_SECONDS_MAX, 1);
	watch_with(b, &quick, HEARTBEAT_SECONDS_MIN, 1);
	for (int s = 1; s <= 60; s++) {
		tick(b, 1000);
		told(&quick, s % 5 ? "" : "beat@5 ");
		told(&standard, s % 30 ? "" : "beat@5 ");
		told(&slow, s % 60 ? "" : "beat@5 ");
	}
	leave(&quick);
	leave(&slow);
	leave(&standard);
}

/* Its position goes on over what it did not want, and stands when it has been detached. */
static void a_heartbeat_of_a_filtering_watcher_stands_for_a_position(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 }, all = { 0 };

	watch_from(b, &all, 1);
	watch_types(b, &w, &stream, A ".1", TYPE_BIT(EVENT_COMMAND));
	w.story.len = 0;
	publish_many(b, A, 2, 7); /* 7 is no command */
	assert_int_equal(w.subscriber.cursor, 7);
	assert_string_equal(subscriber_epoch(&w.subscriber), A);
	tick(b, b->limits.heartbeat_ms);
	told(&w, "2 4 6 beat@7 ");
	assert_true(subscriber_filters(&w.subscriber));
	assert_false(subscriber_filters(&all.subscriber));
	publish(b, A, 9, JOB_COMPLETED);
	leave(&w);
	assert_true(subscriber_filters(&w.subscriber));
	leave(&all);
}

/* Choosing. */

static void a_watcher_gets_the_types_it_chose(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 }, v = { 0 };

	watch_types(b, &w, &stream, "", TYPE_BIT(EVENT_COMMAND)); /* the even ones */
	answer(b, 0, snapshot(A, 1, JOB_IN_PROGRESS));
	told(&w, "fresh@1/1 {\"snapshot\":1} ");
	publish_many(b, A, 2, 7);
	told(&w, "2 4 6 ");
	watch_types(b, &v, &stream, A ".0", TYPE_BIT(EVENT_TASK_UPDATE));
	answer(b, 0, events(A, 0, 5, 7, JOB_IN_PROGRESS));
	told(&v, "exact@0/7 1 3 5 7 ");
	publish(b, A, 8, JOB_COMPLETED);
	turn(b);
	told(&v, "end:completed@8 ");
	told(&w, "8 end:completed@8 ");
	assert_int_equal(counted(b, METRIC_DELIVERIES), 8);
	leave(&v);
	leave(&w);
}

static void lists_of_types_are_read(void **state)
{
	static const char *const bad[] = {
		"",
		",",
		"x",
		"task_update,",
		",command",
		"task_update,,command",
		"TASK_UPDATE",
		"task_update command",
		"connected",
	};
	struct buf every = { 0 };
	unsigned types;

	(void)state;
	assert_true(type_filter_parse(SLICE("task_update"), &types));
	assert_int_equal(types, TYPE_BIT(EVENT_TASK_UPDATE));
	assert_true(type_filter_parse(SLICE("presence,command,presence"), &types));
	assert_int_equal(types, TYPE_BIT(EVENT_COMMAND) | TYPE_BIT(EVENT_PRESENCE));
	assert_true(type_filter_parse(SLICE("task_update,job_update,deliverable,command,presence"),
	                              &types));
	assert_int_equal(types, TYPE_BIT(EVENT_TASK_UPDATE) | TYPE_BIT(EVENT_JOB_UPDATE) |
	                            TYPE_BIT(EVENT_DELIVERABLE) | TYPE_BIT(EVENT_COMMAND) |
	                            TYPE_BIT(EVENT_PRESENCE));
	for (int t = 0; t < EVENT_TYPE_COUNT; t++)
		buf_format(&every, "%s%s", t ? "," : "", event_type_text((enum event_type)t));
	assert_true(type_filter_parse(buf_as_slice(&every), &types));
	assert_int_equal(types, TYPE_BITS_ALL);
	buf_finish(&every);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (type_filter_parse(slice_of(bad[i]), &types))
			fail_msg("taken: %s", bad[i]);
}

static void an_ephemeral_message_comes_after_the_events_and_once(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 }, late = { 0 };

	hub_publish_ephemeral(b->hub, "j", SLICE("{\"p\":0}")); /* nobody is there */
	watch_from(b, &w, 5);
	hub_block(b->hub, &w.subscriber);
	hub_publish_ephemeral(b->hub, "j", SLICE("{\"p\":1}"));
	publish_many(b, A, 6, 7);
	hub_publish_ephemeral(b->hub, "j", SLICE("{\"p\":2}"));
	hub_writable(b->hub, &w.subscriber);
	told(&w, "6 7 data: {\"p\":2} ");
	watch(b, &late, A ".7");
	told(&late, "exact@7/7 ");
	publish_many(b, A, 8, 8);
	told(&w, "8 ");
	told(&late, "8 ");
	leave(&w);
	leave(&late);
}

#define HUB_TEST(f) cmocka_unit_test_setup_teardown(f, open_bench, close_bench)

/* Its numbers may have holes: what was not committed does not come. */
static void a_log_that_no_store_has_is_watched_without_a_read(void **state)
{
	struct bench *b = *state;
	struct watcher w = { 0 };

	hub_open_log(b->hub, "j", A);
	watch_as(b, &w, &poll, (struct attach){ .position = position_parse(SLICE(A ".0")) });
	told(&w, "exact@0/0 ");
	publish(b, A, 1, JOB_IN_PROGRESS);
	turn(b);
	told(&w, "ready ");
	subscriber_skip_to(&w.subscriber, 1);
	publish(b, A, 5, JOB_IN_PROGRESS);
	turn(b);
	told(&w, "ready-beyond ");
	assert_int_equal(subscriber_head(&w.subscriber), 5);
	assert_int_equal(b->ask_count, 0);
	leave(&w);
}

static const struct CMUnitTest tests[] = {
	HUB_TEST(the_first_event_is_the_snapshots_next),
	HUB_TEST(a_position_in_the_ring_needs_no_store),
	HUB_TEST(a_position_below_the_ring_is_filled_from_the_store),
	HUB_TEST(positions_that_cannot_be_served_are_asked_of_the_store),
	HUB_TEST(a_busy_store_refuses_newcomers),
	HUB_TEST(a_job_that_was_asked_for_before_it_was_made),
	HUB_TEST(a_blocked_reader_is_given_nothing_and_misses_nothing),
	HUB_TEST(who_comes_to_a_blocked_connection_waits_for_it),
	HUB_TEST(who_cannot_be_continued_is_reset_and_told_so),
	HUB_TEST(who_takes_nothing_for_too_long_is_let_go),
	HUB_TEST(who_goes_on_taking_is_not_let_go),
	HUB_TEST(a_refill_that_failed_is_asked_for_again_soon),
	HUB_TEST(a_read_of_who_has_gone_is_marked_so),
	HUB_TEST(what_a_bus_lost_is_read_after_a_moment),
	HUB_TEST(events_that_overtake_others_are_put_in_order),
	HUB_TEST(what_is_missing_is_read_once_for_all),
	HUB_TEST(more_than_is_kept_is_read),
	HUB_TEST(a_hole_that_cannot_be_read_is_tried_again),
	HUB_TEST(an_event_that_the_log_never_had_is_disbelieved),
	HUB_TEST(a_hole_that_reaches_into_the_pruned_log_is_a_reset),
	HUB_TEST(a_hole_of_a_channel_that_is_dropped_is_forgotten),
	HUB_TEST(a_head_that_is_further_than_the_ring_is_read),
	HUB_TEST(a_head_during_the_first_read_is_remembered),
	HUB_TEST(a_read_decides_whether_a_job_is_gone),
	HUB_TEST(a_head_of_another_log_drops_a_ring_that_nobody_watches),
	HUB_TEST(a_ring_that_is_known_to_lag_serves_nobody),
	HUB_TEST(the_end_comes_once_behind_the_last_event),
	HUB_TEST(a_poll_is_not_over_before_the_end_is_here),
	HUB_TEST(a_deleted_job_ends_its_streams),
	HUB_TEST(a_deleted_job_ends_even_who_waits_for_the_store),
	HUB_TEST(the_store_may_know_of_a_deletion_first),
	HUB_TEST(a_deletion_does_not_move_the_end),
	HUB_TEST(a_job_made_again_is_another_job),
	HUB_TEST(an_answer_that_is_ahead_of_the_news_ends_the_old_job),
	HUB_TEST(an_answer_that_was_overtaken_ends_nobody),
	HUB_TEST(others_are_told_how_many_watch),
	HUB_TEST(who_speaks_for_several_tabs_counts_as_so_many),
	HUB_TEST(one_client_is_one_watcher_however_often_it_watches),
	HUB_TEST(watchers_of_a_deleted_job_do_not_count_for_the_next),
	HUB_TEST(who_leaves_when_it_is_answered_is_no_watcher),
	HUB_TEST(a_job_is_followed_as_long_as_its_ring_is_kept),
	HUB_TEST(a_deleted_job_is_not_followed_and_the_next_one_is),
	HUB_TEST(a_job_that_is_not_there_is_forgotten_at_once),
	HUB_TEST(a_job_that_nobody_watches_is_forgotten_after_a_while),
	HUB_TEST(a_round_has_an_end),
	HUB_TEST(many_watchers_are_written_to_at_a_pace),
	HUB_TEST(a_round_is_as_old_as_its_oldest_event),
	HUB_TEST(events_that_nobody_watches_have_no_age),
	HUB_TEST(without_a_pause_everything_goes_at_once),
	HUB_TEST(many_watchers_that_get_very_much_are_written_to_half_as_often),
	HUB_TEST(a_heartbeat_says_the_head),
	HUB_TEST(each_has_the_heartbeat_it_asked_for),
	HUB_TEST(a_heartbeat_of_a_filtering_watcher_stands_for_a_position),
	HUB_TEST(a_watcher_gets_the_types_it_chose),
	HUB_TEST(lists_of_types_are_read),
	HUB_TEST(an_ephemeral_message_comes_after_the_events_and_once),
	HUB_TEST(a_log_that_no_store_has_is_watched_without_a_read),
};

int main(void)
{
	return RUN("hub", tests);
}
