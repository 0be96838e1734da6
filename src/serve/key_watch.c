#include "key_watch.h"

#include <stdlib.h>

#include "joblight/base/list.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/keyring.h"
#include "joblight/core/service.h"
#include "joblight/net/loop.h"

struct look {
	struct read_request request; /* first */
	struct key_watch *watch;
};

void key_watch_start(struct key_watch *w, const struct service *service, struct loops *loops,
                     struct credential *first_key, const struct keyring *ring)
{
	w->loops = loops;
	w->first_key = first_key;
	atomic_init(&w->asks, false);
	atomic_init(&w->version, (uint64_t)keyring_version(ring));
	w->service = service;
}

static void take(struct key_watch *w, struct keyring *ring)
{
	atomic_store(&w->version, (uint64_t)keyring_version(ring));
	loops_set_keyring(w->loops, ring);
}

/* In a reader thread.  When it has failed, it is asked again a second later. */
static void on_done(struct read_request *request)
{
	struct look *look = (struct look *)request;
	struct read_result *result = request->result;

	if (result->keyring)
		take(look->watch, result->keyring);
	atomic_store(&look->watch->asks, false);
	read_result_release(result);
	free(look);
}

void key_watch_look(struct key_watch *w)
{
	if (!w->service || atomic_exchange(&w->asks, true))
		return;
	struct look *look = xcalloc(1, sizeof(*look));
	look->watch = w;
	look->request.done = on_done;
	atomic_init(&look->request.gone, false);
	look->request.query = (struct read_query){ .kind = READ_KEYS,
		                                   .from = atomic_load(&w->version),
		                                   .first_key = w->first_key };
	if (w->service->read(w->service->context, &look->request))
		return;
	free(look);
	atomic_store(&w->asks, false);
}
