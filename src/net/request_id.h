/*
 * The id of a request: the one that the client has sent, or one that is made here.  It is in the
 * answer, in the log and in the span of the request.  The loop's thread.
 */
#ifndef JOBLIGHT_NET_REQUEST_ID_H
#define JOBLIGHT_NET_REQUEST_ID_H

#include <stdint.h>

struct request;

/* What the ids of one loop are made from.  `{0}` is valid: the prefix is made with the first id. */
struct request_ids {
	uint64_t prefix; /* random */
	uint64_t count;
};

/* The random prefix, which no other loop and process has. */
uint64_t request_ids_prefix(struct request_ids *ids);

/*
 * Sets r->id from X-Request-Id, or else from Request-Id, or else to one that no other loop and
 * process has.  A header counts if it has 1 to REQUEST_ID_MAX characters of A-Z a-z 0-9 and
 * . _ ~ : / + = @ -
 */
void request_id_set(struct request *r, struct request_ids *ids);

#endif
