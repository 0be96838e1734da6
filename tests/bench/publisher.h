/* A connection that publishes, with up to `depth` posts under way: one over HTTP, which answers the
 * first before it reads the second; any number over WebSocket. Answers come in the order of the
 * posts. */
#ifndef BENCH_PUBLISHER_H
#define BENCH_PUBLISHER_H

#include <stdbool.h>
#include <stdint.h>

#include "load.h"
#include "request.h"
#include "stream.h"

struct publisher {
	struct source source;
	struct load *load;
	int fd;
	uint32_t index;
	uint32_t job;
	bool asked;       /* connected; over WebSocket: the upgrade is asked for */
	bool ready;       /* may post */
	uint32_t counter; /* of the last update posted */
	uint64_t posts;   /* made since publishing began: an open loop's appointments */

	uint32_t flying;  /* posts under way */
	uint64_t *due_ns; /* of each of them, a ring of `depth` */
	uint32_t oldest;  /* in that ring */

	struct request request;
	char *out; /* what the socket has not taken yet: of posts under way only */
	uint32_t out_len, out_cap;
	bool blocked;

	struct stream stream; /* over WebSocket */
	char *answer;         /* over HTTP */
	uint32_t answer_len, answer_cap;
};

/* Without their connections: a server may close a socket that asks nothing. */
void publishers_create(struct load *load);
void publishers_open(struct load *load);
void publishers_destroy(struct load *load);

/* Lets them post until publishers_stop; `posts` of them at most (0: any number). */
void publishers_start(struct load *load, uint64_t posts);
void publishers_stop(struct load *load);

/* Once per turn: whoever may post now does. Returns when the next one is due (0: nobody waits for a
 * time). */
uint64_t publishers_turn(struct load *load);

/* True when no answer is outstanding. */
bool publishers_quiet(const struct load *load);

/* For answer.c. The oldest post under way is answered; `accepted`: 2xx or its like. */
void publisher_answered(struct publisher *publisher, bool accepted);
void publisher_fail(struct publisher *publisher, const char *why);
void publisher_leave(struct publisher *publisher); /* the same without being an error: nothing is
                                                      published any more */
void publisher_ready(struct publisher *publisher);

#endif
