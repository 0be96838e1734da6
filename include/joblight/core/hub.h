/*
 * Who watches what: channels (one per watched job), their rings, and subscribers.
 *
 * A subscriber is a cursor into its job's ring.  All transports take this one road:
 *
 *      hub_attach ─┬─ position inside the ring ───────────────┐
 *                  └─ channel opened, then the store is read ─┤
 *                                                             ▼
 *                              opened() ─> frames from the read, then from the ring ─> ended()
 *                                               ▲                     │
 *                                               └── lapped: read ─────┘
 *
 * Publishing appends to the ring and marks the channel; hub_round() then walks marked channels and
 * gives each subscriber everything it has not seen in one write.  A blocked subscriber is skipped
 * until hub_writable(); nothing is queued for it.
 *
 * No I/O, threads or clock: bytes leave through subscriber_ops, reads through hub_ops, time comes
 * in. One thread.  Transports embed `struct subscriber`, zeroed before its first attach; they may
 * detach a subscriber inside any of its call backs, but free it only outside of them.
 */
#ifndef JOBLIGHT_CORE_HUB_H
#define JOBLIGHT_CORE_HUB_H

#include "joblight/base/list.h"
#include "joblight/core/batch.h"
#include "joblight/core/query.h"
#include "joblight/core/ring.h"
#include "joblight/core/type_filter.h"

struct hub;
struct channel;
struct subscriber;

/* How a subscription begins, or begins anew after a reset. */
struct subscription_start {
	enum outcome
	    outcome; /* OK; otherwise the subscriber is detached already and `detail` says why */
	const char *detail;
	bool deleted; /* NOT_FOUND: the job in which the position is was deleted */
	enum resume resume;
	enum reset_reason reason;
	bool again;    /* in mid-stream: the reader could not be continued */
	bool finished; /* EXACT, at the end of a job that has ended: nothing will follow */
	const char *job_id, *title, *epoch;
	enum job_status status;
	uint64_t start; /* the stream goes on behind this seq */
	uint64_t head;
	unsigned watchers;
	uint64_t heartbeat_ms;      /* the period of this subscriber */
	struct slice snapshot;      /* unless EXACT */
	size_t rows_at;             /* in it: the tasks and deliverables stand behind this */
	struct read_result *result; /* what was read, or NULL; hold it to keep `snapshot` */
};

/* How a subscription ended.  Its strings are valid during the call. */
struct subscription_end {
	const char *job_id, *epoch;
	uint64_t seq; /* of the job's last event, which the subscriber has got or did not want */
	const char *status; /* the job's, or "deleted" */
};

enum sink { SINK_OPEN, SINK_BLOCKED };

struct subscriber_ops {
	void (*opened)(struct subscriber *s, const struct subscription_start *o);
	/* Whole frames, or a piece of the first message.  All bytes are taken; BLOCKED means no
	 * more until hub_writable(). */
	enum sink (*write)(struct subscriber *s, const char *bytes, size_t len);
	/* Instead of write: there is something behind the cursor, or the job has ended (polling).
	 */
	void (*ready)(struct subscriber *s);
	/* The job is over and everything was delivered; the subscriber is detached already. */
	void (*ended)(struct subscriber *s, const struct subscription_end *e);
	void (*heartbeat)(struct subscriber *s, uint64_t head); /* NULL: says nothing */
	void (*write_stalled)(
	    struct subscriber *s); /* took nothing for write_stall_ms; detached already */
	/* Whether its peer took some bytes within the last write_stall_ms, if the system knows;
	 * NULL: never known. */
	bool (*takes)(struct subscriber *s);
};

/* What a subscriber may ask for: the period of its heartbeats, and for how many browser tabs it
 * speaks. */
#define HEARTBEAT_SECONDS_MIN 5
#define HEARTBEAT_SECONDS_MAX 60
#define TABS_MAX 32

/* Private to the hub but for reading `cursor`, `channel` != NULL (attached), `blocked` and
 * `chunked`. */
struct subscriber {
	const struct subscriber_ops *ops;
	struct channel *channel;
	uint64_t cursor;
	uint32_t index;
	uint32_t ephemeral; /* the last ephemeral message it got */
	uint16_t types;     /* TYPE_BITs */
	uint8_t framing;
	bool open, blocked, chunked;
	uint8_t heartbeat_s; /* 0: the server's standard period */
	uint8_t tabs;        /* counted as so many watchers */
	uint32_t heartbeat_due,
	    wait_due; /* the low half of the time: there are ten thousands of these */
	struct list heartbeat_link, wait_link;
	struct hub_read *read;
	struct preamble *preamble;
	uint64_t asker; /* of its attach */
};

_Static_assert(TYPE_BITS_ALL <= UINT16_MAX, "subscriber.types has a bit for each type");

struct hub_ops {
	/* Takes the request and later gives it back through its done(); false: overloaded, still
	 * the hub's. */
	bool (*read)(void *context, struct read_request *r);
	/* There is a round to run: call hub_round() soon.  May be called often. */
	void (*wake)(void *context);
	/* This hub's own watchers of a job are now `count`. */
	void (*watchers)(void *context, const char *job_id, unsigned count);
};

