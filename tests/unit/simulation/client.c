#include "client.h"

#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/json.h"

static const char *const framings[] = { "sse", "named", "ws" }; /* those that this client reads */

#define FRAMINGS (sizeof(framings) / sizeof(framings[0]))

#define NAME "client %u (%s%s, %s, hub %u)"
#define NAMED(c)                                                                                   \
	(c)->number, framings[(c)->framing], (c)->polls ? " poll" : "", (c)->job_id,               \
	    (c)->node->number

void client_init(struct client *c, struct world *w, unsigned number)
{
	struct dice *d = &w->dice;

	*c = (struct client){ .world = w, .number = number };
	c->node = &w->nodes[dice_below(d, w->node_count)];
	world_job_name((unsigned)dice_below(d, w->job_count), c->job_id);
	c->framing = (enum framing)dice_below(d, FRAMINGS);
	c->polls = dice_chance(d, 25);
	if (c->polls)
		c->framing = FRAME_SSE;
	c->waits = dice_chance(d, 60);
	c->beats = dice_chance(d, 80);
	c->limit = (size_t)DICE_PICK(d, 1, 3, 500);
	c->chunked = c->framing != FRAME_WS && dice_chance(d, 50);
	c->blocks_percent = (unsigned)DICE_PICK(d, 0, 10, 70);
	c->types = dice_chance(d, 75) ? TYPE_BITS_ALL : (unsigned)dice_between(d, 1, TYPE_BITS_ALL);
}

void client_finish(struct client *c)
{
	if (c->watch)
		hub_detach(c->node->hub, &c->watch->subscriber);
	client_leave(c);
	client_poison(c);
}

void client_free(struct client *c)
{
	while (c->left) {
		struct watch *w = c->left;
		c->left = w->older;
		free(w);
	}
	buf_finish(&c->opening);
	buf_finish(&c->wire);
}

void client_poison(struct client *c)
{
	for (struct watch *w = c->left; w && w->client; w = w->older) {
		memset(&w->subscriber, 0xdd, sizeof(w->subscriber));
		w->client = NULL;
	}
}

/* What it has. */

void client_keep(struct client *c, uint64_t seq)
{
	c->has = true;
	memcpy(c->epoch, c->life->epoch, sizeof(c->epoch));
	c->seq = seq;
}

void client_leave(struct client *c)
{
	if (c->watch) {
		c->watch->older = c->left;
		c->left = c->watch;
		c->watch = NULL;
	}
	c->state = CLIENT_AWAY;
	c->opening.len = c->wire.len = 0;
	c->blocked = false;
	c->passed = 0;
}

bool client_wants(const struct client *c, uint64_t seq)
{
	return c->types & TYPE_BIT(life_fact(c->life, seq)->type);
}

void client_hear_ephemeral(struct client *c, const struct node *n, const char *job_id,
                           unsigned number)
{
	if (c->node == n && c->state == CLIENT_OPEN && !c->polls && !strcmp(c->job_id, job_id))
		c->passed = c->types & TYPE_BIT(EVENT_PRESENCE) ? number : 0;
}

/* Openings. */

static void check_refusal(const struct client *c, const struct subscription_start *o)
{
	const struct world *w = c->world;

	promise(!c->watch->subscriber.channel && o->detail, NAME ": refused and still attached",
	        NAMED(c));
	if (o->outcome == OUTCOME_NOT_FOUND)
		promise(life_was_absent(w->lives, c->job_id, c->asked_step),
		        NAME ": the job was there all the time", NAMED(c));
	else
		promise(w->failed_reads && (o->outcome == OUTCOME_OVERLOADED ||
		                            o->outcome == OUTCOME_STORAGE_UNAVAILABLE),
		        NAME ": %s without a cause", NAMED(c), outcome_code(o->outcome));
}

/* The opening's reset is for the reason that it names. */
static void check_reason(const struct client *c, const struct subscription_start *o,
                         const struct life *l)
{
	uint64_t position = o->again ? c->seen : c->asked.seq;
	bool pruned = position + 1 < l->first, same = o->again || !strcmp(c->asked.epoch, l->epoch);
	bool held = false;

	if (o->reason == RESET_PRUNED)
		held = pruned && same;
	else if (o->reason == RESET_EPOCH)
		held = !o->again && c->asked.kind == POSITION_CURSOR && !same;
	else if (o->reason == RESET_FUTURE)
		held = !o->again && c->asked.kind == POSITION_CURSOR && same &&
		       position > o->start && !c->own;
	else if (o->reason == RESET_INVALID)
		held = !o->again && c->asked.kind == POSITION_INVALID;
	if (c->asked.kind == POSITION_TIME && !o->again)
		held = o->reason == RESET_PRUNED && l->first > 1;
	promise(held, NAME ": reset, reason %s, at %llu", NAMED(c), reset_reason_text(o->reason),
	        (unsigned long long)position);
}

