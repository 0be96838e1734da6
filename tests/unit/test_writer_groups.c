/*
 * Groups of ops that are prepared while the group before commits: with a store whose commits end
 * when the test says so, and how.
 */
#include "store_kit.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>

#include "counts.h"
#include "faulty_store.h"
#include "joblight/base/clock.h"
#include "joblight/core/decode.h"
#include "joblight/work/writer.h"

#define ANSWERS_MAX 64
#define LATE "late" /* a job whose row cannot be had while another transaction commits */
#define ASKS "asks" /* the same, but that is noticed only when it is asked for */

struct answer {
	char job[ID_MAX + 1];
	enum outcome outcome;
	uint64_t seq;
	size_t len;
};

struct office {
	struct bench bench;
	struct limits limits;
	struct faulty_store store;
	struct store_ops ops;
	struct writer *writer;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under the lock */
	struct answer answers[ANSWERS_MAX];
	unsigned answered, events;
	unsigned started, ended; /* commits */
	unsigned allowed;        /* commits that may end */
	unsigned prepared;       /* ops that were applied while another transaction commits */
	unsigned late;           /* ops that could not be */
	unsigned fails_at;       /* the number of the commit that fails; 0: none */
	enum store_result how;
	unsigned begun; /* transactions */
	unsigned prunes, flooded;
	unsigned asked; /* jobs, because of what was in doubt */
	bool flood;
	bool two;        /* transactions may be under way */
	unsigned echoes; /* so many answers submit another op */
	bool shares;     /* of the store */
	/* of the store thread */
	bool early;
	unsigned under_way;
	bool is_full;     /* another one cannot be sent, though the store has said so */
	bool wrote;       /* the transaction */
	bool began_early; /* the same */
	unsigned expected,
	    misused; /* calls of expect() in it; more than one, though it was not early */
	struct {
		enum store_result result;
		bool stale, in_doubt;
	} sent[STORE_SENT_MAX];
};

static struct office *office; /* the hooks get no context */

static void note(unsigned *count)
{
	pthread_mutex_lock(&office->lock);
	++*count;
	pthread_cond_broadcast(&office->changed);
	pthread_mutex_unlock(&office->lock);
}

/* ---- a store that commits in two steps ---- */

static enum store_result hooked_begin(struct store *s)
{
	note(&office->begun);
	office->early = office->wrote = false;
	office->began_early = office->under_way > 0;
	office->expected = 0;
	s->shares = false;
	if (!office->under_way)
		s->in_doubt = s->stale = false;
	return faulty_begin(s);
}

static bool hooked_commit_may_start(struct store *s)
{
	(void)s;
	pthread_mutex_lock(&office->lock);
	unsigned max = office->two ? STORE_SENT_MAX : 1;
	pthread_mutex_unlock(&office->lock);
	return !office->early && office->under_way < max;
}

/* The other store commits at once, so that the next transaction sees it. */
static enum store_result hooked_commit_start(struct store *s)
{
	if (office->early || (office->under_way && office->is_full))
		return STORE_EARLY;
	assert_true(hooked_commit_may_start(s));
	if (!office->wrote) { /* it has ended at once */
		assert_int_equal(office->under_way, 0);
		note(&office->started);
		note(&office->ended);
		return faulty_commit(s);
	}
	pthread_mutex_lock(&office->lock);
	bool fails = ++office->started == office->fails_at;
	pthread_cond_broadcast(&office->changed);
	pthread_mutex_unlock(&office->lock);
	enum store_result before = office->under_way ? office->sent[office->under_way - 1].result
	                                             : STORE_OK;
	enum store_result r = fails                  ? office->how
	                      : before == STORE_OK   ? STORE_OK
	                      : before == STORE_BUSY ? STORE_BUSY
	                                             : STORE_CONFLICT;
	office->sent[office->under_way].result = r;
	office->sent[office->under_way].stale = r == STORE_CONFLICT;
	office->sent[office->under_way++].in_doubt = r == STORE_BUSY;
	if (r == STORE_OK)
		return faulty_commit(s);
	snprintf(s->error, sizeof s->error, "a fault was asked for");
	faulty_rollback(s);
	return STORE_OK;
}

