/*
 * Channels, the hub's own: one per watched job, with its ring and its subscribers; which of them
 * are to be served, told of, dropped; and the pace of a crowd.  The hub is here too, as its own
 * files see it.
 *
 * Names are unique but for the channels of deleted jobs, which are out of the table, wait for their
 * last subscriber to be told, and go.  One thread.
 */
#ifndef JOBLIGHT_CORE_CHANNEL_H
#define JOBLIGHT_CORE_CHANNEL_H

#include "joblight/base/hash.h"

#include "joblight/core/remote_watchers.h"
#include "joblight/core/hub.h"

struct channel {
	char job_id[ID_MAX + 1];
	struct ring *ring; /* NULL until the epoch is known */
	bool known;        /* title and status are (from a read) */
	bool ended, deleted, dirty, count_is_dirty;
	bool waiting; /* for its pace, in hub.paced */
	uint64_t end_seq;
	char epoch[EPOCH_LEN + 1];
	char *title;
	enum job_status status;
	uint64_t state_seq; /* title and status are as of this event */
	struct subscriber **subscribers;
	uint32_t count, cap;
	uint32_t watchers;           /* what the subscribers count for, all together */
	uint32_t visit;              /* those below it wait for their visit in this round */
	bool again;                  /* published to while a round was under way */
	uint64_t paced_until;        /* a crowd's next round begins no earlier */
	uint64_t round_head;         /* the head when the last one began */
	unsigned announced_watchers; /* watchers last told to the others */
	struct buf ephemeral;        /* the last message that is not logged */
	uint32_t ephemeral_number;   /* of it; 0: there was none */
	unsigned ephemeral_watchers; /* the count when it was handed out */
	bool ephemeral_outdated;     /* an opening has told another count since */
	struct list dirty_link, count_link, idle_link; /* dirty_link: in dirty, or in paced */
	uint64_t idle_due;
	UT_hash_handle hh;
};

/* A run of events of a ring, wrapped in a chunk. */
struct span {
	const struct ring *ring; /* NULL: none */
	uint64_t after, last;    /* the events behind `after`, up to `last` */
	size_t from;             /* the chunk begins here, in `bytes` */
	struct buf bytes;
};

struct hub {
	const struct limits *limits;
	const struct hub_ops *ops;
	void *context;
	struct channel *channels;
	struct list dirty, counts, idle; /* channels to serve, to tell of, to drop */
	struct list paced;               /* to serve when their pause is over, the earliest first */
	struct list heartbeats[HEARTBEAT_SECONDS_MAX +
	                       1]; /* subscribers by heartbeat_s, the earliest first */
	struct list write_stalls;  /* the earliest first: all have one constant delay */
	struct list retries;       /* subscribers whose refill failed, by their stall link */
	struct ring_budget budget;
	struct remote_watchers *remote_watchers;
	struct buf scratch;               /* one write is put together here */
	struct span spans[FRAMING_COUNT]; /* the last one made, of each framing */
	struct hub_stats stats;
	uint64_t pace_ms; /* the pause between two rounds of a channel with many watchers */
	uint64_t now;
};

static inline uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* NULL: nobody watches the job, or did lately. */
struct channel *channel_find(const struct hub *h, const char *job_id);
/* The one that there is, or a new one. */
struct channel *channel_open(struct hub *h, const char *job_id);
void channel_drop(struct hub *h, struct channel *c); /* nobody is in it */

/* The last seq it knows of; 0: none. */
uint64_t channel_head(const struct channel *c);

/* Tells the others of every channel whose count of watchers changed. */
void channels_announce_counts(struct hub *h);

void channel_join(struct hub *h, struct channel *c, struct subscriber *s);
void channel_leave(struct hub *h, struct subscriber *s);

/* There is something to deliver: a round visits its subscribers, now or when its pause is over. */
void channel_mark(struct hub *h, struct channel *c);
void channels_begin_paced_rounds(struct hub *h); /* of those whose pause is over */

/* The job was deleted, after this seq. */
void channel_retire(struct hub *h, struct channel *c, uint64_t seq);

/* What an event or a read says of the job.  The first epoch stays; a state older than the known one
 * is ignored. */
void channel_set_epoch(struct hub *h, struct channel *c, const char *epoch);
void channel_set_state(struct channel *c, uint64_t seq, enum job_status status, struct slice title);
void channel_learn(struct hub *h, struct channel *c, const struct read_result *r);

#endif