static void check_exact(const struct client *c, const struct subscription_start *o,
                        const struct life *l)
{
	promise(!o->again && !o->reason && !o->snapshot.len, NAME ": exact, and yet not", NAMED(c));
	if (c->asked.kind == POSITION_TIME) {
		promise(o->start == 0 || life_fact(l, o->start)->time < c->asked.time,
		        NAME ": begins too late", NAMED(c));
		promise(o->start == o->result->head ||
		            life_fact(l, o->start + 1)->time >= c->asked.time,
		        NAME ": begins too early", NAMED(c));
		return;
	}
	promise(c->asked.kind == POSITION_CURSOR && o->start == c->asked.seq &&
	            !strcmp(c->asked.epoch, o->epoch),
	        NAME ": asked for %s.%llu, exact at %s.%llu", NAMED(c), c->asked.epoch,
	        (unsigned long long)c->asked.seq, o->epoch, (unsigned long long)o->start);
}

static void check_snapshot(const struct client *c, const struct subscription_start *o,
                           const struct life *l)
{
	promise(o->start >= 1, NAME ": a snapshot of nothing", NAMED(c));
	const struct fact *f = life_fact(l, o->start);
	promise(o->snapshot.len == f->snapshot_len &&
	            !memcmp(o->snapshot.ptr, f->snapshot, f->snapshot_len),
	        NAME
	        ": the snapshot is not the fold of the first %llu events\nis      %.*s\nmust be %s",
	        NAMED(c), (unsigned long long)o->start, (int)o->snapshot.len, o->snapshot.ptr,
	        f->snapshot);
	if (o->resume == RESUME_FRESH)
		promise(!o->again && c->asked.kind == POSITION_NONE && !o->reason,
		        NAME ": fresh, and yet not", NAMED(c));
	else
		check_reason(c, o, l);
}

/* Title and status are the job's, as of some moment since the position.  A lost event may have
 * changed them. */
static void check_words(const struct client *c, const struct subscription_start *o,
                        const struct life *l)
{
	struct buf title = { 0 };
	bool found = c->node->loses;

	json_string(&title, slice_of(o->title));
	for (uint64_t seq = o->start ? o->start : 1; seq <= l->head && !found; seq++) {
		const struct fact *f = life_fact(l, seq);
		found = f->status == o->status && slice_is(buf_as_slice(&title), f->title);
	}
	promise(found, NAME ": the job was never %s and called %s", NAMED(c),
	        job_status_text(o->status), o->title);
	buf_finish(&title);
}

struct life *client_check_opening(struct client *c, const struct subscription_start *o)
{
	promise(c->state == (o->again ? CLIENT_OPEN : CLIENT_ASKING), NAME ": opened twice",
	        NAMED(c));
	if (outcome_is_error(o->outcome)) {
		check_refusal(c, o);
		return NULL;
	}
	struct life *l = life_of_epoch(c->world->lives, c->job_id, o->epoch);
	promise(l && !strcmp(o->job_id, c->job_id), NAME ": opened with the epoch %s", NAMED(c),
	        o->epoch);
	promise(o->start <= o->head && o->head <= l->head,
	        NAME ": position %llu, head %llu, but there are %llu", NAMED(c),
	        (unsigned long long)o->start, (unsigned long long)o->head,
	        (unsigned long long)l->head);
	promise(!o->finished || (l->over && o->start == l->head), NAME ": over, but the job is not",
	        NAMED(c));
	if (o->resume == RESUME_EXACT)
		check_exact(c, o, l);
	else
		check_snapshot(c, o, l);
	check_words(c, o, l);
	trace(NAME " is opened: %s at %s.%llu", NAMED(c), resume_text(o->resume), o->epoch,
	      (unsigned long long)o->start);
	return l;
}

void client_check_event(const struct client *c, uint64_t seq, struct slice json)
{
	promise(seq <= c->life->head, NAME ": event %llu was never committed", NAMED(c),
	        (unsigned long long)seq);
	const struct fact *f = life_fact(c->life, seq);
	promise(json.len == f->json_len && !memcmp(json.ptr, f->json, f->json_len),
	        NAME ": event %llu is not what was committed\nis      %.*s\nmust be %s", NAMED(c),
	        (unsigned long long)seq, (int)json.len, json.ptr, f->json);
}

/* Coming and going. */

/* A position that exists or existed, or nothing of the kind. */
static struct position any_position(struct client *c)
{
	struct dice *d = &c->world->dice;
	struct life *l = c->world->lives;
	struct position p = { .kind = POSITION_CURSOR };

