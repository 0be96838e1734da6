/*
 * One connection to a Redis, in protocol RESP2: connecting, the password, and the replies to what
 * was sent.  It has no timers: its owner looks at it and closes it.  hiredis formats the commands
 * and reads the replies; its own connections do not report that they were refused or reset.
 *
 * Thread of the bus.
 */
#ifndef JOBLIGHT_BUS_REDIS_LINK_H
#define JOBLIGHT_BUS_REDIS_LINK_H

#include <uv.h>

#include "joblight/base/buf.h"

struct redisReply;
struct redis_link;
struct redis_socket;
struct redis_tls_settings;
struct redis_url;

struct redis_link_events {
	void (*ready)(struct redis_link *l); /* it is connected, and the password was accepted */
	void (*reply)(struct redis_link *l, const struct redisReply *reply); /* borrowed */
	void (*drained)(struct redis_link *l); /* after the replies of one read */
	/* It is closed, and can be opened again. */
	void (*failed)(struct redis_link *l, const char *cause);
};

/* Private, except that others may read the last five. */
struct redis_link {
	uv_loop_t *loop;
	const struct redis_url *url;
	struct redis_tls_settings *tls; /* NULL: without TLS */
	const struct redis_link_events *events;
	void *context;
	struct redis_socket *socket; /* NULL: closed */
	struct buf out;              /* what the next flush sends */
	unsigned greetings;          /* replies that are missing until it is ready */
	bool is_ready;
	bool is_unlocked;  /* it has no password, though one was given */
	uint64_t awaited;  /* replies to commands that are still missing */
	uint64_t heard_ms; /* when the last byte came; when it was opened if none did */
	bool has_heard;    /* a byte came */
};

/* All is borrowed. */
void redis_link_init(struct redis_link *l, uv_loop_t *loop, const struct redis_url *url,
                     struct redis_tls_settings *tls, const struct redis_link_events *events,
                     void *context);
/* Connects.  The result comes as ready() or failed(), also when it is known at once. */
void redis_link_open(struct redis_link *l, const struct sockaddr *address);
/* Calls nothing any more, until it is opened again.  What was flushed may still be sent. */
void redis_link_close(struct redis_link *l);

/* Adds a command of `count` parts, at most 4.  False: it is not ready, or too much waits. */
bool redis_link_command(struct redis_link *l, const struct slice *parts, int count);
void redis_link_flush(struct redis_link *l);

#endif
