#include "heads.h"

#include <stdlib.h>

#include "joblight/base/clock.h"
#include "joblight/base/list.h"
#include "joblight/base/xalloc.h"
#include "joblight/core/keyring.h"

#define HEADS_MAX 1000 /* jobs in one read */
#define PAUSE_MS 1000  /* after a read that failed */

struct heads_read {
	struct read_request request; /* first */
	struct cluster *cluster;
	uint64_t keyrings; /* made by this node before it */
	size_t count;
	char ids[HEADS_MAX][ID_MAX + 1];
};

/* In a reader thread. */
static void on_done(struct read_request *request)
{
	struct heads_read *r = (struct heads_read *)request;

	mailbox_post(&r->cluster->answers, &request->mail);
}

static uint64_t keyrings_made(struct cluster *c)
{
	pthread_mutex_lock(&c->keys_lock);
	uint64_t made = c->keyrings;
	pthread_mutex_unlock(&c->keys_lock);
	return made;
}

static void fill(struct cluster *c, struct heads_read *r)
{
	struct read_query *q = &r->request.query;

	r->keyrings = keyrings_made(c);
	q->first_key = c->first_key;
	q->kind = c->keys_doubted ? READ_KEYS : READ_HEADS;
	if (!c->keys_doubted)
		r->count = subscriptions_take_doubted(c->subscriptions, r->ids, HEADS_MAX);
	c->keys_doubted = false;
	q->ids = (const char(*)[ID_MAX + 1]) r->ids;
	q->id_count = r->count;
}

/* It is asked again after a pause. */
static void give_back(struct cluster *c, const struct heads_read *r)
{
	if (r->request.query.kind == READ_KEYS)
		c->keys_doubted = true;
	for (size_t i = 0; i < r->count; i++)
		subscriptions_doubt_job(c->subscriptions, r->ids[i]);
	c->unread_ms = uv_now(&c->loop) + PAUSE_MS;
}

void heads_next(struct cluster *c)
{
	struct heads_read *r;

	if (c->read || uv_now(&c->loop) < c->unread_ms ||
	    !(c->keys_doubted || subscriptions_are_doubted(c->subscriptions)))
		return;
	r = xcalloc(1, sizeof(*r));
	r->cluster = c;
	r->request.done = on_done;
	atomic_init(&r->request.gone, false);
	fill(c, r);
	c->read = r;
	if (c->service->read(c->service->context, &r->request))
		return;
	c->read = NULL;
	give_back(c, r);
	free(r);
}

/* ---- the result ---- */

static const struct job_head *find_head(const struct read_result *result, const char *job_id)
{
	for (size_t i = 0; result->heads && i < result->head_count; i++)
		if (strcmp(result->heads[i].job_id, job_id) == 0)
			return &result->heads[i];
	return NULL;
}

/* The store visits the jobs in the order of the ids, so that each is found at once. */
static void add_head(struct batch *b, const struct read_result *result, size_t *next,
                     const char *job_id)
{
	const struct job_head *head = *next < result->head_count ? &result->heads[*next] : NULL;
	struct event *e = batch_add(b);

	memcpy(e->job_id, job_id, sizeof(e->job_id));
	e->is_head = true;
	if (head && strcmp(head->job_id, job_id) == 0)
		++*next;
	else
		head = find_head(result, job_id);
	if (!head)
		return;
	memcpy(e->epoch, head->epoch, sizeof(e->epoch));
	e->seq = head->seq;
	e->job_status = head->status;
}

static void offer_heads(struct cluster *c, const struct heads_read *r)
{
	struct batch *b = batch_create();
	size_t next = 0;

	b->committed_us = b->submitted_us = clock_monotonic_us();
	for (size_t i = 0; i < r->count; i++)
		add_head(b, r->request.result, &next, r->ids[i]);
	if (!members_offer(&c->members, b))
		give_back(c, r);
	batch_release(b);
}

/* The loops look at every connection when they get a keyring. */
static bool have_it(const struct cluster *c, const struct heads_read *r)
{
	return c->offered && c->offered_after == r->keyrings &&
	       keyring_equal(c->offered, r->request.result->keyring);
}

static void keep_offered(struct cluster *c, const struct heads_read *r)
{
	keyring_release(c->offered);
	c->offered = keyring_hold(r->request.result->keyring);
	c->offered_after = r->keyrings;
}

/*
 * A keyring that this node has made since the read began may be newer than what was read, and must
 * not be followed by an older one: a revoked key would be valid again.
 */
static void offer_keys(struct cluster *c, const struct heads_read *r)
{
	struct batch *b;
	bool taken = false;

	if (have_it(c, r))
		return;
	b = batch_create();
	b->committed_us = b->submitted_us = clock_monotonic_us();
	b->keyring = keyring_hold(r->request.result->keyring);
	b->keys_changed = true;
	if (pthread_mutex_trylock(&c->keys_lock) == 0) {
		if (c->keyrings == r->keyrings)
			taken = members_offer(&c->members, b);
		pthread_mutex_unlock(&c->keys_lock);
	}
	if (taken)
		keep_offered(c, r);
	else
		c->keys_doubted = true;
	batch_release(b);
}

static void take(struct cluster *c, struct heads_read *r)
{
	const struct read_result *result = r->request.result;

	c->read = NULL;
	if (outcome_is_error(result->problem.outcome))
		give_back(c, r);
	else if (r->request.query.kind == READ_KEYS)
		offer_keys(c, r);
	else
		offer_heads(c, r);
	read_result_release(r->request.result);
	free(r);
}

void heads_take(struct cluster *c)
{
	for (struct mail *m = mailbox_take(&c->answers), *next; m; m = next) {
		next = m->next;
		take(c, (struct heads_read *)container_of(m, struct read_request, mail));
	}
}

void heads_finish(struct cluster *c)
{
	keyring_release(c->offered);
	for (struct mail *m = mailbox_take(&c->answers), *next; m; m = next) {
		struct read_request *request = container_of(m, struct read_request, mail);
		next = m->next;
		read_result_release(request->result);
		free(request);
	}
}
