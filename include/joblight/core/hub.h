/*
 * Subscriptions: channels (one per watched job), their rings, and subscribers.
 *
 * A subscriber is a cursor into its job's ring.  It works the same for all transports:
 *
 *      hub_attach ─┬─ position inside the ring ───────────────┐
 *                  └─ channel opened, then the store is read ─┤
 *                                                             ▼
 *                              opened() ─> frames from the read, then from the ring ─> ended()
 *                                               ▲                     │
 *                                               └── lapped: read ─────┘
 *
 * Publishing appends to the ring and marks the channel; hub_round() then visits the marked channels
 * and gives each subscriber everything it has not seen in one write.  A blocked subscriber is
 * skipped until hub_writable(); nothing is queued for it.
 *
 * No I/O, threads or clock: bytes leave through subscriber_ops, reads through hub_ops, and the
 * caller passes the time.  One thread.  Transports embed `struct subscriber`, which is zeroed
 * before its first attach.  They may detach a subscriber inside any of its callbacks, but free it
 * only outside of them.
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
struct viewer;

/* How a subscription begins, or begins again after a reset. */
struct subscription_start {
	/* OK; otherwise the subscriber is already detached and `detail` says why */
	enum outcome outcome;
	const char *detail;
	bool deleted; /* NOT_FOUND: the position belongs to a job that was deleted */
	enum resume resume;
	enum reset_reason reason;
	bool again;    /* in the middle of a stream: it could not be continued */
	bool finished; /* EXACT, at the end of a job that has ended: no event will follow */
	const char *job_id, *title, *epoch;
	enum job_status status;
	uint64_t start; /* the stream continues after this seq */
	uint64_t head;
	unsigned watchers;
	uint64_t heartbeat_ms; /* the period of this subscriber's heartbeats */
	struct slice snapshot; /* empty for EXACT */
	size_t rows_at;        /* offset in the snapshot of its tasks and deliverables */
	/* what was read, or NULL; a reference on it keeps `snapshot` valid */
	struct read_result *result;
};

/* How a subscription ended.  Its strings are valid during the call. */
struct subscription_end {
	const char *job_id, *epoch;
	uint64_t seq;       /* of the job's last event, which the subscriber got or did not want */
	const char *status; /* the job's, or "deleted" */
};

enum sink { SINK_OPEN, SINK_BLOCKED };

struct subscriber_ops {
	void (*opened)(struct subscriber *s, const struct subscription_start *o);
	/* Takes whole frames, or a piece of the first message.  All bytes are taken; BLOCKED means
	 * that the hub writes no more until hub_writable(). */
	enum sink (*write)(struct subscriber *s, const char *bytes, size_t len);
	/* Polling has this instead of write: there are events after the cursor, or the job has
	 * ended. */
	void (*ready)(struct subscriber *s);
	/* The job has ended and everything was delivered.  The subscriber is already detached. */
	void (*ended)(struct subscriber *s, const struct subscription_end *e);
	void (*heartbeat)(struct subscriber *s, uint64_t head); /* NULL: it gets none */
	/* It took nothing for write_stall_ms.  It is already detached. */
	void (*write_stalled)(struct subscriber *s);
	/* Whether the peer took some bytes within the last write_stall_ms, if the system knows;
	 * NULL: unknown. */
	bool (*takes)(struct subscriber *s);
};

/*
 * The options of a subscriber: the period of its heartbeats, and the number of browser tabs that it
 * counts for.
 */
#define HEARTBEAT_SECONDS_MIN 5
#define HEARTBEAT_SECONDS_MAX 60
#define TABS_MAX 32

/* Private to the hub, except that others may read `cursor`, `channel` (not NULL: attached),
 * `blocked` and `chunked`. */
struct subscriber {
	const struct subscriber_ops *ops;
	struct channel *channel;
	uint64_t cursor;
	uint32_t index;
	uint32_t ephemeral; /* number of the last ephemeral message it got */
	uint16_t types;     /* TYPE_BITs */
	uint8_t framing;
	bool open, blocked, chunked;
	uint8_t heartbeat_s;   /* 0: the server's default period */
	uint8_t tabs;          /* it counts as this many watchers, unless it has a viewer */
	bool uncounted;        /* it counts as no watcher */
	struct viewer *viewer; /* NULL: it has no identity */
	uint32_t heartbeat_due, wait_due; /* the low half of the time, because there are tens of
	                                     thousands of subscribers */
	struct list heartbeat_link, wait_link;
	struct hub_read *read;
	struct preamble *preamble;
	uint64_t asker; /* as given to hub_attach() */
};

_Static_assert(TYPE_BITS_ALL <= UINT16_MAX, "subscriber.types has a bit for each type");

struct hub_ops {
	/* Takes the request and later returns it through its done().  False: overloaded, and the
	 * hub keeps the request. */
	bool (*read)(void *context, struct read_request *r);
	/* There is work for hub_round(), which is to be called soon.  May be called often. */
	void (*wake)(void *context);
	/* This hub's own watchers of a job are now `count`. */
	void (*watchers)(void *context, const char *job_id, unsigned count);
	/* Whether the hub has a ring of the job from now on, which must get every event of it. */
	void (*follows)(void *context, const char *job_id, bool follows);
};

struct hub *hub_create(const struct limits *limits, const struct hub_ops *ops, void *context);
void hub_free(struct hub *h); /* all subscribers are detached before */

