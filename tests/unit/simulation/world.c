#include "world.h"

#include <stdio.h>
#include <stdlib.h>

#include "changes.h"
#include "joblight/base/xalloc.h"

/* What a hub asks of its loop. */

static bool hub_reads(void *context, struct read_request *r)
{
	struct node *n = context;
	struct world *w = n->world;

	if (w->faults && dice_chance(&w->dice, w->fault_percent)) {
		trace("hub %u: a read is refused", n->number);
		w->failed_reads++;
		return false;
	}
	if (w->question_count == w->question_cap) {
		w->question_cap = w->question_cap ? w->question_cap * 2 : 16;
		w->questions = xrealloc(w->questions, w->question_cap * sizeof(*w->questions));
	}
	w->questions[w->question_count++] = (struct question){ r, n, false };
	trace("hub %u asks for %s behind %s.%llu (kind %d)", n->number, r->query.job_id,
	      r->query.position.epoch, (unsigned long long)r->query.position.seq,
	      (int)r->query.position.kind);
	return true;
}

static void hub_wakes(void *context)
{
	((struct node *)context)->woken = true;
}

static void hub_tells(void *context, const char *job_id, unsigned count)
{
	struct node *n = context;
	struct world *w = n->world;
	unsigned job = (unsigned)atoi(job_id + 1);

	n->told[job].count = count;
	for (unsigned i = 0; i < w->node_count; i++)
		if (&w->nodes[i] != n)
			hub_set_remote_watchers(w->nodes[i].hub, job_id, n->number, count);
}

static void hub_follows(void *context, const char *job_id, bool follows)
{
	(void)context;
	(void)job_id;
	(void)follows;
}

static const struct hub_ops hub_ops = { hub_reads, hub_wakes, hub_tells, hub_follows };

/* Making and ending. */

static struct dice entropy_dice;

static void entropy(void *out, size_t len)
{
	for (uint8_t *at = out; len--; at++)
		*at = (uint8_t)dice_next(&entropy_dice);
}

static void choose_limits(struct world *w)
{
	struct dice *d = &w->dice;

	w->limits = limits_default;
	w->limits.ring_events = DICE_PICK(d, 1, 4, 5, 8, 16, 64);
	w->limits.ring_bytes = DICE_PICK(d, 1024, 1500, 4096, 65536);
	w->limits.rings_bytes = DICE_PICK(d, 0, 3000, 10000, 60000, 1 << 30, 1 << 30);
	w->limits.write_bytes = DICE_PICK(d, 60, 300, 1024, 16384);
	w->limits.read_bytes = DICE_PICK(d, 1, 600, 4096, 32768);
	w->limits.round_visits = DICE_PICK(d, 1, 2, 5, 512);
	w->limits.pace_ms = DICE_PICK(d, 0, 0, 4, 60);
	w->limits.pace_watchers = DICE_PICK(d, 1, 2, 32);
	w->limits.linger_ms = DICE_PICK(d, 0, 50, 1000);
	w->limits.heartbeat_ms = DICE_PICK(d, 100, 400, 3000);
	w->limits.write_stall_ms = DICE_PICK(d, 100, 1000, 5000);
	w->limits.tasks_per_job = 6;
	w->limits.deliverables_per_job = 3;
	w->limits.cached_tasks = DICE_PICK(d, 1, 4, 1000);
}

void world_create(struct world *w, uint64_t seed)
{
	char error[256];

	*w = (struct world){
		.dice = { seed }, .now = 1000, .wall = INT64_C(1770000000000), .faults = true
	};
	entropy_dice.state = ~seed;
	choose_limits(w);
	w->deliveries_before = metrics_own(METRIC_DELIVERIES);
	w->node_count = (unsigned)DICE_PICK(&w->dice, 1, 1, 2, 3);
	w->job_count = (unsigned)dice_between(&w->dice, 1, JOBS_MOST);
	w->fault_percent = (unsigned)DICE_PICK(&w->dice, 0, 0, 5, 25);
	w->db = database_open(":memory:", DURABILITY_FULL, error, sizeof(error));
	w->writer = database_writer(w->db);
	w->reader = database_reader(w->db);
	w->engine = engine_create(w->writer, &w->limits, entropy);
	for (unsigned i = 0; i < w->node_count; i++) {
		struct node *n = &w->nodes[i];
		n->world = w;
		n->number = i;
		n->hub = hub_create(&w->limits, &hub_ops, n);
		n->loses = dice_chance(&w->dice, 25);
		world_tick(n);
	}
}

void world_close_hubs(struct world *w)
{
	for (unsigned i = 0; i < w->node_count; i++) {
		struct node *n = &w->nodes[i];
		hub_free(n->hub);
		for (size_t k = 0; k < n->queue.count; k++)
			batch_release(n->queue.all[k]);
		for (size_t k = 0; k < HISTORY; k++)
			batch_release(n->history[k]);
		free(n->queue.all);
	}
}

