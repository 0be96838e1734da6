/*
 * The channels of the hub: one per watched job, with its ring and its subscribers; the lists of
 * channels that are to be served, announced or dropped; and the pacing of channels with many
 * watchers.  The struct of the hub is here too, for the hub's own files.
 *
 * Job ids are unique among channels, except for the channels of deleted jobs: these are not in the
 * table, wait until their last subscriber has left, and are dropped.  One thread.
 */
#ifndef JOBLIGHT_CORE_CHANNEL_H
#define JOBLIGHT_CORE_CHANNEL_H

#include "joblight/base/hash.h"

#include "joblight/core/remote_watchers.h"
#include "joblight/core/hub.h"

struct hole;

/* Of the oldest event of a round: as in struct batch.  committed_us 0: there is none. */
struct event_age {
	uint64_t committed_us, submitted_us;
};

struct channel {
	char job_id[ID_MAX + 1];
	struct ring *ring; /* NULL until the epoch is known */
	bool known;        /* title and status are known (from a read) */
	bool ended, deleted, dirty, count_is_dirty;
	bool is_unstored; /* no store has its log: see hub_open_log() */
	bool is_counted;  /* in the metrics; the one of the canary is not */
	bool waiting;     /* it waits for the end of its pause, in hub.paced */
	uint64_t end_seq;
	char epoch[EPOCH_LEN + 1];
	char *title;
	enum job_status status;
	uint64_t state_seq; /* the event that title and status come from */
	struct subscriber **subscribers;
	uint32_t count, cap;
	uint32_t watchers; /* the distinct viewers, and the tabs of the other subscribers */
	struct viewer *viewers;
	uint32_t visit; /* subscribers below this index are still to be visited in this round */
	bool again;     /* marked again during a round */
	uint64_t paced_until; /* the next round begins no earlier when the channel is paced */
	uint64_t round_head;  /* the head when the last round began */
	struct event_age next_age, round_age; /* for the next round, and for the one that runs */
	unsigned announced_watchers;          /* number of watchers that was last announced */
	struct buf ephemeral;                 /* the last ephemeral message */
	uint32_t ephemeral_number;            /* its number; 0: there was none */
	unsigned ephemeral_watchers;          /* the number of watchers when it was published */
	bool ephemeral_outdated; /* a subscription was started with another count since */
	struct hole *hole;       /* see hole.h; NULL: there is none */
	struct list dirty_link, count_link, idle_link; /* dirty_link: in hub.dirty or hub.paced */
	uint64_t idle_due;
	UT_hash_handle hh;
};

/* Consecutive events of a ring, wrapped as one chunk. */
struct span {
	const struct ring *ring; /* NULL: none */
	uint64_t after, last;    /* the events after `after`, up to `last` */
	size_t from;             /* offset of the chunk in `bytes` */
	struct buf bytes;
};

struct hub {
	const struct limits *limits;
	const struct hub_ops *ops;
	void *context;
	struct channel *channels;
	struct list dirty, counts, idle; /* channels to serve, to announce, to drop */
	struct list holes; /* that are to be read from the store, the earliest first */
	struct list paced; /* to serve at the end of their pause, the earliest first */
	struct list heartbeats[HEARTBEAT_SECONDS_MAX +
	                       1]; /* subscribers by heartbeat_s, the earliest first */
	struct list write_stalls;  /* blocked subscribers, the earliest deadline first: all have the
	                              same delay */
	struct list retries;       /* subscribers whose refill failed, by their wait_link */
	struct ring_budget budget;
	struct remote_watchers *remote_watchers;
	struct buf scratch;               /* buffer for one write */
	struct span spans[FRAMING_COUNT]; /* the last one, for each framing */
	uint64_t writes, deliveries;      /* not yet in the metrics */
	struct event_age *ages;           /* of the rounds that have ended */
	size_t age_count, age_cap;
	uint64_t pace_ms; /* the pause between two rounds of a channel with many watchers */
	uint64_t now;
};

static inline uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* NULL: the job has no watchers and had none recently. */
struct channel *channel_find(const struct hub *h, const char *job_id);
/* The job's channel, which is made when there is none. */
struct channel *channel_open(struct hub *h, const char *job_id);
void channel_drop(struct hub *h, struct channel *c); /* it has no subscribers */

/* The last seq in its ring; 0: none. */
uint64_t channel_head(const struct channel *c);

/* Announces the watchers of every channel whose count changed. */
void channels_announce_counts(struct hub *h);

/* `identity`: as in struct attach. */
void channel_join(struct hub *h, struct channel *c, struct subscriber *s, const char *identity);
void channel_leave(struct hub *h, struct subscriber *s);

/* Marks the channel for delivery: a round visits its subscribers, now or at the end of its
 * pause. */
void channel_mark(struct hub *h, struct channel *c);
void channels_begin_paced_rounds(struct hub *h); /* of the channels whose pause has ended */

/* Appends an event to its ring, and marks it. */
void channel_append(struct hub *h, struct channel *c, const struct batch *b, const struct event *e);

/* The job was deleted, after this seq. */
void channel_retire(struct hub *h, struct channel *c, uint64_t seq);

/* Updates the channel from an event or a read.  The first epoch stays, and a state older than the
 * current one is ignored. */
void channel_set_epoch(struct hub *h, struct channel *c, const char *epoch);
void channel_set_state(struct channel *c, uint64_t seq, enum job_status status, struct slice title);
/* The state is this one, also if a later one was told of. */
void channel_correct_state(struct channel *c, uint64_t seq, enum job_status status);
void channel_learn(struct hub *h, struct channel *c, const struct read_result *r);

#endif
