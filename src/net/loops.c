/* All loops of the process: created, started, told and stopped together. */
#include "joblight/net/loop.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/log.h"
#include "joblight/base/xalloc.h"
#include "thread_mail.h"
#include "loop_private.h"
#include "lws_context.h"

static bool listen_on_all(struct loops *all, unsigned index, char *error, size_t error_len)
{
	for (unsigned i = 0; i < all->bound_count; i++) {
		int fd = bound_socket(&all->bound[i], index, all->count, error, error_len);
		if (fd < 0)
			return false;
		loop_listen(&all->items[index], i, fd);
	}
	return true;
}

static void finish_bound(struct loops *l)
{
	for (unsigned i = 0; i < l->bound_count; i++)
		bound_finish(&l->bound[i]);
}

struct loops *loops_create(const struct loops_config *config, char *error, size_t error_len)
{
	struct loops *all = xcalloc(1, sizeof(*all));

	all->config = *config;
	all->count = config->count;
	all->bound_count = config->listen_count;
	all->bound = xcalloc(config->listen_count, sizeof(*all->bound));
	for (unsigned i = 0; i < all->bound_count; i++)
		all->bound[i] = (struct bound){ .listen = config->listens[i], .shared = -1 };
	all->memory.max_bytes = config->limits->memory_bytes;
	trusted_proxies_parse(config->trusted_proxies, &all->proxies);
	all->clients = clients_create();
	all->tickets = tickets_create(TICKETS_MAX);
	all->items = xcalloc(config->count, sizeof(*all->items));
	lws_context_set_log();
	for (unsigned i = 0; i < all->count; i++)
		if (!loop_init(all, i, error, error_len) ||
		    !listen_on_all(all, i, error, error_len)) {
			finish_bound(all);
			return NULL; /* the process exits */
		}
	return all;
}

void loops_start(struct loops *l)
{
	for (unsigned i = 0; i < l->count; i++) {
		if (pthread_create(&l->items[i].thread, NULL, loop_run, &l->items[i]) != 0) {
			log_error("no thread for a loop can be started");
			abort();
		}
		pthread_setname_np(l->items[i].thread, "loop");
	}
}

const struct listen *loops_listen(const struct loops *l, unsigned index)
{
	return &l->bound[index].listen;
}

void loops_set_limits(struct loops *l, const struct limits *limits)
{
	for (unsigned i = 0; i < l->count; i++)
		thread_mail_post_limits(&l->items[i], limits);
}

void loops_set_issuer(struct loops *l, struct issuer *issuer)
{
	for (unsigned i = 0; i < l->count; i++)
		thread_mail_post_issuer(&l->items[i], issuer);
}

void loops_set_certificates(struct loops *l, struct certificates *certificates)
{
	for (unsigned i = 0; i < l->count; i++)
		thread_mail_post_certificates(&l->items[i], certificates);
}

void loops_close(struct loops *l)
{
	finish_bound(l);
	for (unsigned i = 0; i < l->count; i++)
		thread_mail_post_peer(&l->items[i], PEER_CLOSE, NULL, 0, 0);
}

void loops_stop(struct loops *l)
{
	for (unsigned i = 0; i < l->count; i++)
		thread_mail_post_peer(&l->items[i], PEER_STOP, NULL, 0, 0);
	for (unsigned i = 0; i < l->count; i++)
		pthread_join(l->items[i].thread, NULL);
}

static void log_counters(const struct loops *l)
{
#define COUNTER(name, owner, description) uint64_t name = 0;
#include "joblight/core/counters.def"
#undef COUNTER
	for (unsigned i = 0; i < l->count; i++) {
		struct hub_stats hub = hub_stats(l->items[i].hub);
		const struct counters *own = &l->items[i].counters;
#define COUNTER(name, owner, description) name += COUNTER_##owner(name);
#define COUNTER_hub(name) hub.name
#define COUNTER_own(name) own->name
#include "joblight/core/counters.def"
#undef COUNTER
#undef COUNTER_hub
#undef COUNTER_own
	}
#define COUNTER(name, owner, description)                                                          \
	char name##_text[24];                                                                      \
	snprintf(name##_text, sizeof(name##_text), "%" PRIu64, name);
#include "joblight/core/counters.def"
#undef COUNTER
#define COUNTER(name, owner, description) #name, name##_text,
	log_event(LOG_LEVEL_INFO, "counted",
#include "joblight/core/counters.def"
	          (char *)0);
#undef COUNTER
}

void loops_free(struct loops *l)
{
	if (!l)
		return;
	log_counters(l);
	for (unsigned i = 0; i < l->count; i++)
		loop_finish(&l->items[i]);
	tickets_free(l->tickets);
	clients_free(l->clients);
	free(l->items);
	free(l->bound);
	free(l);
}
