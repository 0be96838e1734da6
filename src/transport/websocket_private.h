/* A WebSocket as its own files see it. */
#ifndef JOBLIGHT_TRANSPORT_WEBSOCKET_PRIVATE_H
#define JOBLIGHT_TRANSPORT_WEBSOCKET_PRIVATE_H

#include "net/attendance.h"
#include "joblight/core/message.h"
#include "net/loop_private.h"
#include "websocket.h"

/* RFC 6455 section 7.4.1, and ours from 4000 on. */
#define CLOSE_NORMAL 1000
#define CLOSE_PROTOCOL 1002
#define CLOSE_BINARY 1003
#define CLOSE_TOO_BIG 1009
#define CLOSE_RESTART 1012
#define CLOSE_OVERLOADED 1013
#define CLOSE_BAD_MESSAGE 4400
#define CLOSE_NO_JOB 4404

/* Of answers that a client has not taken: beyond this it is not read from. */
#define UNREAD_BYTES (64 * 1024)

struct subscription {
	struct list link; /* first; in ws.subscriptions, until turn_free_later() takes it */
	struct subscriber subscriber;
	struct ws *ws;
	bool only;    /* named in the URL: without it the connection has no purpose */
	bool leaving; /* it gets the rest of its first message, and nothing more */
	char job_id[];
};

/* A job this connection reported on. */
struct reported {
	struct attendance_want want; /* first */
	struct ws *ws;
	char job_id[ID_MAX + 1];
	struct list link;
};

struct ws {
	struct conn *conn;
	struct list subscriptions, reported;
	struct subscription *open; /* its first message has begun and is not complete; NULL: none */
	unsigned count;            /* of subscriptions, without one that is leaving */
	unsigned pending;          /* ops on their way to the store */
	struct buf in, out;
	bool in_message; /* one has begun and is not complete: then its deadline is the connection's
	                    timer */
	bool blocked, paused;
	bool present;      /* told of an agent */
	bool parked;       /* it only watches */
	bool has_spoken;   /* it had more to say than a pong, at `last_heard` */
	bool ping_pending; /* no sign of life has come since the ping */
	bool ping_due;
	bool told_restart;
	bool ping_on_its_way;  /* at the last beat the peer's system did not have the ping yet */
	uint64_t ping_end;     /* socket_written() after the ping */
	uint64_t acknowledged; /* socket_acknowledged() at the ping or the last beat */
	uint16_t close_code;
	uint32_t close_due;  /* then it closes within a message too; the low half of the time */
	uint32_t last_heard; /* the low half of the time */
	char *close_reason;
};

/* The handshake and the close frame: RFC 6455 sections 4.2.1 and 7.4. */
void ws_write_handshake(const struct request *r, struct buf *head);
bool ws_close_allowed(const void *payload, size_t len);

/* Output: what is said goes out at the end of the turn, or when the first message that is open is
 * complete. */
void ws_enqueue(struct ws *w); /* it is flushed at the end of this turn */
void ws_add_frame(struct ws *w, struct slice json);
void ws_say(struct ws *w, struct buf *json); /* empties it */
void ws_say_error(struct ws *w, const char *id, const char *job_id, const struct problem *p);
enum sink ws_write_now(struct ws *w, const char *bytes, size_t len);
void ws_write_ping(struct ws *w); /* when one is due */
void ws_write_out(struct ws *w);
/* Closes with a code, and the reason for people. */
void ws_close(struct ws *w, int code, const char *reason);
bool ws_close_is_due(
    const struct ws *w); /* it does not wait for the message that is open any longer */

/* Subscriptions. */
/* `only`: the URL named the job.  A job that is subscribed to already begins anew with what is
 * wanted now. */
void ws_subscribe(struct ws *w, const struct attach *wanted, bool only);
void ws_unsubscribe(struct ws *w, const char *job_id);
void ws_leave(struct subscription *s); /* at once; its memory goes at the end of the turn */

/* Messages. */
void ws_hear_message(struct ws *w, struct slice text);
void ws_answered(struct conn *c, struct op *op); /* takes the op */
void ws_forget_reported(struct reported *r);

#endif
