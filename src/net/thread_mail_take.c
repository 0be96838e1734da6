#include "thread_mail_take.h"

#include <stdlib.h>

#include "ask.h"
#include "joblight/base/clock.h"
#include "loop_private.h"
#include "moving.h"
#include "leaving.h"
#include "stop.h"
#include "thread_mail.h"
#include "ticker.h"

static void take_commits(struct loop *l)
{
	struct mail *first = mailbox_take(&l->commits);
	uint64_t now = first ? clock_monotonic_us() : 0;

	for (struct mail *m = first, *next; m; m = next) {
		struct commit *commit = container_of(m, struct commit, mail);
		next = m->next;
		if (commit->batch)
			metric_observe_since(METRIC_MAILBOX_WAIT +
			                         LABEL_WAIT_COMMITS * METRIC_TIMES_CELLS,
			                     commit->batch->committed_us, now);
		if (commit->batch)
			hub_publish(l->hub, commit->batch);
		if (commit->batch && commit->batch->keyring)
			access_take_keyring(l, commit->batch->keyring);
		for (struct op *op = commit->ops, *after; op; op = after) {
			after = (struct op *)op->mail.next;
			ask_answered(l, op);
		}
		batch_release(commit->batch);
		free(commit);
	}
}

static void receive_presence(struct loop *l, const struct presence_report *w)
{
	if (w->agent[0])
		attendance_report_elsewhere(l->attendance, w);
	else
		attendance_owner_gone_elsewhere(l->attendance, w->loop, w->owner);
}

static void receive_moving(struct loop *l, struct peer_message *n)
{
	switch (n->kind) {
	case PEER_RETIRE:
		l->retiring = true;
		return;
	case PEER_PAUSE:
		loop_pause(l);
		return;
	case PEER_LOOK:
		moving_tick(l);
		return;
	case PEER_RESUME:
		loop_resume(l);
		return;
	case PEER_LEAVE:
		loop_leave(l);
		return;
	default: /* PEER_ADOPT */
		moving_adopt(l, n->client);
		n->client = NULL;
	}
}

static void receive_peer(struct loop *l, struct peer_message *n)
{
	switch (n->kind) {
	case PEER_WATCHERS:
		hub_set_remote_watchers(l->hub, n->job_id, n->who, n->count);
		attendance_changed(l->attendance, n->job_id);
		return;
	case PEER_PRESENCE:
		receive_presence(l, &n->report);
		return;
	case PEER_LIMITS:
		limits_take_live(&l->own_limits, n->limits);
		ticker_set_period(l);
		l->turn.pacing.max_ms = l->limits->pace_ms;
		return;
	case PEER_SETTINGS:
		loop_take_settings(l, n->settings);
		return;
	case PEER_KEYRING:
		access_take_keyring(l, n->keyring);
		return;
	case PEER_ISSUER:
		access_take_issuer(l, n->issuer);
		return;
	case PEER_CERTIFICATES:
		certificates_release(l->certificates);
		l->certificates = certificates_hold(n->certificates);
		return;
	case PEER_CANARY:
		canary_tell(l);
		return;
	case PEER_CLOSE:
		loop_close(l);
		return;
	case PEER_STOP:
		loop_stop(l);
		return;
	default:
		receive_moving(l, n);
	}
}

static void take_peer_messages(struct loop *l)
{
	for (struct mail *m = mailbox_take(&l->peers), *next; m; m = next) {
		struct peer_message *n = container_of(m, struct peer_message, mail);
		next = m->next;
		receive_peer(l, n);
		thread_mail_free_peer(n);
	}
}

void thread_mail_take(struct loop *l)
{
	take_commits(l);
	take_peer_messages(l);
}
