/* A polling client, and the road that src/net/updates.c goes for it. */
#include "client.h"

/* The next event; true: it is one that the client asked for. */
static bool take_event(struct client *c, uint64_t seq, enum event_type type, struct slice json)
{
	bool wanted = subscriber_wants(&c->watch->subscriber, type);

	promise(seq == c->seen + 1, "client %u: polled %llu behind %llu", c->number,
	        (unsigned long long)seq, (unsigned long long)c->seen);
	if (wanted)
		client_check_event(c, seq, json);
	c->seen = seq;
	return wanted;
}

static size_t take_from_read(struct client *c, const struct read_result *r)
{
	promise(r->event_count <= c->limit, "client %u: %zu events, %zu asked for", c->number,
	        r->event_count, c->limit);
	size_t wanted = 0;

	for (size_t i = 0; i < r->event_count; i++)
		wanted += take_event(c, r->events[i].seq, r->events[i].type,
		                     read_event_json(r, &r->events[i]));
	return wanted;
}

static size_t take_from_ring(struct client *c)
{
	const struct subscriber *s = &c->watch->subscriber;
	size_t wanted = 0;

	if (!subscriber_reaches(s))
		return 0;
	if (c->seen < s->cursor)
		c->seen = s->cursor; /* the hub passed over what it does not want */
	while (wanted < c->limit && c->seen < subscriber_head(s)) {
		uint64_t next = c->seen + 1;
		wanted += take_event(c, next, subscriber_type(s, next), subscriber_json(s, next));
	}
	return wanted;
}

/* True: the job has ended and it has everything. */
static bool is_over(const struct client *c)
{
	const struct subscriber *s = &c->watch->subscriber;
	bool over = subscriber_ended(s) && c->seen >= subscriber_head(s);

	if (over && !subscriber_deleted(s))
		promise(c->life->over && c->seen == c->life->head,
		        "client %u: over at %llu of %llu", c->number, (unsigned long long)c->seen,
		        (unsigned long long)c->life->head);
	return over && !subscriber_deleted(s);
}

static void take_answer(struct client *c, bool over)
{
	trace("client %u takes its answer, up to %llu%s", c->number, (unsigned long long)c->seen,
	      over ? ", over" : "");
	hub_detach(c->node->hub, &c->watch->subscriber);
	client_keep(c, c->seen);
	c->finished = over;
	client_leave(c);
}

/* Nothing that it wants has come yet. */
static void wait_behind(struct client *c)
{
	struct subscriber *s = &c->watch->subscriber;

	if (c->seen == subscriber_head(s)) {
		subscriber_skip_to(s, c->seen);
		return;
	}
	hub_detach(c->node->hub, s);
	client_keep(c, c->seen);
	client_resume(c);
}

static void poll_opened(struct subscriber *s, const struct subscription_start *o)
{
	struct client *c = client_of(s);
	struct life *l = client_check_opening(c, o);

	promise(!o->again, "client %u: a poll is reset", c->number);
	if (!l) {
		client_leave(c);
		return;
	}
	c->life = l;
	c->state = CLIENT_OPEN;
	c->start = c->seen = o->start;
	size_t came = 0;
	if (o->resume == RESUME_EXACT && o->result && o->result->event_count)
		came = take_from_read(c, o->result);
	else if (o->resume == RESUME_EXACT)
		came = take_from_ring(c);
	bool over = o->resume == RESUME_EXACT && is_over(c);
	if (o->resume == RESUME_EXACT && !came && !over && c->waits)
		wait_behind(c);
	else
		take_answer(c, over);
}

static void look_again(struct client *c)
{
	take_from_ring(c);
	take_answer(c, is_over(c));
}

/* Something came.  More than the ring holds came at once: then the store has it. */
static void poll_ready(struct subscriber *s)
{
	struct client *c = client_of(s);

	promise(c->state == CLIENT_OPEN, "client %u: ready in the wrong state", c->number);
	promise(subscriber_head(s) > c->seen || subscriber_ended(s), "client %u: ready for nothing",
	        c->number);
	promise(!strcmp(subscriber_epoch(s), c->life->epoch), "client %u: the epoch changed",
	        c->number);
	if (subscriber_deleted(s)) {
		promise(c->life->died, "client %u: the job is not deleted", c->number);
		trace("client %u polls a deleted job", c->number);
		hub_detach(c->node->hub, s);
		client_keep(c, c->seen);
		client_leave(c);
	} else if (!subscriber_reaches(s)) {
		hub_detach(c->node->hub, s); /* and at once again, with the same memory */
		client_keep(c, c->seen);
		client_resume(c);
	} else {
		look_again(c);
	}
}

void client_lose_patience(struct client *c)
{
	if (c->polls && c->state == CLIENT_OPEN)
		look_again(c);
}

const struct subscriber_ops poll_client = { .opened = poll_opened, .ready = poll_ready };
