#include "joblight/store/reader.h"

#include <stdlib.h>

#include <uthash.h>

#include "joblight/base/log.h"
#include "joblight/base/xalloc.h"

#define IDLE_MS 60000
#define SHARED_MOST 64 /* answers kept for sharing, because each may be large */

struct reader {
	struct store *store;
	struct mailbox inbox;
	reader_deliver *deliver;
	pthread_t thread;
};

/* A question of this pile that was answered. */
struct answer {
	uint64_t hash;
	struct read_query query;
	struct read_result *result;
	UT_hash_handle hh;
};

static struct read_result *find_answer(struct answer *answers, uint64_t hash, const struct read_query *q)
{
	struct answer *a;

	HASH_FIND(hh, answers, &hash, sizeof(hash), a);
	return a && read_query_equal(&a->query, q) ? a->result : NULL;
}

static struct read_result *make_answer(struct reader *r, struct answer **answers, uint64_t hash,
				       const struct read_query *q)
{
	struct answer *a = xcalloc(1, sizeof(*a)), *old;

	a->hash = hash;
	a->query = *q;
	a->result = read_result_create();
	read_run(r->store, q, a->result);
	HASH_REPLACE(hh, *answers, hash, sizeof(hash), a, old);
	if (old) { /* another question with the same hash */
		read_result_release(old->result);
		free(old);
	}
	return a->result;
}

static void forget(struct answer **answers)
{
	struct answer *a, *next;

	HASH_ITER(hh, *answers, a, next) {
		HASH_DEL(*answers, a);
		read_result_release(a->result);
		free(a);
	}
}

static void answer_pile(struct reader *r, struct mail *pile)
{
	struct answer *answers = NULL;

	while (pile) {
		struct read_request *request = (struct read_request *)pile;
		uint64_t hash = read_query_hash(&request->query);
		pile = pile->next;
		request->result = find_answer(answers, hash, &request->query);
		if (!request->result) {
			if (HASH_COUNT(answers) >= SHARED_MOST)
				forget(&answers);
			request->result = make_answer(r, &answers, hash, &request->query);
		}
		read_result_hold(request->result);
		r->deliver(request);
	}
	forget(&answers);
}

static void *run(void *context)
{
	struct reader *r = context;

	for (;;) {
		struct mail *pile = mailbox_wait(&r->inbox, IDLE_MS);
		if (!pile && mailbox_is_closed(&r->inbox))
			return NULL;
		answer_pile(r, pile);
	}
}

struct reader *reader_start(struct store *store, const struct limits *limits, reader_deliver *deliver)
{
	struct reader *r = xcalloc(1, sizeof(*r));

	r->store = store;
	r->deliver = deliver;
	mailbox_init(&r->inbox, limits->queued_reads, NULL, NULL);
	if (pthread_create(&r->thread, NULL, run, r) != 0) {
		log_error("no thread for reading can be started");
		abort();
	}
	pthread_setname_np(r->thread, "reader");
	return r;
}

bool reader_submit(struct reader *r, struct read_request *request)
{
	return mailbox_post(&r->inbox, &request->mail);
}

void reader_stop(struct reader *r)
{
	mailbox_close(&r->inbox);
	pthread_join(r->thread, NULL);
}

void reader_free(struct reader *r)
{
	if (!r)
		return;
	r->store->ops->close(r->store);
	mailbox_finish(&r->inbox);
	free(r);
}