static bool hooked_commit_finish(struct store *s, uint64_t wait_us, int wake_fd,
                                 enum store_result *result)
{
	struct pollfd fd = { .fd = wake_fd, .events = POLLIN };

	*result = STORE_OK;
	if (!office->under_way)
		return true;
	pthread_mutex_lock(&office->lock);
	bool may_end = office->ended < office->allowed;
	pthread_mutex_unlock(&office->lock);
	if (!may_end) {
		poll(&fd, 1, wait_us < 1000 ? 0 : 1);
		return false;
	}
	*result = office->sent[0].result;
	s->stale = office->sent[0].stale;
	s->in_doubt = office->sent[0].in_doubt;
	office->sent[0] = office->sent[1];
	office->under_way--;
	note(&office->ended);
	return true;
}

static enum store_result hooked_commit(struct store *s)
{
	enum store_result r;

	assert_int_equal(office->under_way, 0);
	r = faulty_commit(s);
	note(&office->started);
	return r;
}

static void hooked_rollback(struct store *s)
{
	office->early = false;
	faulty_rollback(s);
}

static enum store_result hooked_expect(struct store *s, const struct expected *rows)
{
	office->misused += office->expected++ && !office->began_early;
	s->shares = office->shares;
	if (!office->under_way)
		return STORE_OK;
	bool late = false;
	for (size_t i = 0; i < rows->job_count; i++)
		late |= strcmp(rows->jobs[i].id, LATE) == 0;
	note(late ? &office->late : &office->prepared);
	return late ? STORE_EARLY : STORE_OK;
}

static enum store_result hooked_event_add(struct store *s, int64_t job, const struct event_row *row)
{
	office->wrote = true;
	return faulty_event_add(s, job, row);
}

static enum store_result hooked_job_get(struct store *s, const char *id, struct job_row *row)
{
	office->early |= office->under_way > 0 && strcmp(id, ASKS) == 0;
	return office->early ? STORE_EARLY : faulty_job_get(s, id, row);
}

static enum store_result hooked_prune(struct store *s, const struct prune_limits *limits,
                                      size_t budget)
{
	enum store_result r = faulty_prune(s, limits, budget);

	assert_int_equal(office->under_way, 0);
	note(&office->prunes);
	return r;
}

static enum store_result hooked_job_heads(struct store *s, const char (*ids)[ID_MAX + 1],
                                          size_t count, job_head_visit *visit, void *context)
{
	for (size_t i = 0; i < count; i++)
		note(&office->asked);
	return faulty_job_heads(s, ids, count, visit, context);
}

/* ---- the office ---- */

static struct op *an_op(enum op_kind kind, const char *job, const char *body)
{
	struct op *op = op_create(kind);
	struct problem problem = { 0 };

	snprintf(op->job_id, sizeof op->job_id, "%s", job);
	if (body && !decode_json(&office->limits, slice_of(body), op, &problem))
		fail_msg("%s", problem.detail);
	problem_finish(&problem);
	return op;
}

static struct op *a_report(const char *job)
{
	return an_op(OP_TASK_REPORT, job, "{\"taskId\":\"t\",\"note\":\"n\"}");
}

static void note_answer(struct office *o, const struct op *op)
{
	struct answer *a = &o->answers[o->answered % ANSWERS_MAX];

	snprintf(a->job, sizeof a->job, "%s", op->job_id);
	a->outcome = op->problem.outcome;
	a->seq = op->seq_last;
	a->len = op->body.len;
	o->answered++;
}

