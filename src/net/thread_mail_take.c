#include "thread_mail_take.h"

#include <stdlib.h>

#include "ask.h"
#include "loop_private.h"
#include "stop.h"
#include "thread_mail.h"

static void take_commits(struct loop *l)
{
	for (struct mail *m = mailbox_take(&l->commits), *next; m; m = next) {
		struct commit *commit = container_of(m, struct commit, mail);
		next = m->next;
		if (commit->batch)
			hub_publish(l->hub, commit->batch);
		for (struct op *op = commit->ops, *after; op; op = after) {
			after = (struct op *)op->mail.next;
			ask_answered(l, op);
		}
		batch_release(commit->batch);
		free(commit);
	}
}

static void hear_presence(struct loop *l, const struct presence_word *w)
{
	if (w->agent[0])
		attendance_hear_elsewhere(l->attendance, w);
	else
		attendance_owner_gone_elsewhere(l->attendance, w->loop, w->owner);
}

static void hear_note(struct loop *l, const struct note *n)
{
	switch (n->kind) {
	case NOTE_WATCHERS:
		hub_watchers_elsewhere(l->hub, n->job_id, n->who, n->count);
		attendance_changed(l->attendance, n->job_id);
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
