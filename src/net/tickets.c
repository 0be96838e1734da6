#include "tickets.h"

#include <pthread.h>
#include <stdlib.h>

#include "joblight/base/hash.h"
#include "joblight/base/list.h"
#include "joblight/base/random.h"
#include "joblight/base/xalloc.h"

struct opened {
	char id[TOKEN_ID_LEN + 1];
	int64_t expires; /* afterwards it can open nothing */
	struct list by_use;
	UT_hash_handle hh;
};

struct tickets {
	pthread_mutex_t lock;
	uint64_t run; /* 0: there are other nodes */
	size_t count, max;
	struct opened *opened;
	struct list by_use; /* the one that was used last is at the end */
};

struct tickets *tickets_create(size_t max, bool has_nodes)
{
	struct tickets *t = xcalloc(1, sizeof(*t));

	pthread_mutex_init(&t->lock, NULL);
	list_init(&t->by_use);
	t->max = max;
	if (!has_nodes)
		t->run = 1 + (random_u64() >> 12); /* a JSON number holds 53 bits */
	return t;
}

static void forget(struct tickets *t, struct opened *o)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): see uthash.h */
	HASH_DEL(t->opened, o);
	list_remove(&o->by_use);
	t->count--;
	free(o);
}

void tickets_free(struct tickets *t)
{
	if (!t)
		return;
	while (!list_empty(&t->by_use))
		forget(t, container_of(t->by_use.next, struct opened, by_use));
	pthread_mutex_destroy(&t->lock);
	free(t);
}

bool tickets_have_nodes(const struct tickets *t)
{
	return !t->run;
}

uint64_t tickets_run(const struct tickets *t)
{
	return t->run;
}

static struct opened *find(const struct tickets *t, const char *ticket_id)
{
	struct opened *o;

	HASH_FIND(hh, t->opened, ticket_id, TOKEN_ID_LEN, o);
	return o;
}

/* A ticket that could open another stream must not be forgotten. */
static bool make_room(struct tickets *t, int64_t wall_ms)
{
	if (t->count < t->max)
		return true;
	struct opened *oldest = container_of(t->by_use.next, struct opened, by_use);
	if (oldest->expires > wall_ms)
		return false;
	forget(t, oldest);
	return true;
}

static void add(struct tickets *t, const struct token *ticket)
{
	struct opened *o = xcalloc(1, sizeof(*o));

	memcpy(o->id, ticket->id, sizeof(o->id));
	o->expires = ticket->expires;
	list_append(&t->by_use, &o->by_use);
	HASH_ADD_KEYPTR(hh, t->opened, o->id, TOKEN_ID_LEN, o);
	t->count++;
}

bool tickets_open(struct tickets *t, const struct token *ticket, int64_t wall_ms)
{
	if (ticket->run != t->run || ticket->expires <= wall_ms)
		return false;
	pthread_mutex_lock(&t->lock);
	bool unused = !find(t, ticket->id) && make_room(t, wall_ms);
	if (unused)
		add(t, ticket);
	pthread_mutex_unlock(&t->lock);
	return unused;
}

void tickets_note(struct tickets *t, const struct token *ticket, int64_t wall_ms)
{
	pthread_mutex_lock(&t->lock);
	if (!find(t, ticket->id) && make_room(t, wall_ms))
		add(t, ticket);
	pthread_mutex_unlock(&t->lock);
}

void tickets_give_back(struct tickets *t, const char *ticket_id)
{
	pthread_mutex_lock(&t->lock);
	struct opened *o = find(t, ticket_id);
	if (o)
		forget(t, o);
	pthread_mutex_unlock(&t->lock);
}

bool tickets_continue(struct tickets *t, const struct token *ticket)
{
	if (ticket->run != t->run)
		return true;
	pthread_mutex_lock(&t->lock);
	struct opened *o = find(t, ticket->id);
	if (o)
		list_move(&t->by_use, &o->by_use);
	pthread_mutex_unlock(&t->lock);
	return o != NULL;
}
