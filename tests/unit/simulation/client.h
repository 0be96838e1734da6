/*
 * Those who watch, and what each of them is promised.  A client compares every byte that it gets
 * with what it must get next, which it makes itself from the job's life; so a hole, a repetition,
 * another job's byte, half a frame or a wrong snapshot all show at the first byte that differs.
 */
#ifndef JOBLIGHT_TESTS_CLIENT_H
#define JOBLIGHT_TESTS_CLIENT_H

#include "world.h"

enum client_state {
	CLIENT_AWAY,
	CLIENT_ASKING, /* attached, not opened */
	CLIENT_OPEN,
};

/*
 * The connection's memory.  It is poisoned when the connection is over and no callback of it is
 * running, and kept until the schedule's end, so that a hub that still looks at it finds nonsense.
 */
struct watch {
	struct subscriber subscriber; /* first */
	struct client *client;
	struct watch *older;
};

struct client {
	struct watch *watch; /* NULL: it is away */
	struct watch *left;
	struct world *world;
	struct node *node;
	unsigned number;
	char job_id[ID_MAX + 1];
	enum framing framing;
	bool chunked;
	bool polls, waits;       /* polling, long polling */
	bool beats;              /* wants heartbeats */
	size_t limit;            /* of a poll */
	unsigned blocks_percent; /* how often its connection is full */
	unsigned types;          /* what it wants, TYPE_BITs */

	/* What it has processed and keeps over connections. */
	bool has;
	char epoch[EPOCH_LEN + 1];
	uint64_t seq;
	bool finished; /* it was told that the job is over and does not come back */

	/* This connection. */
	enum client_state state;
	struct position asked;
	unsigned tabs; /* it speaks for so many; 0 counts as one */
	bool own;      /* `asked` is what it really has */
	uint64_t asked_step;
	struct life *life;
	uint64_t start, seen; /* events up to `seen` were given to it */
	bool opening_due, opening_begun;
	struct buf opening; /* the bytes that must come first */
	struct buf wire;    /* what came of the frame that is not whole yet */
	unsigned passed;    /* the ephemeral message it must get; 0: none */
	bool blocked;
	uint64_t blocked_at;
};

void client_init(struct client *c, struct world *w, unsigned number);
void client_finish(struct client *c); /* it leaves; its memory stays */
void client_free(struct client *c);

void client_poison(struct client *c);  /* what it left behind; outside of its callbacks */
void client_connect(struct client *c); /* at a position of the dice's choice */
void client_resume(struct client *c);  /* where it really is */
void client_cut(struct client *c);     /* what was on its way may be lost */
void client_unblock(struct client *c);
void client_lose_patience(struct client *c); /* a long poll's time is over */
void client_hear_ephemeral(struct client *c, const struct node *n, const char *job_id,
                           unsigned number);

/* Everything that can reach it has. */
void client_check_at_rest(const struct client *c);

/* Shared by the kinds. */
static inline struct client *client_of(struct subscriber *s)
{
	return ((struct watch *)s)->client;
}

struct life *client_check_opening(struct client *c, const struct subscription_start *o);
void client_keep(struct client *c, uint64_t seq);
bool client_wants(const struct client *c, uint64_t seq);
void client_leave(struct client *c);
void client_check_event(const struct client *c, uint64_t seq, struct slice json);
extern const struct subscriber_ops stream_client, silent_stream_client, poll_client;

#endif