struct attach {
	const char *job_id;
	struct position position;
	enum framing framing;
	unsigned types;      /* TYPE_BITs of what it wants; the cursor skips the rest */
	size_t limit;        /* events in one read; 0: the hub's default */
	uint64_t asker;      /* the connection; see struct read_request */
	bool chunked;        /* each write is a chunk of HTTP/1.1 */
	bool blocked;        /* the connection takes nothing now, as after hub_block() */
	uint8_t heartbeat_s; /* HEARTBEAT_SECONDS_MIN to MAX; 0: the server's default period */
	uint8_t tabs;        /* 1 to TABS_MAX; 0 counts as 1 */
	/* Who it is: the subscribers of one client count as one watcher.  NULL: it counts as its
	 * tabs. */
	const char *identity;
	bool uncounted; /* it is answered and leaves, so it is no watcher */
};

/*
 * Makes the log of a name that no job can have, empty and without a row in the store.  Its events
 * come with hub_publish() only, and who attaches at its event 0 reads nothing.
 */
void hub_open_log(struct hub *h, const char *name, const char *epoch);

/* Attaches a subscriber.  The hub answers with opened(), at once or later. */
void hub_attach(struct hub *h, struct subscriber *s, const struct subscriber_ops *ops,
                const struct attach *a);
void hub_detach(struct hub *h, struct subscriber *s); /* does nothing when it is detached */
/* The subscriber's connection takes no more for now, or takes bytes again. */
void hub_block(struct hub *h, struct subscriber *s);
void hub_writable(struct hub *h, struct subscriber *s);

/* The first message to a subscriber: head + snapshot + tail, sent in as many writes as it takes.
 * In the framings of server-sent events the snapshot is split into data lines. */
struct first_message {
	struct buf raw; /* sent before the message and outside its framing: a response's head */
	struct buf head, tail;
	struct slice snapshot; /* may be empty; its bytes belong to the read_result */
	size_t rows_at;        /* as in `struct subscription_start` */
};

/*
 * Sends the message before everything else.  Only inside opened().  The buffers of `m` are taken
 * over and emptied.  A reference on `result` keeps the snapshot valid (NULL when the snapshot is
 * empty).
 */
void hub_send(struct subscriber *s, struct first_message *m, struct read_result *result);
/* The first message has begun and is not complete: nothing else may be written in between. */
bool subscriber_in_message(const struct subscriber *s);

/* Publishes committed events, in order. */
void hub_publish(struct hub *h, struct batch *b);

/*
 * Publishes an ephemeral message (presence).  It reaches the job's subscribers after the events
 * they have not seen yet, and a later one replaces one that was not sent yet.  Nothing happens when
 * the job has no subscribers, or when the message equals the last one and no subscription was
 * started with another count of watchers since.
 */
void hub_publish_ephemeral(struct hub *h, const char *job_id, struct slice json);
/* There was an ephemeral message, or one is needed because a subscription was started with a
 * count that no message has told. */
bool hub_has_ephemeral(const struct hub *h, const char *job_id);

/* Serves at most limits->round_visits subscribers.  True: call again soon.  `now` never decreases.
 */
bool hub_round(struct hub *h, uint64_t now_ms);
/*
 * Adds the deliveries since the last call to the metrics.  Call it often; for each delivery it
 * would cost too much.
 */
void hub_count_deliveries(struct hub *h);
/*
 * Rounds have ended since the last call of hub_observe_rounds(), which counts how long their events
 * took until now, in microseconds of the clock of batch.committed_us.
 */
bool hub_has_rounds(const struct hub *h);
void hub_observe_rounds(struct hub *h, uint64_t now_us);
/* Sets the pause between two rounds of a paced channel (one with many watchers), from its next
 * round on.  It is limits->pace_ms until then. */
void hub_set_pace(struct hub *h, uint64_t pace_ms);
/* When the next paced round begins, or a hole is to be read, and hub_round() is to be called;
 * UINT64_MAX: none is due. */
uint64_t hub_round_due(const struct hub *h);

/* Sends heartbeats, closes write-stalled subscribers and drops unwatched channels.  True: call
 * again soon.  `now` never decreases. */
bool hub_tick(struct hub *h, uint64_t now_ms);

unsigned hub_watchers(const struct hub *h, const char *job_id); /* on this loop and on the others */
/* Another loop (or node) has `count` watchers of the job. */
void hub_set_remote_watchers(struct hub *h, const char *job_id, unsigned loop, unsigned count);

/*
 * Whether the subscriber does not want every type.  Its cursor may then have skipped events, so its
 * messages carry its position: `cursor` of subscriber_epoch().  This holds after the end too.
 */
bool subscriber_filters(const struct subscriber *s);

/* Polling subscribers call these inside opened() and ready(). */
uint64_t subscriber_head(const struct subscriber *s);
/* The job has ended and the head is its end, or it was deleted. */
bool subscriber_ended(const struct subscriber *s);
bool subscriber_deleted(const struct subscriber *s);
/* The ring holds everything after the cursor. */
bool subscriber_reaches(const struct subscriber *s);
bool subscriber_wants(const struct subscriber *s, enum event_type type);
void subscriber_skip_to(struct subscriber *s, uint64_t seq); /* moves the cursor to this event */
/* The type and the JSON of an event that the ring holds. */
enum event_type subscriber_type(const struct subscriber *s, uint64_t seq);
struct slice subscriber_json(const struct subscriber *s, uint64_t seq);
enum job_status subscriber_status(const struct subscriber *s);
const char *subscriber_epoch(const struct subscriber *s);
const char *subscriber_job_id(const struct subscriber *s); /* while it is attached */

size_t hub_channels(const struct hub *h);

#endif
