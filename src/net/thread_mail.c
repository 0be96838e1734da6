#include "thread_mail.h"

#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "loop_private.h"

#define COMMITS_WAITING 1024 /* batches on their way to one loop; the store thread waits beyond */

/* A committed batch with the ops of this loop that it answers. */
struct commit {
	struct mail mail;
	struct batch *batch;
	struct op *ops;
};

/* A word from another thread. */
struct note {
	struct mail mail;
	enum note_kind kind;
	char job_id[ID_MAX + 1];
	unsigned who, count;
	struct presence_report word;
};

static void wake(void *context)
{
	uv_async_send(&((struct loop *)context)->async);
}

void inbox_init(struct loop *l)
{
	mailbox_init(&l->commits, COMMITS_WAITING, wake, l);
	mailbox_init(&l->reads, SIZE_MAX, wake,
	             l); /* as many as were asked for, which is bounded */
	mailbox_init(&l->notes, SIZE_MAX, wake, l); /* as many as channels changed */
}

void inbox_finish(struct loop *l)
{
	mailbox_finish(&l->commits);
	mailbox_finish(&l->reads);
	mailbox_finish(&l->notes);
}

/* Posting. */

void inbox_post_commit(struct loop *l, struct batch *batch, struct op *ops)
{
	struct commit *commit = xcalloc(1, sizeof(*commit));

	commit->ops = ops;
	commit->batch = batch;
	if (commit->batch)
		batch_hold(batch);
	mailbox_post_wait(&l->commits, &commit->mail);
}

void loop_deliver_read(struct read_request *r)
{
	struct loop *l = r->loop;

	mailbox_post(&l->reads, &r->mail);
}

void inbox_post_note(struct loop *l, enum note_kind kind, const char *job_id, unsigned who,
                     unsigned count)
{
	struct note *n = xcalloc(1, sizeof(*n));

	n->kind = kind;
	n->who = who;
	n->count = count;
	if (job_id)
		memcpy(n->job_id, job_id, strlen(job_id) + 1);
	if (!mailbox_post(&l->notes, &n->mail))
		free(n);
}

void loop_tell_presence(struct loop *l, const struct presence_report *w)
{
	for (unsigned i = 0; i < l->family->count; i++) {
		if (i == l->index)
			continue;
		struct note *n = xcalloc(1, sizeof(*n));
		n->kind = NOTE_PRESENCE;
		n->word = *w;
		if (!mailbox_post(&l->family->all[i].notes, &n->mail))
			free(n);
	}
}

/* Taking. */

static void take_commits(struct loop *l)
{
	for (struct mail *m = mailbox_take(&l->commits), *next; m; m = next) {
		struct commit *commit = container_of(m, struct commit, mail);
		next = m->next;
		if (commit->batch)
			hub_publish(l->hub, commit->batch);
		for (struct op *op = commit->ops, *after; op; op = after) {
			after = (struct op *)op->mail.next;
			http_answer_op(conn_find(l, op->reply_to), op);
		}
		batch_release(commit->batch);
		free(commit);
	}
}

/* An answer from the store is some hundred events to be written, so a turn takes a few of them. */
bool inbox_take_reads(struct loop *l)
{
	if (!l->answers)
		l->answers = mailbox_take(&l->reads);
	for (size_t left = l->limits->round_visits; l->answers && left; left--) {
		struct read_request *r = container_of(l->answers, struct read_request, mail);
		l->answers = l->answers->next;
		loop_read_is_back(l, r->asker);
		r->done(r);
	}
	return l->answers || !mailbox_is_empty(&l->reads);
}

static void hear_presence(struct loop *l, const struct presence_report *w)
{
	if (w->agent[0])
		crowd_hear_elsewhere(l->crowd, w);
	else
		crowd_owner_gone_elsewhere(l->crowd, w->loop, w->owner);
}

static void hear_note(struct loop *l, const struct note *n)
{
	switch (n->kind) {
	case NOTE_WATCHERS:
		hub_set_remote_watchers(l->hub, n->job_id, n->who, n->count);
		crowd_changed(l->crowd, n->job_id);
		return;
	case NOTE_PRESENCE:
		hear_presence(l, &n->word);
		return;
	case NOTE_CLOSE:
		loop_close(l);
		return;
	case NOTE_STOP:
		loop_stop(l);
	}
}

static void take_notes(struct loop *l)
{
	for (struct mail *m = mailbox_take(&l->notes), *next; m; m = next) {
		struct note *n = container_of(m, struct note, mail);
		next = m->next;
		hear_note(l, n);
		free(n);
	}
}

void inbox_take(struct loop *l)
{
	take_commits(l);
	take_notes(l);
}
