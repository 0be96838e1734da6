/* A reply as it is kept while it is being written: its parts, taken a piece at a time. */
#ifndef JOBLIGHT_NET_REPLY_PARTS_H
#define JOBLIGHT_NET_REPLY_PARTS_H

#include <stdatomic.h>

#include "reply.h"

#define PIECE_BYTES (16 * 1024) /* of one write */

enum { PART_HEAD, PART_BODY, PART_TAIL, PART_COUNT };

struct reply {
	struct buf head; /* and what stands in front of the body */
	struct slice body;
	struct buf tail;
	struct read_result *result; /* holds `body` */
	int part;                   /* what is written next, and from where */
	size_t offset;
	atomic_size_t *counter; /* of the bytes of all answers */
	size_t counted;         /* of this one in it */
};

/* Takes the next piece; an empty one: all of it was taken. */
struct slice reply_next_piece(struct reply *r);
bool reply_has_begun(const struct reply *r); /* some of it was written */
void reply_free(struct reply *r);            /* NULL is fine */

#endif
