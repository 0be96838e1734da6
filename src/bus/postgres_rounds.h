/*
 * What waits to be sent to PostgreSQL, as rounds: statements of one kind, which are one transaction
 * and one answer.  A round takes more until it is taken or has enough.
 *
 * A channel is an identifier of PostgreSQL, which has at most 63 bytes: a longer name is replaced
 * by its beginning and its digest.  A message is a text of less than 8000 bytes: it is encoded in
 * base 64, after the name of its channel and a space if that was replaced.
 */
#ifndef JOBLIGHT_BUS_POSTGRES_ROUNDS_H
#define JOBLIGHT_BUS_POSTGRES_ROUNDS_H

#include "joblight/base/buf.h"
#include "joblight/base/list.h"

#define POSTGRES_CHANNEL_MAX 63   /* NAMEDATALEN - 1 */
#define POSTGRES_PAYLOAD_MAX 7999 /* NOTIFY_PAYLOAD_MAX_LENGTH - 1 */
#define POSTGRES_NAME_MAX 320     /* of a channel, before it is replaced */
#define POSTGRES_MESSAGE_MAX                                                                       \
	((size_t)(POSTGRES_PAYLOAD_MAX - POSTGRES_NAME_MAX) / 4 * 3) /* bytes, before base 64 */

enum postgres_round_kind {
	ROUND_LISTEN, /* LISTEN and UNLISTEN */
	ROUND_NOTIFY,
};

struct postgres_round {
	struct list link;
	enum postgres_round_kind kind;
	unsigned count;
	struct buf text;     /* LISTEN: the statements; NOTIFY: the array of channels */
	struct buf payloads; /* NOTIFY: the array of them */
	struct buf names;    /* LISTEN: the channels that deliver afterwards, each with a NUL */
};

/* Thread of the bus. */
struct postgres_rounds {
	struct list waiting;
	size_t bytes; /* of all that wait */
};

void postgres_rounds_init(struct postgres_rounds *r);
void postgres_rounds_clear(struct postgres_rounds *r); /* frees all of it */

void postgres_rounds_listen(struct postgres_rounds *r, struct slice channel);
void postgres_rounds_unlisten(struct postgres_rounds *r, struct slice channel);
/* At most POSTGRES_MESSAGE_MAX bytes. */
void postgres_rounds_notify(struct postgres_rounds *r, struct slice channel, struct slice bytes);

/* The first one, complete, which becomes the caller's; NULL: nothing waits. */
struct postgres_round *postgres_rounds_take(struct postgres_rounds *r);
void postgres_round_free(struct postgres_round *round); /* NULL is fine */

/*
 * What a notification says.  `channel` points into the payload or to the name; the bytes are put
 * into `out`.  False: it is not one of ours.
 */
bool postgres_payload_read(const char *name, const char *payload, struct slice *channel,
                           struct buf *out);

#endif