struct hub_stats {
	uint64_t deliveries, writes, refills, resets, stalled, heartbeats;
	uint64_t cramped; /* times a ring could not grow because of the cap over all */
};

struct hub *hub_create(const struct limits *limits, const struct hub_ops *ops, void *context);
void hub_free(struct hub *h); /* every subscriber is detached by then */

struct attach {
	const char *job_id;
	struct position position;
	enum framing framing;
	unsigned types;      /* TYPE_BITs of what it wants; the cursor passes over the rest */
	size_t limit;        /* events in one read; 0: the hub's own measure */
	uint64_t asker;      /* of its reads: see query.h */
	bool chunked;        /* each write is a chunk of HTTP/1.1 */
	bool blocked;        /* the connection takes nothing now: as after hub_block() */
	uint8_t heartbeat_s; /* HEARTBEAT_SECONDS_MIN to MAX; 0: the server's standard period */
	uint8_t tabs;        /* 1 to TABS_MAX; 0 counts as 1 */
};

/* The answer is opened(), now or later. */
void hub_attach(struct hub *h, struct subscriber *s, const struct subscriber_ops *ops,
                const struct attach *a);
void hub_detach(struct hub *h, struct subscriber *s); /* harmless when it is detached */
/* The connection behind it takes no more for now, or takes again. */
void hub_block(struct hub *h, struct subscriber *s);
void hub_writable(struct hub *h, struct subscriber *s);

/*
 * What a subscriber is told first: head + snapshot + tail are one message, in as many writes as it
 * takes; in the framings of server-sent events the snapshot stands in several data lines.
 */
struct first_message {
	struct buf raw; /* goes in front of the message, outside its framing: a response's head */
	struct buf head, tail;
	struct slice snapshot; /* may be empty; its bytes belong to the read_result */
	size_t rows_at;        /* as in `struct subscription_start` */
};

/*
 * Sends the message before everything else; used inside opened().  The buffers of `m` are taken
 * over (and emptied); the snapshot stays valid through a reference on `result` (may be NULL with an
 * empty snapshot).
 */
void hub_send(struct hub *h, struct subscriber *s, struct first_message *m,
              struct read_result *result);
/* The first message has begun and is not complete: between two writes nothing of others may come.
 */
bool subscriber_in_message(const struct subscriber *s);

/* Committed events, in order. */
void hub_publish(struct hub *h, const struct batch *b);

/*
 * A message that is not logged (presence): goes to the job's subscribers behind the events they
 * have not seen; one that comes while they are busy replaces the one before.  Nothing happens when
 * nobody watches, or when it is the same as the last one and no opening has told another count of
 * watchers since.
 */
void hub_publish_ephemeral(struct hub *h, const char *job_id, struct slice json);
/* There was such a message, or somebody needs one: an opening has told a count that is not one. */
bool hub_has_ephemeral(const struct hub *h, const char *job_id);

/* Serves at most limits->round_visits subscribers; true: call again soon.  `now` never goes back.
 */
bool hub_round(struct hub *h, uint64_t now_ms);
/* The pause between two rounds of a channel with many watchers, from its next round on;
 * limits->pace_ms until then. */
void hub_set_pace(struct hub *h, uint64_t pace_ms);
/* When the next paced round begins, and hub_round() is to be called; UINT64_MAX: none is waiting.
 */
uint64_t hub_round_due(const struct hub *h);

/* Heartbeats, write stalls, channels nobody watches any more; true: call again soon.  `now` never
 * goes back. */
bool hub_tick(struct hub *h, uint64_t now_ms);

unsigned hub_watchers(const struct hub *h, const char *job_id); /* here and elsewhere */
/* Another loop (or node) has this many. */
void hub_set_remote_watchers(struct hub *h, const char *job_id, unsigned who, unsigned count);

/*
 * It did not want every type, so it has passed over events that it never saw: what it hears carries
 * the position that it stands for, `cursor` of subscriber_epoch().  Holds after the end too.
 */
bool subscriber_filters(const struct subscriber *s);

/* What a polling subscriber may take, inside opened() and ready(). */
uint64_t subscriber_head(const struct subscriber *s);
bool subscriber_ended(const struct subscriber *s); /* and the head is the end; or deleted */
bool subscriber_deleted(const struct subscriber *s);
bool subscriber_reaches(
    const struct subscriber *s); /* the ring holds everything behind the cursor */
bool subscriber_wants(const struct subscriber *s, enum event_type type);
void subscriber_skip_to(struct subscriber *s,
                        uint64_t seq); /* it wants nothing of what is up to this event */
enum event_type subscriber_type(const struct subscriber *s,
                                uint64_t seq); /* of an event that the ring holds */
struct slice subscriber_json(const struct subscriber *s, uint64_t seq);
enum job_status subscriber_status(const struct subscriber *s);
const char *subscriber_epoch(const struct subscriber *s);

struct hub_stats hub_stats(const struct hub *h);
size_t hub_channels(const struct hub *h);

#endif