static void deliver(void *context, struct batch *batch, struct op *ops)
{
	struct office *o = context;
	bool more = false;

	pthread_mutex_lock(&o->lock);
	o->events += batch ? (unsigned)batch->count : 0;
	for (struct op *op = ops, *next; op; op = next) {
		next = (struct op *)op->mail.next;
		note_answer(o, op);
		more |= o->flood || o->echoes;
		o->echoes -= o->echoes > 0;
		op_free(op);
	}
	o->flooded += more;
	pthread_cond_broadcast(&o->changed);
	pthread_mutex_unlock(&o->lock);
	struct op *another = more ? a_report("a") : NULL;
	if (another && !writer_submit(o->writer, another)) /* it is stopping */
		op_free(another);
}

static void wait_for(struct office *o, const unsigned *count, unsigned least)
{
	wait_for_count(&o->lock, &o->changed, count, least);
}

static void set(struct office *o, unsigned *what, unsigned value)
{
	pthread_mutex_lock(&o->lock);
	*what = value;
	pthread_mutex_unlock(&o->lock);
}

static unsigned get(struct office *o, const unsigned *what)
{
	pthread_mutex_lock(&o->lock);
	unsigned value = *what;
	pthread_mutex_unlock(&o->lock);
	return value;
}

static void submit(struct office *o, struct op *op)
{
	assert_true(writer_submit(o->writer, op));
}

static void make_job(struct office *o, const char *id)
{
	struct store *w = o->bench.writer;
	struct job_row job = a_job(id);

	OK(w->ops->begin(w));
	OK(w->ops->job_put(w, &job));
	OK(w->ops->commit(w));
}

static int setup(void **state)
{
	struct office *o = office = xcalloc(1, sizeof *o);

	bench_directory(&o->bench);
	snprintf(o->bench.location, sizeof o->bench.location, "%s/jobs.db", o->bench.directory);
	bench_open(&o->bench);
	o->limits = limits_default;
	faulty_init(&o->store, o->bench.writer, &o->ops, false);
	o->ops.begin = hooked_begin;
	o->ops.commit = hooked_commit;
	o->ops.commit_may_start = hooked_commit_may_start;
	o->ops.commit_start = hooked_commit_start;
	o->ops.commit_finish = hooked_commit_finish;
	o->ops.rollback = hooked_rollback;
	o->ops.expect = hooked_expect;
	o->ops.job_get = hooked_job_get;
	o->ops.event_add = hooked_event_add;
	o->ops.prune = hooked_prune;
	o->ops.job_heads = hooked_job_heads;
	pthread_mutex_init(&o->lock, NULL);
	pthread_cond_init(&o->changed, NULL);
	make_job(o, "warm");
	make_job(o, "a");
	make_job(o, "b");
	make_job(o, LATE);
	make_job(o, ASKS);
	*state = o;
	return 0;
}

static int teardown(void **state)
{
	struct office *o = *state;

	pthread_mutex_lock(&o->lock);
	o->flood = false;
	o->allowed = UINT_MAX;
	pthread_mutex_unlock(&o->lock);
	if (o->writer) {
		writer_stop(o->writer);
		writer_free(o->writer);
	}
	assert_int_equal(o->misused, 0);
	bench_close(&o->bench);
	bench_remove(&o->bench);
	free(o);
	return 0;
}

/* The chores, which are all due at the start, run between two groups. */
static void let_chores_run(struct office *o)
{
	pthread_mutex_lock(&o->lock);
	unsigned fails_at = o->fails_at, allowed = o->allowed;
	o->fails_at = 0;
	o->allowed = UINT_MAX;
	pthread_mutex_unlock(&o->lock);
	for (unsigned i = 1; i <= 2; i++) {
		submit(o, a_report("warm"));
		wait_for(o, &o->answered, i);
	}
	pthread_mutex_lock(&o->lock);
	o->answered = o->events = o->started = o->ended = o->prepared = 0;
	o->fails_at = fails_at;
	o->allowed = allowed;
	pthread_mutex_unlock(&o->lock);
}

/* All commits may end, and so many ops are answered. */
static void end_all(struct office *o, unsigned answers)
{
	set(o, &o->allowed, UINT_MAX);
	wait_for(o, &o->answered, answers);
}

