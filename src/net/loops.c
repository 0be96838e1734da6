/* All loops of the process: created, started, told and stopped together. */
#include "joblight/net/loop.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/clock.h"
#include "joblight/base/log.h"
#include "joblight/base/thread.h"
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

/* More inherited sockets than loops: each has a queue of its own, so none may be closed. */
static void listen_on_rest(struct loops *all)
{
	assert(all->count > 0);
	for (unsigned i = 0; i < all->bound_count; i++) {
		const struct inherited *from = all->bound[i].inherited;
		if (!from || all->bound[i].listen.kind != LISTEN_TCP)
			continue;
		for (unsigned k = all->count; k < from->count; k++)
			loop_listen(&all->items[k % all->count], i, from->fds[k]);
	}
}

/* The process cannot start: the files of inherited sockets belong to who has passed them. */
static void leave_inherited(struct loops *l)
{
	for (unsigned i = 0; i < l->bound_count; i++)
		l->bound[i].left = l->bound[i].inherited != NULL;
}

static void finish_bound(struct loops *l)
{
	for (unsigned i = 0; i < l->bound_count; i++)
		bound_finish(&l->bound[i]);
}

static const struct inherited *inherited_of(const struct loops_config *config, unsigned i)
{
	const struct inherited *from = config->inherited ? &config->inherited[i] : NULL;

	return from && from->count ? from : NULL;
}

struct loops *loops_create(const struct loops_config *config, char *error, size_t error_len)
{
	struct loops *all = xcalloc(1, sizeof(*all));

	all->config = *config;
	all->count = config->count;
	all->bound_count = config->listen_count;
	all->bound = xcalloc(config->listen_count, sizeof(*all->bound));
	for (unsigned i = 0; i < all->bound_count; i++)
		all->bound[i] = (struct bound){ .listen = config->listens[i],
			                        .shared = -1,
			                        .inherited = inherited_of(config, i) };
	all->memory.max_bytes = config->limits->memory_bytes;
	all->clients = clients_create();
	canary_init(&all->canary);
	all->tickets = tickets_create(TICKETS_MAX, config->has_nodes);
	all->items = xcalloc(config->count, sizeof(*all->items));
	lws_context_set_log();
	for (unsigned i = 0; i < all->count; i++)
		if (!loop_init(all, i, error, error_len) ||
		    !listen_on_all(all, i, error, error_len)) {
			leave_inherited(all);
			finish_bound(all);
			return NULL; /* the process exits */
		}
	listen_on_rest(all);
	return all;
}

void loops_start(struct loops *l)
{
	for (unsigned i = 0; i < l->count; i++) {
		atomic_store(&l->items[i].turned_ms, clock_monotonic_ms());
		thread_start(&l->items[i].thread, "loop", loop_run, &l->items[i]);
	}
}

