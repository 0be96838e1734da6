#include "clients.h"

#include <pthread.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"

#define FORGET_MAX 64 /* at a time, so that nobody waits long for the mutex */

struct clients {
	pthread_mutex_t mutex;
	struct client *all;
	struct list idle; /* the longest first */
	size_t idle_count;
};

struct client_name client_name_of_address(const struct client_address *a)
{
	struct client_address network = client_address_network(a);
	struct client_name n = { .kind = 'a' };

	memcpy(n.bytes, network.bytes, sizeof(network.bytes));
	return n;
}

struct client_name client_name_of_key(const char *id)
{
	struct client_name n = { .kind = 'k' };

	memcpy(n.bytes, id, strnlen(id, sizeof(n.bytes)));
	return n;
}

struct clients *clients_create(void)
{
	struct clients *t = xcalloc(1, sizeof(*t));

	pthread_mutex_init(&t->mutex, NULL);
	list_init(&t->idle);
	return t;
}

static void forget(struct clients *t, struct client *c)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): see uthash.h */
	HASH_DEL(t->all, c);
	if (!c->references) {
		list_remove(&c->idle);
		t->idle_count--;
	}
	free(c);
}

void clients_free(struct clients *t)
{
	struct client *c, *next;

	HASH_ITER(hh, t->all, c, next)
		forget(t, c);
	pthread_mutex_destroy(&t->mutex);
	free(t);
}

static void forget_old(struct clients *t, uint64_t now_ms)
{
	for (int i = 0; i < FORGET_MAX && t->idle_count; i++) {
		struct client *c = container_of(t->idle.next, struct client, idle);
		if (t->idle_count <= CLIENTS_IDLE_MAX && now_ms < c->idle_since + CLIENTS_IDLE_MS)
			return;
		forget(t, c);
	}
}

static struct client *add(struct clients *t, const struct client_name *name)
{
	struct client *c = xcalloc(1, sizeof(*c));

	c->name = *name;
	list_init(&c->idle);
	HASH_ADD(hh, t->all, name, sizeof(c->name), c);
	return c;
}

static struct client *find(struct clients *t, const struct client_name *name)
{
	struct client *c;

	HASH_FIND(hh, t->all, name, sizeof(*name), c);
	return c;
}

struct client *clients_hold(struct clients *t, const struct client_name *name, uint64_t now_ms)
{
	pthread_mutex_lock(&t->mutex);
	struct client *c = find(t, name);
	if (!c) {
		forget_old(t, now_ms);
		c = add(t, name);
	} else if (!c->references) {
		list_remove(&c->idle);
		t->idle_count--;
	}
	c->references++;
	pthread_mutex_unlock(&t->mutex);
	return c;
}

void clients_release(struct clients *t, struct client *c, uint64_t now_ms)
{
	if (!c)
		return;
	pthread_mutex_lock(&t->mutex);
	if (--c->references == 0) {
		c->idle_since = now_ms;
		list_append(&t->idle, &c->idle);
		t->idle_count++;
		forget_old(t, now_ms);
	}
	pthread_mutex_unlock(&t->mutex);
}

void clients_tick(struct clients *t, uint64_t now_ms)
{
	pthread_mutex_lock(&t->mutex);
	forget_old(t, now_ms);
	pthread_mutex_unlock(&t->mutex);
}

size_t clients_count(struct clients *t)
{
	pthread_mutex_lock(&t->mutex);
	size_t count = HASH_COUNT(t->all);
	pthread_mutex_unlock(&t->mutex);
	return count;
}
