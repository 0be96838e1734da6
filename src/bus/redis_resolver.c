#include "redis_resolver.h"

#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "joblight/base/xalloc.h"

/* What the two threads share.  The last one frees it. */
struct redis_resolver {
	atomic_uint references;
	pthread_mutex_t lock; /* protects the fields up to `cause` */
	uv_async_t *async;    /* NULL: nobody wants the answer */
	struct redis_addresses addresses;
	char cause[128];

	char *host, *port;
	/* of the thread of the bus */
	bool running;
	redis_resolved *resolved;
	void *context;
};

static void release(struct redis_resolver *r)
{
	if (atomic_fetch_sub(&r->references, 1) != 1)
		return;
	pthread_mutex_destroy(&r->lock);
	free(r->host);
	free(r->port);
	free(r);
}

/* ---- the thread that waits for the name server ---- */

static void keep(struct redis_addresses *a, const struct addrinfo *found)
{
	for (a->count = 0; found && a->count < REDIS_ADDRESSES_MAX; found = found->ai_next) {
		if (found->ai_addrlen > sizeof(a->items[0]))
			continue;
		memcpy(&a->items[a->count++], found->ai_addr, found->ai_addrlen);
	}
}

static void *run(void *context)
{
	struct redis_resolver *r = context;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
	int failed = getaddrinfo(r->host, r->port, &hints, &found);

	pthread_mutex_lock(&r->lock);
	keep(&r->addresses, failed ? NULL : found);
	snprintf(r->cause, sizeof(r->cause), "%s", failed ? gai_strerror(failed) : "");
	if (r->async)
		uv_async_send(r->async);
	pthread_mutex_unlock(&r->lock);
	if (!failed)
		freeaddrinfo(found);
	release(r);
	return NULL;
}

/* ---- the thread of the bus ---- */

static void on_answer(uv_async_t *async)
{
	struct redis_resolver *r = async->data;
	struct redis_addresses addresses;
	char cause[sizeof(r->cause)];

	pthread_mutex_lock(&r->lock);
	addresses = r->addresses;
	memcpy(cause, r->cause, sizeof(cause));
	pthread_mutex_unlock(&r->lock);
	r->running = false;
	r->resolved(r->context, &addresses, cause);
}

struct redis_resolver *redis_resolver_create(uv_loop_t *loop, const char *host, const char *port,
                                             redis_resolved *resolved, void *context)
{
	struct redis_resolver *r = xcalloc(1, sizeof(*r));

	atomic_init(&r->references, 1);
	pthread_mutex_init(&r->lock, NULL);
	r->host = xstrdup(host);
	r->port = xstrdup(port);
	r->resolved = resolved;
	r->context = context;
	r->async = xcalloc(1, sizeof(*r->async));
	uv_async_init(loop, r->async, on_answer);
	r->async->data = r;
	return r;
}

void redis_resolver_start(struct redis_resolver *r)
{
	pthread_t thread;

	if (r->running)
		return;
	r->running = true;
	atomic_fetch_add(&r->references, 1);
	if (pthread_create(&thread, NULL, run, r) == 0) {
		pthread_detach(thread);
		return;
	}
	pthread_mutex_lock(&r->lock);
	r->addresses.count = 0;
	snprintf(r->cause, sizeof(r->cause), "no thread can be started");
	pthread_mutex_unlock(&r->lock);
	uv_async_send(r->async);
	release(r);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

void redis_resolver_end(struct redis_resolver *r)
{
	uv_async_t *async = r->async;

	pthread_mutex_lock(&r->lock);
	r->async = NULL;
	pthread_mutex_unlock(&r->lock);
	uv_close((uv_handle_t *)async, on_closed);
	release(r);
}