	for (uint64_t skip = dice_below(d, 3);
	     l && l->older && (skip || strcmp(l->job_id, c->job_id)); l = l->older)
		skip -= skip ? 1 : 0;
	switch (dice_below(d, 7)) {
	case 0:
		return (struct position){ .kind = POSITION_NONE };
	case 1:
		return (struct position){ .kind = POSITION_INVALID };
	case 2:
		snprintf(p.epoch, sizeof(p.epoch), "nowhere");
		p.seq = dice_below(d, 50);
		return p;
	case 3: /* ahead of what there is */
		memcpy(p.epoch, l ? l->epoch : "", l ? sizeof(p.epoch) : 1);
		p.seq = (l ? l->head : 0) + dice_between(d, 1, 1000);
		return p;
	case 4:
		if (c->polls && l)
			return (struct position){
				.kind = POSITION_TIME,
				.time = life_fact(l, dice_between(d, 1, l->head))->time +
				        (int64_t)dice_below(d, 3) - 1
			};
		/* fall through */
	default:
		memcpy(p.epoch, l ? l->epoch : "", l ? sizeof(p.epoch) : 1);
		p.seq = l ? dice_below(d, l->head + 1) : 0;
		return p;
	}
}

static void attach(struct client *c)
{
	struct dice *d = &c->world->dice;
	struct attach a = {
		.job_id = c->job_id,
		.position = c->asked,
		.framing = c->framing,
		.types = c->types,
		.limit = c->polls ? c->limit : 0,
		.chunked = c->chunked,
		.heartbeat_s = (uint8_t)(dice_chance(d, 50) ? dice_between(d, HEARTBEAT_SECONDS_MIN,
		                                                           HEARTBEAT_SECONDS_MAX)
		                                            : 0),
		.tabs = (uint8_t)dice_between(d, 0, TABS_MAX),
	};

	trace(NAME " asks for %s.%llu (kind %d)", NAMED(c), c->asked.epoch,
	      (unsigned long long)c->asked.seq, (int)c->asked.kind);
	c->tabs = a.tabs;
	c->state = CLIENT_ASKING;
	c->asked_step = c->world->step;
	c->start = c->seen = 0;
	if (!c->watch)
		c->watch = xcalloc(1, sizeof(*c->watch));
	c->watch->client = c;
	hub_attach(c->node->hub, &c->watch->subscriber,
	           c->polls   ? &poll_client
	           : c->beats ? &stream_client
	                      : &silent_stream_client,
	           &a);
}

void client_resume(struct client *c)
{
	c->own = true;
	c->asked = (struct position){ .kind = c->has ? POSITION_CURSOR : POSITION_NONE,
		                      .seq = c->seq };
	memcpy(c->asked.epoch, c->epoch, sizeof(c->epoch));
	if (!c->has)
		c->asked.seq = 0;
	attach(c);
}

void client_connect(struct client *c)
{
	if (dice_chance(&c->world->dice, 60)) {
		client_resume(c);
		return;
	}
	c->own = false;
	c->finished = false;
	c->asked = any_position(c);
	attach(c);
}

void client_cut(struct client *c)
{
	struct dice *d = &c->world->dice;

	trace(NAME " is cut at %llu", NAMED(c), (unsigned long long)c->seen);
	hub_detach(c->node->hub, &c->watch->subscriber);
	if (c->state == CLIENT_OPEN && !c->polls && !c->opening_due && dice_chance(d, 80))
		client_keep(c, dice_chance(d, 50) ? c->seen : dice_between(d, c->start, c->seen));
	client_leave(c);
}

void client_unblock(struct client *c)
{
	c->blocked = false;
	hub_writable(c->node->hub, &c->watch->subscriber);
}

void client_check_at_rest(const struct client *c)
{
	if (c->state == CLIENT_AWAY)
		return;
	promise(c->state == CLIENT_OPEN, NAME ": never got an answer", NAMED(c));
	promise(!c->opening_due && !c->wire.len, NAME ": half a frame is missing", NAMED(c));
	promise(!c->life->died, NAME ": the job is deleted and it was not told", NAMED(c));
	promise(!c->life->over, NAME ": the job is over and it was not told", NAMED(c));
	for (uint64_t seq = c->seen + 1; seq <= c->life->head; seq++)
		promise(!client_wants(c, seq), NAME ": is at %llu of %llu and nothing comes",
		        NAMED(c), (unsigned long long)c->seen, (unsigned long long)c->life->head);
	promise(!c->passed, NAME ": ephemeral message %u did not come", NAMED(c), c->passed);
}