uint64_t loops_turned_ms(const struct loops *l)
{
	uint64_t first = UINT64_MAX;

	for (unsigned i = 0; i < l->count; i++) {
		uint64_t turned = atomic_load(&l->items[i].turned_ms);
		first = turned < first ? turned : first;
	}
	return first;
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

void loops_set_settings(struct loops *l, struct loop_settings *settings)
{
	for (unsigned i = 0; i < l->count; i++)
		thread_mail_post_settings(&l->items[i], settings);
}

void loops_set_keyring(struct loops *l, struct keyring *ring)
{
	for (unsigned i = 0; i < l->count; i++)
		thread_mail_post_keyring(&l->items[i], ring);
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

static void post_to_all(struct loops *l, enum peer_kind kind)
{
	for (unsigned i = 0; i < l->count; i++)
		thread_mail_post_peer(&l->items[i], kind, NULL, 0, 0);
}

void loops_retire(struct loops *l)
{
	post_to_all(l, PEER_RETIRE);
}

void loops_pause(struct loops *l)
{
	for (unsigned i = 0; i < l->count; i++)
		atomic_store(&l->items[i].is_quiet, false);
	post_to_all(l, PEER_PAUSE);
}

bool loops_are_quiet(struct loops *l)
{
	bool quiet = true;

	for (unsigned i = 0; i < l->count; i++)
		quiet = quiet && atomic_load(&l->items[i].is_quiet);
	post_to_all(l, PEER_LOOK);
	return quiet;
}

void loops_resume(struct loops *l)
{
	post_to_all(l, PEER_RESUME);
}

void loops_leave(struct loops *l, pass_client *pass, void *context)
{
	l->pass = pass;
	l->pass_context = context;
	for (unsigned i = 0; i < l->bound_count; i++)
		l->bound[i].left = true;
	post_to_all(l, PEER_LEAVE);
}

unsigned loops_sockets(const struct loops *l, unsigned index, int *fds, unsigned max)
{
	const struct listen *listen = &l->bound[index].listen;
	unsigned count = 0;

	if (listen->kind != LISTEN_TCP) {
		fds[0] = l->bound[index].shared;
		return 1;
	}
	for (unsigned i = 0; i < l->count; i++)
		for (unsigned k = 0; k < l->items[i].listener_count && count < max; k++)
			if (l->items[i].listeners[k].listen == listen)
				fds[count++] = l->items[i].listeners[k].fd;
	return count;
}

void loops_adopt(struct loops *l, struct passed_client *client)
{
	unsigned turn = atomic_fetch_add(&l->adopted, 1);

	thread_mail_post_adopt(&l->items[turn % l->count], client);
}

void loops_close(struct loops *l)
{
	for (unsigned i = 0; i < l->count; i++)
		thread_mail_post_peer(&l->items[i], PEER_CLOSE, NULL, 0, 0);
}

void loops_stop(struct loops *l)
{
	for (unsigned i = 0; i < l->count; i++)
		thread_mail_post_peer(&l->items[i], PEER_STOP, NULL, 0, 0);
	for (unsigned i = 0; i < l->count; i++)
		pthread_join(l->items[i].thread, NULL);
	finish_bound(l);
}

void loops_measure(void *loops, struct metric_values *v)
{
	struct loops *all = loops;

	v->cells[METRIC_OPEN] += atomic_load(&all->connections);
	v->cells[METRIC_STREAMS] += atomic_load(&all->streams);
	v->cells[METRIC_MAX_CONNECTIONS] += all->config.limits->connections;
	v->cells[METRIC_MAX_STREAMS] += all->config.limits->streams;
	v->cells[METRIC_MAX_MEMORY] += all->config.limits->memory_bytes;
	for (unsigned i = 0; i < all->count; i++) {
		struct loop *l = &all->items[i];
		uint64_t *depth = &v->cells[METRIC_MAILBOX_DEPTH];
		depth[LABEL_MAILBOX_COMMITS] += mailbox_depth(&l->commits);
		depth[LABEL_MAILBOX_ANSWERS] += mailbox_depth(&l->reads);
		depth[LABEL_MAILBOX_PEERS] += mailbox_depth(&l->peers);
	}
}

static void log_counts(void)
{
	struct metric_values v;

	metrics_sum(&v);
#define RANGE(key, first, last)                                                                    \
	char key##_text[24];                                                                       \
	snprintf(key##_text, sizeof(key##_text), "%" PRIu64, metrics_total(&v, first, last));
#define COUNT(key, id) RANGE(key, METRIC_##id, METRIC_##id##_LAST)
#define COUNT_OF(key, id, set, value)                                                              \
	RANGE(key, METRIC_##id + (int)LABEL_##set##_##value,                                       \
	      METRIC_##id + (int)LABEL_##set##_##value)
#include "joblight/core/metric_log.def"
#undef COUNT
#undef COUNT_OF
#undef RANGE
#define COUNT(key, id) #key, key##_text,
#define COUNT_OF(key, id, set, value) #key, key##_text,
	log_event(LOG_LEVEL_INFO, "counted",
#include "joblight/core/metric_log.def"
	          (char *)0);
#undef COUNT
#undef COUNT_OF
}

void loops_free(struct loops *l)
{
	if (!l)
		return;
	log_counts();
	for (unsigned i = 0; i < l->count; i++)
		loop_finish(&l->items[i]);
	canary_finish(&l->canary);
	tickets_free(l->tickets);
	clients_free(l->clients);
	free(l->items);
	free(l->bound);
	free(l);
}