void world_finish(struct world *w)
{
	while (w->question_count)
		if (!world_hand_back(w))
			world_answer(w);
	free(w->questions);
	engine_free(w->engine);
	w->reader->ops->close(w->reader);
	database_close(w->db);
	lives_free(w->lives);
}

void world_job_name(unsigned number, char out[ID_MAX + 1])
{
	snprintf(out, ID_MAX + 1, "j%u", number);
}

/* Writing. */

static void enqueue(struct queue *q, struct batch *b)
{
	if (q->count == q->cap) {
		q->cap = q->cap ? q->cap * 2 : 16;
		q->all = xrealloc(q->all, q->cap * sizeof(*q->all));
	}
	batch_hold(b);
	q->all[q->count++] = b;
}

/* What an accepted op says of itself is what was committed. */
static void check_answer(struct world *w, const struct op *op)
{
	if (outcome_is_error(op->problem.outcome)) {
		promise(!op->body.len && !op->seq_last, "a refused op has an answer");
		return;
	}
	if (op->replayed || op->kind == OP_JOB_DELETE || op->kind == OP_STALL)
		return;
	struct life *l = life_of_epoch(w->lives, op->job_id, op->epoch);
	promise(l && op->seq_first && op->seq_first <= op->seq_last && op->seq_last <= l->head,
	        "%s: an op was answered %s.%llu, which is not there", op->job_id, op->epoch,
	        (unsigned long long)op->seq_last);
}

static void commit(struct world *w, struct op **ops, size_t count)
{
	struct batch *batch;

	promise(engine_begin(w->engine, w->wall, w->wall, true) == STORE_OK,
	        "no transaction can be begun");
	for (size_t i = 0; i < count; i++)
		promise(engine_apply(w->engine, ops[i]) == STORE_OK, "the store failed");
	promise(engine_commit(w->engine, &batch) == STORE_OK, "the commit failed");
	lives_learn(&w->lives, batch, w->step);
	for (size_t i = 0; i < count; i++) {
		trace("%s: %s", changes_text(ops[i]), outcome_code(ops[i]->problem.outcome));
		check_answer(w, ops[i]);
		op_free(ops[i]);
	}
	for (unsigned i = 0; i < w->node_count; i++)
		enqueue(&w->nodes[i].queue, batch);
	batch_release(batch);
}

void world_commit(struct world *w)
{
	struct op *ops[5];
	size_t count = dice_between(&w->dice, 1, 5);

	if (dice_chance(&w->dice, 20))
		w->wall += (int64_t)dice_below(&w->dice, 2000) - 500; /* may go back */
	for (size_t i = 0; i < count; i++)
		ops[i] = changes_op(w);
	commit(w, ops, count);
}

void world_nudge(struct world *w)
{
	char id[ID_MAX + 1];

	for (unsigned i = 0; i < w->job_count; i++) {
		world_job_name(i, id);
		struct life *l = life_now(w->lives, id);
		if (!l || l->over)
			continue;
		struct op *op = changes_nudge(id);
		commit(w, &op, 1);
	}
}

static void learn_first(struct world *w, struct life *l)
{
	struct job_row row = { 0 };

	promise(w->reader->ops->job_get(w->reader, l->job_id, &row) == STORE_OK, "%s is not there",
	        l->job_id);
	promise(row.first >= l->first && row.first <= row.seq, "%s: first is %llu", l->job_id,
	        (unsigned long long)row.first);
	l->first = row.first;
	job_row_finish(&row);
}

void world_prune(struct world *w)
{
	const struct store_ops *ops = w->writer->ops;
	bool all = dice_chance(&w->dice, 50);

	promise(ops->begin(w->writer) == STORE_OK, "no transaction can be begun");
	struct prune_limits limits = { .keys_before = w->wall - 100000,
		                       .logs_before = all ? w->wall + 1 : 0,
		                       .days_before = INT64_MIN,
		                       .max_bytes = UINT64_MAX };
	limits.max_events = dice_between(&w->dice, 1, 20);
	ops->prune(w->writer, &limits, dice_between(&w->dice, 1, 40));
	promise(ops->commit(w->writer) == STORE_OK, "the commit failed");
	ops = w->reader->ops;
	promise(ops->begin(w->reader) == STORE_OK, "no transaction can be begun");
	for (struct life *l = w->lives; l; l = l->older)
		if (!l->died)
			learn_first(w, l);
	ops->rollback(w->reader);
	trace("pruned");
}

/* Delivering. */

bool world_can_deliver(const struct node *n)
{
	return n->queue.count > 0;
}

static struct batch *dequeue(struct queue *q, size_t index)
{
	struct batch *b = q->all[index];

	q->count--;
	memmove(&q->all[index], &q->all[index + 1], (q->count - index) * sizeof(*q->all));
	return b;
}

