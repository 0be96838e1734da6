/* The state of a WebSocket, for its own files. */
#ifndef JOBLIGHT_TRANSPORT_WEBSOCKET_PRIVATE_H
#define JOBLIGHT_TRANSPORT_WEBSOCKET_PRIVATE_H

#include "net/attendance.h"
#include "joblight/core/message.h"
#include "net/loop_private.h"
#include "frame_reader.h"
#include "websocket.h"

/* RFC 6455 section 7.4.1; our own codes start at 4000. */
#define CLOSE_NORMAL 1000
#define CLOSE_PROTOCOL 1002
#define CLOSE_BINARY 1003
#define CLOSE_NOT_UTF8 1007
#define CLOSE_TOO_BIG 1009
#define CLOSE_RESTART 1012
#define CLOSE_OVERLOADED 1013
#define CLOSE_UNAUTHORIZED 4001
#define CLOSE_RATE_LIMITED 4029
#define CLOSE_BAD_MESSAGE 4400
#define CLOSE_NO_JOB 4404

/* A client with more unread answers than this is not read. */
#define UNREAD_BYTES (64 * 1024)

struct subscription {
	struct list link; /* first member; in ws.subscriptions, until turn_free_later() takes it */
	struct subscriber subscriber;
	struct ws *ws;
	bool only;     /* named in the URL; its end closes the connection */
	bool leaving;  /* ends when its first message is complete */
	char job_id[]; /* followed by the id of its message, see message_id() */
};

/* A job on which this connection has reported. */
struct reported {
	struct attendance_want want; /* first member */
	struct ws *ws;
	char job_id[ID_MAX + 1];
	struct list link;
};

/* Of a WebSocket whose frames are read here: see websocket_frames.h. */
struct ws_framing {
	struct frame_reader reader;
	struct buf rest; /* input that arrived before reading was paused */
	bool pong_due;
	uint8_t pong_len;
	char pong[CONTROL_BYTES];
};

struct ws {
	struct conn *conn;
	struct ws_framing *framing; /* NULL: libwebsockets reads the frames */
	struct list subscriptions, reported;
	struct subscription *open; /* the one whose first message is incomplete, or NULL */
	unsigned count;            /* subscriptions, except one that is leaving */
	unsigned pending;          /* operations and reads that have not returned from the store */
	struct buf in, out;
	bool in_message; /* a message is arriving, and the timer is its deadline */
	bool blocked, paused;
	bool present;      /* it has reported an agent */
	bool parked;       /* it only watches */
	bool has_spoken;   /* it has sent more than pongs, last at `last_heard` */
	bool ping_pending; /* nothing has arrived since the ping */
	bool ping_due;
	bool restart_sent;
	bool ping_on_its_way;  /* at the last beat, the peer had not acknowledged the ping yet */
	uint64_t ping_end;     /* socket_written() after the ping */
	uint64_t acknowledged; /* socket_acknowledged() at the ping or the last beat */
	uint32_t refusals;     /* messages in a row that were refused */
	uint16_t close_code;
	uint32_t close_due;  /* when it closes even within a message; low half of the time */
	uint32_t last_heard; /* low half of the time */
	char *close_reason;
};

/* The handshake and the close frame: RFC 6455 sections 4.2.1 and 7.4. */
void ws_write_handshake(const struct request *r, struct buf *head);
void ws_write_acceptance(const struct request *r, struct buf *answer);
bool ws_close_allowed(const void *payload, size_t len);

/* Output is written at the end of the turn, or when an incomplete first message is complete. */
void ws_enqueue(struct ws *w); /* flushes it at the end of this turn */
void ws_add_frame(struct ws *w, struct slice json);
void ws_send(struct ws *w, struct buf *json); /* takes and empties `json` */
/* A message that was not refused. */
void ws_accepted(struct ws *w);
void ws_send_error(struct ws *w, const char *id, const char *job_id, const struct problem *p);
enum sink ws_write_now(struct ws *w, const char *bytes, size_t len);
void ws_write_ping(struct ws *w); /* if one is due */
void ws_write_out(struct ws *w);
/* Closes with a code and a reason for people. */
void ws_close(struct ws *w, int code, const char *reason);
bool ws_close_is_due(const struct ws *w); /* whether to close even within a message */

/* Subscriptions. */
/*
 * `id`: of the message, which an `error` sends back ("": none); copied.  `only`: the URL named the
 * job.  A second subscription to a job replaces the first one.
 */
void ws_subscribe(struct ws *w, const struct attach *wanted, const char *id, bool only);
void ws_unsubscribe(struct ws *w, const char *job_id);
void ws_leave_all(struct ws *w);       /* at once, in the middle of a message too */
void ws_leave(struct subscription *s); /* at once; frees its memory at the end of the turn */

/* Messages. */
void ws_receive_message(struct ws *w, struct slice text);
void ws_answered(struct conn *c, struct op *op); /* takes `op` */
void ws_forget_reported(struct reported *r);

#endif