/* With one group under way. */
static void start_with(struct office *o, const char *job)
{
	o->writer = writer_start(&o->store.base, &o->limits, deliver, o);
	let_chores_run(o);
	submit(o, a_report(job));
	wait_for(o, &o->started, 1);
}

/* Each answer submits another op. */
static void begin_flood(struct office *o)
{
	pthread_mutex_lock(&o->lock);
	o->flood = true;
	pthread_mutex_unlock(&o->lock);
	for (int i = 0; i < 8; i++)
		submit(o, a_report("b"));
}

static uint64_t seq_of(struct office *o, const char *id)
{
	struct store *r = o->bench.reader;
	struct job_row row = { 0 };

	OK(r->ops->begin(r));
	OK(r->ops->job_get(r, id, &row));
	OK(r->ops->commit(r));
	job_row_finish(&row);
	return row.seq;
}

/* ---- promises ---- */

static void what_comes_while_one_commits_is_the_next_group(void **state)
{
	struct office *o = *state;

	start_with(o, "a");
	for (int i = 0; i < 5; i++)
		submit(o, a_report(i % 2 ? "a" : "b"));
	wait_for(o, &o->prepared, 5);
	assert_int_equal(get(o, &o->started), 1);
	assert_int_equal(get(o, &o->answered), 0);
	set(o, &o->allowed, 1);
	wait_for(o, &o->answered, 1);
	wait_for(o, &o->started, 2);
	end_all(o, 6);
	assert_int_equal(get(o, &o->started), 2);
	assert_int_equal(seq_of(o, "a") + seq_of(o, "b"), 6);
	assert_int_equal(o->events, 6);
}

static void nothing_is_answered_before_it_is_committed(void **state)
{
	struct office *o = *state;

	start_with(o, "a");
	submit(o, a_report("a"));
	wait_for(o, &o->prepared, 1);
	set(o, &o->allowed, 1);
	wait_for(o, &o->started, 2); /* the second one is sent before the first one is answered */
	wait_for(o, &o->answered, 1);
	submit(o, a_report("b"));
	wait_for(o, &o->prepared, 2);
	assert_int_equal(get(o, &o->answered), 1);
	assert_int_equal(get(o, &o->events), 1);
	end_all(o, 3);
	assert_int_equal(o->answers[0].seq, 1);
	assert_int_equal(o->answers[1].seq, 2);
	assert_int_equal(o->answers[2].seq, 1);
}

static void a_group_that_fails_takes_the_next_one_back(void **state)
{
	struct office *o = *state;

	o->fails_at = 1;
	o->how = STORE_FULL;
	start_with(o, "a");
	submit(o, a_report("a"));
	submit(o, a_report("b"));
	wait_for(o, &o->prepared, 2);
	end_all(o, 3);
	assert_int_equal(o->answers[0].outcome, OUTCOME_STORAGE_UNAVAILABLE);
	assert_int_equal(o->answers[1].outcome, OUTCOME_OK);
	assert_int_equal(o->answers[1].seq, 1);
	assert_int_equal(o->answers[2].outcome, OUTCOME_OK);
	assert_int_equal(o->events, 2); /* what was not committed is not published */
	assert_int_equal(seq_of(o, "a"), 1);
	assert_int_equal(seq_of(o, "b"), 1);
}

static void a_group_that_collides_is_run_again_before_the_next_one(void **state)
{
	struct office *o = *state;

	o->fails_at = 1;
	o->how = STORE_CONFLICT;
	start_with(o, "a");
	submit(o, a_report("a"));
	wait_for(o, &o->prepared, 1);
	end_all(o, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(o->answers[i].outcome, OUTCOME_OK);
		assert_int_equal(o->answers[i].seq, i + 1);
	}
	assert_int_equal(o->events, 2);
	assert_int_equal(seq_of(o, "a"), 2);
}