static void publish(struct node *n, struct batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		trace("hub %u hears of %s.%s.%llu%s", n->number, b->events[i].job_id,
		      b->events[i].epoch, (unsigned long long)b->events[i].seq,
		      b->events[i].deleted ? " deleted" : "");
	hub_publish(n->hub, b);
}

/* The end of a job must come through, because nothing comes behind it that would show the hole. */
static bool may_be_lost(const struct batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->events[i].deleted || job_status_terminal(b->events[i].job_status))
			return false;
	return true;
}

static void remember(struct node *n, struct batch *b)
{
	struct batch **place = &n->history[dice_below(&n->world->dice, HISTORY)];

	batch_release(*place);
	*place = b;
}

static void deliver_badly(struct node *n)
{
	struct dice *d = &n->world->dice;
	bool swap = n->queue.count > 1 && may_be_lost(n->queue.all[0]) &&
	            may_be_lost(n->queue.all[1]);
	struct batch *b = dequeue(&n->queue, swap && dice_chance(d, 30));
	struct batch *old = n->history[dice_below(d, HISTORY)];

	if (!may_be_lost(b)) {
		publish(n, b);
		batch_release(b);
		return;
	}
	if (dice_chance(d, 15))
		trace("hub %u: a batch is lost", n->number);
	else
		publish(n, b);
	if (old && dice_chance(d, 20))
		publish(n, old);
	remember(n, b);
}

void world_deliver(struct node *n)
{
	if (n->loses && n->world->faults) {
		deliver_badly(n);
		return;
	}
	struct batch *b = dequeue(&n->queue, 0);
	publish(n, b);
	batch_release(b);
}

bool world_round(struct node *n)
{
	if (!n->woken && hub_round_due(n->hub) > n->now)
		return false;
	n->woken = false;
	if (hub_round(n->hub, n->now))
		n->woken = true;
	return true;
}

void world_keep_pace(struct node *n)
{
	uint64_t due = hub_round_due(n->hub);

	if (due == UINT64_MAX || due <= n->now)
		return;
	n->now = due;
	if (n->world->now < due)
		n->world->now = due;
}

void world_ephemeral_json(const char *job_id, unsigned number, struct buf *out)
{
	buf_format(out, "{\"type\":\"presence\",\"jobId\":\"%s\",\"n\":%u}", job_id, number);
}

unsigned world_pass(struct node *n, unsigned job)
{
	struct buf json = { 0 };
	char id[ID_MAX + 1];

	world_job_name(job, id);
	world_ephemeral_json(id, ++n->ephemeral[job], &json);
	trace("hub %u passes %.*s", n->number, (int)json.len, json.ptr);
	hub_publish_ephemeral(n->hub, id, buf_as_slice(&json));
	buf_finish(&json);
	return n->ephemeral[job];
}

void world_tick(struct node *n)
{
	n->now = n->world->now;
	while (hub_tick(n->hub, n->now))
		;
}

/* Reading. */

static struct read_result *answer(struct world *w, const struct read_query *q)
{
	struct read_result *result = read_result_create();

	if (w->faults && dice_chance(&w->dice, w->fault_percent)) {
		problem_set(&result->problem, OUTCOME_STORAGE_UNAVAILABLE, "the disk is on fire");
		w->failed_reads++;
		trace("a read of %s fails", q->job_id);
	} else {
		read_run(w->reader, NULL, q, result);
	}
	return result;
}

void world_answer(struct world *w)
{
	struct read_result *result = NULL;
	struct read_query q;
	size_t start = w->question_count ? dice_below(&w->dice, w->question_count) : 0;

	for (size_t i = 0; i < w->question_count; i++) {
		struct question *x = &w->questions[(start + i) % w->question_count];
		if (x->answered || (result && !read_query_equal(&q, &x->request->query)))
			continue;
		if (!result) {
			q = x->request->query;
			result = answer(w, &q);
			trace("%s is read: head %llu, %zu events", q.job_id,
			      (unsigned long long)result->head, result->event_count);
		}
		read_result_hold(result);
		x->request->result = result;
		x->answered = true;
	}
	read_result_release(result);
}

bool world_hand_back(struct world *w)
{
	size_t start = w->question_count ? dice_below(&w->dice, w->question_count) : 0;

	for (size_t i = 0; i < w->question_count; i++) {
		struct question *x = &w->questions[(start + i) % w->question_count];
		struct read_request *request = x->request;
		if (!x->answered)
			continue;
		trace("hub %u gets its answer about %s", x->node->number, request->query.job_id);
		*x = w->questions[--w->question_count];
		request->done(request);
		return true;
	}
	return false;
}

unsigned world_told_everywhere(const struct world *w, unsigned job)
{
	unsigned total = 0;

	for (unsigned i = 0; i < w->node_count; i++)
		total += w->nodes[i].told[job].count;
	return total;
}
