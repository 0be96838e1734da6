/* The parts of a reply that is being written, and how they are taken piece by piece. */
#ifndef JOBLIGHT_NET_REPLY_PARTS_H
#define JOBLIGHT_NET_REPLY_PARTS_H

#include <stdatomic.h>

#include "reply.h"

#define PIECE_BYTES (16 * 1024) /* maximum of one write */

enum { PART_HEAD, PART_BODY, PART_TAIL, PART_COUNT };

struct reply {
	struct buf head; /* the head of the response and the start of its body */
	struct slice body;
	struct buf tail;
	struct read_result *result; /* keeps `body` valid */
	int part;                   /* the part that is written next, and the offset in it */
	size_t offset;
	atomic_size_t *counter; /* bytes of all answers */
	size_t counted;         /* bytes of this answer in *counter */
	reply_more *more; /* of a body that comes in pieces: asks for the next; NULL: no more */
	bool chunked;     /* then it has no length */
};

/* Takes the next piece.  An empty piece means that all were taken. */
struct slice reply_next_piece(struct reply *r);
bool reply_has_begun(const struct reply *r); /* some of it was written */
void reply_free(struct reply *r);            /* NULL is allowed */

#endif