static void the_second_of_two_groups_fails_alone(void **state)
{
	struct office *o = *state;

	o->fails_at = 2;
	o->how = STORE_FULL;
	start_with(o, "a");
	submit(o, a_report("a"));
	wait_for(o, &o->prepared, 1);
	set(o, &o->allowed, 1);
	wait_for(o, &o->started, 2);
	submit(o, a_report("a"));
	wait_for(o, &o->prepared, 2);
	end_all(o, 3);
	assert_int_equal(o->answers[0].outcome, OUTCOME_OK);
	assert_int_equal(o->answers[1].outcome, OUTCOME_STORAGE_UNAVAILABLE);
	assert_int_equal(o->answers[2].outcome, OUTCOME_OK);
	assert_int_equal(o->answers[2].seq, 2);
	assert_int_equal(o->events, 2);
}

/* ---- two that are under way ---- */

/* Of one op each, and a third one prepared (NULL: none). */
static void start_with_two(struct office *o, const char *third)
{
	o->two = true;
	start_with(o, "a");
	submit(o, a_report("b"));
	wait_for(o, &o->started, 2);
	assert_int_equal(get(o, &o->ended), 0);
	if (!third)
		return;
	submit(o, a_report(third));
	wait_for(o, &o->prepared, 2);
}

static void a_group_as_large_as_the_one_under_way_is_sent(void **state)
{
	struct office *o = *state;

	start_with_two(o, NULL);
	set(o, &o->allowed, 1);
	wait_for(o, &o->answered, 1);
	assert_int_equal(get(o, &o->events), 1);
	assert_string_equal(o->answers[0].job, "a");
	end_all(o, 2);
	assert_int_equal(o->answers[1].seq, 1);
	assert_int_equal(o->events, 2);
}

static void a_smaller_group_waits(void **state)
{
	struct office *o = *state;

	start_with(o, "a");
	submit(o, a_report("b"));
	submit(o, a_report("b"));
	wait_for(o, &o->prepared, 2);
	set(o, &o->allowed, 1);
	wait_for(o, &o->started, 2);
	pthread_mutex_lock(&o->lock);
	o->two = true;
	pthread_mutex_unlock(&o->lock);
	submit(o, a_report("a"));
	wait_for(o, &o->prepared, 3);
	submit(o, a_report("a"));
	wait_for(o, &o->started, 3);
	assert_int_equal(get(o, &o->ended), 1);
	end_all(o, 5);
	assert_int_equal(get(o, &o->started), 3); /* 1, 2 and 2 */
	assert_int_equal(seq_of(o, "a"), 3);
}

static void a_third_group_is_prepared_and_waits(void **state)
{
	struct office *o = *state;

	start_with_two(o, "a");
	assert_int_equal(get(o, &o->started), 2);
	assert_int_equal(get(o, &o->answered), 0);
	set(o, &o->allowed, 1);
	wait_for(o, &o->started, 3);
	wait_for(o, &o->answered, 1);
	assert_int_equal(get(o, &o->ended), 1);
	end_all(o, 3);
	assert_int_equal(o->answers[2].seq, 2);
	assert_int_equal(o->events, 3);
}

/* With a third one that was prepared. */
static void the_first_of_two_takes_the_second_back(void **state)
{
	struct office *o = *state;

	o->fails_at = 1;
	o->how = STORE_FULL;
	start_with_two(o, "a");
	end_all(o, 3);
	assert_int_equal(o->answers[0].outcome, OUTCOME_STORAGE_UNAVAILABLE);
	for (int i = 1; i < 3; i++) {
		assert_int_equal(o->answers[i].outcome, OUTCOME_OK);
		assert_int_equal(o->answers[i].seq, 1);
	}
	assert_int_equal(o->events, 2);
	assert_int_equal(seq_of(o, "a") + seq_of(o, "b"), 2);
}

static void both_are_run_again_in_their_order(void **state)
{
	struct office *o = *state;

	o->fails_at = 1;
	o->how = STORE_CONFLICT;
	start_with_two(o, "a");
	end_all(o, 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(o->answers[i].outcome, OUTCOME_OK);
		assert_int_equal(o->answers[i].seq, i < 2 ? 1 : 2);
		assert_string_equal(o->answers[i].job, i == 1 ? "b" : "a");
	}
	assert_int_equal(o->events, 3);
}

