#include "thread_mail.h"

#include <stdlib.h>
#include <unistd.h>

#include "joblight/base/xalloc.h"
#include "loop_private.h"

#define COMMITS_WAITING                                                                            \
	1024 /* batches waiting for one loop; when there are more, the store thread waits */

/* libuv ends the process when a handle of a closed loop is used. */
static void wake(void *context)
{
	struct loop *l = context;

	pthread_mutex_lock(&l->wake_lock);
	if (!l->wake_closed)
		uv_async_send(&l->async);
	pthread_mutex_unlock(&l->wake_lock);
}

void thread_mail_init(struct loop *l)
{
	pthread_mutex_init(&l->wake_lock, NULL);
	mailbox_init(&l->commits, COMMITS_WAITING, wake, l);
	mailbox_init(&l->reads, SIZE_MAX, wake,
	             l); /* as many as were requested, which is bounded */
	mailbox_init(&l->peers, SIZE_MAX, wake, l); /* as many as there are changed channels */
}

void thread_mail_close(struct loop *l)
{
	mailbox_close(&l->peers);
	pthread_mutex_lock(&l->wake_lock);
	l->wake_closed = true;
	pthread_mutex_unlock(&l->wake_lock);
}

void thread_mail_free_peer(struct peer_message *n)
{
	free(n->limits);
	loop_settings_release(n->settings);
	keyring_release(n->keyring);
	issuer_release(n->issuer);
	certificates_release(n->certificates);
	if (n->client)
		close(n->client->fd);
	free(n->client);
	free(n);
}

void thread_mail_finish(struct loop *l)
{
	for (struct mail *m = mailbox_take(&l->peers), *next; m; m = next) {
		next = m->next;
		thread_mail_free_peer(container_of(m, struct peer_message, mail));
	}
	pthread_mutex_destroy(&l->wake_lock);
	mailbox_finish(&l->commits);
	mailbox_finish(&l->reads);
	mailbox_finish(&l->peers);
}

/* Posting. */

void loop_deliver_read(struct read_request *r)
{
	struct loop *l = r->loop;

	mailbox_post(&l->reads, &r->mail);
}

void thread_mail_post_peer(struct loop *l, enum peer_kind kind, const char *job_id, unsigned who,
                           unsigned count)
{
	struct peer_message *n = xcalloc(1, sizeof(*n));

	n->kind = kind;
	n->who = who;
	n->count = count;
	if (job_id)
		memcpy(n->job_id, job_id, strlen(job_id) + 1);
	if (!mailbox_post(&l->peers, &n->mail))
		free(n);
}

void thread_mail_post_limits(struct loop *l, const struct limits *limits)
{
	struct peer_message *n = xcalloc(1, sizeof(*n));

	n->kind = PEER_LIMITS;
	n->limits = xcalloc(1, sizeof(*limits));
	*n->limits = *limits;
	if (mailbox_post(&l->peers, &n->mail))
		return;
	thread_mail_free_peer(n);
}

void thread_mail_post_settings(struct loop *l, struct loop_settings *settings)
{
	struct peer_message *n = xcalloc(1, sizeof(*n));

	n->kind = PEER_SETTINGS;
	n->settings = loop_settings_hold(settings);
	if (mailbox_post(&l->peers, &n->mail))
		return;
	thread_mail_free_peer(n);
}

void thread_mail_post_keyring(struct loop *l, struct keyring *ring)
{
	struct peer_message *n = xcalloc(1, sizeof(*n));

	n->kind = PEER_KEYRING;
	n->keyring = keyring_hold(ring);
	if (mailbox_post(&l->peers, &n->mail))
		return;
	thread_mail_free_peer(n);
}

void thread_mail_post_issuer(struct loop *l, struct issuer *issuer)
{
	struct peer_message *n = xcalloc(1, sizeof(*n));

	n->kind = PEER_ISSUER;
	n->issuer = issuer_hold(issuer);
	if (mailbox_post(&l->peers, &n->mail))
		return;
	thread_mail_free_peer(n);
}

void thread_mail_post_certificates(struct loop *l, struct certificates *certificates)
{
	struct peer_message *n = xcalloc(1, sizeof(*n));

	n->kind = PEER_CERTIFICATES;
	n->certificates = certificates_hold(certificates);
	if (mailbox_post(&l->peers, &n->mail))
		return;
	thread_mail_free_peer(n);
}

void thread_mail_post_adopt(struct loop *l, struct passed_client *client)
{
	struct peer_message *n = xcalloc(1, sizeof(*n));

	n->kind = PEER_ADOPT;
	n->client = client;
	if (mailbox_post(&l->peers, &n->mail))
		return;
	thread_mail_free_peer(n);
}

void thread_mail_post_presence(struct loop *l, const struct presence_report *w)
{
	l->bus->ops->presence(l->bus, l->peer, w);
}

/* Callbacks of the bus. */

static void receive_commit(void *loop, struct batch *batch, struct op *ops)
{
	struct commit *commit = xcalloc(1, sizeof(*commit));

	commit->ops = ops;
	commit->batch = batch;
	if (commit->batch)
		batch_hold(batch);
	mailbox_post_wait(&((struct loop *)loop)->commits, &commit->mail);
}

static bool receive_offer(void *loop, struct batch *batch)
{
	struct commit *commit = xcalloc(1, sizeof(*commit));

	commit->batch = batch;
	batch_hold(batch);
	if (mailbox_post(&((struct loop *)loop)->commits, &commit->mail))
		return true;
	batch_release(batch);
	free(commit);
	return false;
}

static void receive_watchers(void *loop, unsigned from, const char *job_id, unsigned count)
{
	thread_mail_post_peer(loop, PEER_WATCHERS, job_id, from, count);
}

static void receive_report(void *loop, const struct presence_report *w)
{
	struct peer_message *n = xcalloc(1, sizeof(*n));

	n->kind = PEER_PRESENCE;
	n->report = *w;
	if (!mailbox_post(&((struct loop *)loop)->peers, &n->mail))
		free(n);
}

void thread_mail_join(struct loop *l)
{
	struct bus_member member = { l, receive_commit, receive_offer, receive_watchers,
		                     receive_report };

	l->peer = l->bus->ops->join(l->bus, &member);
}