static void the_second_of_two_under_way_fails_alone(void **state)
{
	struct office *o = *state;

	o->fails_at = 2;
	o->how = STORE_FULL;
	start_with_two(o, "b");
	end_all(o, 3);
	assert_int_equal(o->answers[0].outcome, OUTCOME_OK);
	assert_int_equal(o->answers[1].outcome, OUTCOME_STORAGE_UNAVAILABLE);
	assert_int_equal(o->answers[2].outcome, OUTCOME_OK);
	assert_int_equal(o->answers[2].seq, 1);
	assert_int_equal(o->events, 2);
}

/* It is asked for both. */
static void both_are_in_doubt(void **state)
{
	struct office *o = *state;

	o->fails_at = 1;
	o->how = STORE_BUSY;
	start_with_two(o, NULL);
	end_all(o, 2);
	for (int i = 0; i < 2; i++)
		assert_int_equal(o->answers[i].outcome, OUTCOME_STORAGE_UNAVAILABLE);
	wait_for(o, &o->asked, 2);
}

static void a_group_that_cannot_be_sent_is_run_later(void **state)
{
	struct office *o = *state;

	o->two = o->is_full = true;
	start_with(o, "a");
	submit(o, a_report("b"));
	submit(o, a_report("a"));
	wait_for(o, &o->prepared, 1);
	end_all(o, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(o->answers[i].outcome, OUTCOME_OK);
	assert_int_equal(o->answers[2].seq, 2);
	assert_int_equal(o->events, 3);
}

/* It would not be known which of the groups that have ended it is. */
static void a_group_that_writes_nothing_waits(void **state)
{
	struct office *o = *state;

	o->two = true;
	start_with(o, "a");
	submit(o, a_report("none"));
	wait_for(o, &o->prepared, 1);
	submit(o, a_report("a"));
	wait_for(o, &o->started, 2);
	end_all(o, 3);
	assert_int_equal(get(o, &o->started), 2);
	assert_int_equal(o->answers[1].outcome, OUTCOME_NOT_FOUND);
	assert_int_equal(o->answers[2].seq, 2);
}

/* ---- what is not prepared ---- */

/* The order of ops stays that in which they came. */
static void what_cannot_be_had_yet_waits_and_so_does_what_comes_after(void **state)
{
	struct office *o = *state;

	start_with(o, "a");
	submit(o, a_report("a"));
	wait_for(o, &o->prepared, 1);
	submit(o, a_report(LATE));
	submit(o, a_report("a"));
	end_all(o, 4);
	assert_string_equal(o->answers[2].job, LATE);
	assert_int_equal(o->answers[2].outcome, OUTCOME_OK);
	assert_int_equal(o->answers[3].seq, 3);
	assert_int_equal(o->events, 4);
}

static void a_group_that_asks_for_more_is_run_again(void **state)
{
	struct office *o = *state;

	start_with(o, "a");
	submit(o, a_report("a"));
	submit(o, a_report(ASKS));
	wait_for(o, &o->prepared, 2);
	submit(o, a_report("a"));
	end_all(o, 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(o->answers[i].outcome, OUTCOME_OK);
	assert_int_equal(o->answers[1].len, o->answers[0].len); /* nothing is in it twice */
	assert_true(o->answers[0].len > 0);
	assert_string_equal(o->answers[2].job, ASKS);
	assert_int_equal(o->answers[2].seq, 1);
	assert_int_equal(o->answers[3].seq, 3);
	assert_int_equal(o->events, 4);
}

/* It has ended when it is sent, and nothing is prepared before it is answered. */
static void a_group_that_is_refused_is_not_waited_for(void **state)
{
	struct office *o = *state;

	o->limits.commit_writes = 2;
	start_with(o, "a");
	submit(o, a_report("none"));
	submit(o, a_report("none"));
	submit(o, a_report("a"));
	submit(o, a_report("a"));
	wait_for(o, &o->prepared, 2);
	end_all(o, 5);
	assert_int_equal(o->answers[1].outcome, OUTCOME_NOT_FOUND);
	assert_int_equal(o->answers[4].seq, 3);
}

static void groups_have_the_size_of_the_limit(void **state)
{
	struct office *o = *state;

	o->limits.commit_writes = 3;
	start_with(o, "a");
	for (int i = 0; i < 7; i++)
		submit(o, a_report("a"));
	wait_for(o, &o->prepared, 3);
	end_all(o, 8);
	assert_int_equal(get(o, &o->started), 4); /* 1, 3, 3 and 1 */
	assert_int_equal(seq_of(o, "a"), 8);
}

/* How many commits there are when the worker of the first one comes back. */
static unsigned commits_with(struct office *o, unsigned late, bool shares)
{
	o->shares = shares;
	start_with(o, "a");
	for (unsigned i = 0; i < late; i++) /* which are a group of their own if it does not wait */
		submit(o, a_report(LATE));
	wait_for(o, &o->late, 1);
	pthread_mutex_lock(&o->lock);
	o->echoes = 1;
	o->allowed = UINT_MAX;
	pthread_mutex_unlock(&o->lock);
	wait_for(o, &o->answered, late + 2);
	assert_int_equal(seq_of(o, "a"), 2);
	assert_int_equal(seq_of(o, LATE), late);
	return get(o, &o->started);
}

static void a_group_that_may_wait_for_others_takes_those_who_come_back(void **state)
{
	assert_int_equal(commits_with(*state, 7, true), 2);
}

static void a_group_that_waits_for_nobody_goes_at_once(void **state)
{
	assert_int_equal(commits_with(*state, 7, false), 3);
}

static void few_are_not_worth_a_wait(void **state)
{
	assert_int_equal(commits_with(*state, 6, true), 3);
}

static void nobody_is_waited_for_long(void **state)
{
	struct office *o = *state;

	o->shares = true;
	start_with(o, "a");
	submit(o, a_report(LATE));
	wait_for(o, &o->late, 1);
	end_all(o, 2); /* and the worker of the first one does not come back */
	submit(o, a_report("a"));
	wait_for(o, &o->answered, 3);
	assert_int_equal(seq_of(o, "a"), 2);
}

/* Under load there is always a group that commits; chores have their turn all the same. */
static void chores_have_their_turn(void **state)
{
	struct office *o = *state;

	o->allowed = UINT_MAX;
	start_with(o, "a");
	begin_flood(o);
	wait_for(o, &o->flooded, 10);
	set(o, &o->prunes, 0);
	wait_for(o, &o->prunes, 2);
}

/* What was in doubt is settled under load, too. */
static void doubts_have_their_turn(void **state)
{
	struct office *o = *state;

	o->fails_at = 3;
	o->how = STORE_BUSY;
	o->allowed = UINT_MAX;
	start_with(o, "a");
	begin_flood(o);
	wait_for(o, &o->asked, 1);
}

static bool keep_time(void *context, const struct event_row *row)
{
	*(int64_t *)context = row->time;
	return true;
}

static int64_t last_time_of(struct office *o, const char *id)
{
	struct store *r = o->bench.reader;
	struct job_row row = { 0 };
	int64_t time = 0;

	OK(r->ops->begin(r));
	OK(r->ops->job_get(r, id, &row));
	OK(r->ops->events(r, row.key, 0, false, SIZE_MAX, keep_time, &time));
	OK(r->ops->commit(r));
	job_row_finish(&row);
	return time;
}

/* However long the commit before takes. */
static void an_event_has_the_time_at_which_its_op_came(void **state)
{
	struct office *o = *state;

	start_with(o, "a");
	submit(o, a_report("b"));
	wait_for(o, &o->prepared, 1);
	int64_t before = clock_wall_ms() + 20;
	while (clock_wall_ms() < before)
		poll(NULL, 0, 1);
	submit(o, a_report("b"));
	wait_for(o, &o->prepared, 2);
	end_all(o, 3);
	assert_int_equal(get(o, &o->started), 2);
	assert_true(last_time_of(o, "b") >= before);
}

/* It would not know whether the group before was committed. */
static void nothing_but_updates_of_tasks_is_prepared(void **state)
{
	struct office *o = *state;
	struct op *import = an_op(OP_JOB_IMPORT, "b", NULL);

	buf_text(&import->payload, "no line of an export\n");
	start_with(o, "a");
	submit(o, a_report("a"));
	submit(o, import);
	submit(o, an_op(OP_JOB_PATCH, "b", "{\"status\":\"completed\"}"));
	wait_for(o, &o->prepared, 1);
	set(o, &o->allowed, 1);
	wait_for(o, &o->started, 2);
	assert_int_equal(get(o, &o->prepared), 1);
	end_all(o, 4);
	assert_int_equal(o->answers[3].outcome, OUTCOME_OK);
}

static void a_stop_answers_what_was_accepted(void **state)
{
	struct office *o = *state;

	start_with(o, "a");
	for (int i = 0; i < 10; i++)
		submit(o, a_report("b"));
	wait_for(o, &o->prepared, 1);
	set(o, &o->allowed, UINT_MAX);
	writer_stop(o->writer);
	assert_int_equal(o->answered, 11);
	assert_int_equal(seq_of(o, "b"), 10);
	writer_free(o->writer);
	o->writer = NULL;
}

#define STOPS 300

/* The thread may have looked just before. */
static void what_is_accepted_just_before_a_stop_is_answered(void **state)
{
	struct office *o = *state;
	unsigned seed = 1;

	o->allowed = UINT_MAX;
	for (int i = 0; i < STOPS; i++) {
		set(o, &o->answered, 0);
		o->writer = writer_start(&o->store.base, &o->limits, deliver, o);
		submit(o, a_report("a"));
		wait_for(o, &o->answered, 1);
		for (volatile int wait = rand_r(&seed) % 20000; wait; wait--)
			;
		submit(o, a_report("a"));
		writer_stop(o->writer);
		assert_int_equal(o->answered, 2);
		writer_free(o->writer);
		o->writer = NULL;
	}
	assert_int_equal(seq_of(o, "a"), 2 * STOPS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest promises[] = {
	TEST(what_comes_while_one_commits_is_the_next_group),
	TEST(nothing_is_answered_before_it_is_committed),
	TEST(a_group_that_fails_takes_the_next_one_back),
	TEST(a_group_that_collides_is_run_again_before_the_next_one),
	TEST(the_second_of_two_groups_fails_alone),
	TEST(a_group_as_large_as_the_one_under_way_is_sent),
	TEST(a_smaller_group_waits),
	TEST(a_third_group_is_prepared_and_waits),
	TEST(the_first_of_two_takes_the_second_back),
	TEST(both_are_run_again_in_their_order),
	TEST(the_second_of_two_under_way_fails_alone),
	TEST(both_are_in_doubt),
	TEST(a_group_that_cannot_be_sent_is_run_later),
	TEST(a_group_that_writes_nothing_waits),
	TEST(what_cannot_be_had_yet_waits_and_so_does_what_comes_after),
	TEST(a_group_that_asks_for_more_is_run_again),
	TEST(a_group_that_is_refused_is_not_waited_for),
	TEST(groups_have_the_size_of_the_limit),
	TEST(a_group_that_may_wait_for_others_takes_those_who_come_back),
	TEST(a_group_that_waits_for_nobody_goes_at_once),
	TEST(few_are_not_worth_a_wait),
	TEST(nobody_is_waited_for_long),
	TEST(chores_have_their_turn),
	TEST(doubts_have_their_turn),
	TEST(an_event_has_the_time_at_which_its_op_came),
	TEST(nothing_but_updates_of_tasks_is_prepared),
	TEST(what_is_accepted_just_before_a_stop_is_answered),
	TEST(a_stop_answers_what_was_accepted),
};

int main(void)
{
	return _cmocka_run_group_tests("groups", promises, sizeof promises / sizeof *promises, NULL,
	                               NULL);
}
