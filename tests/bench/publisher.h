/* A connection that publishes, with up to `depth` posts that are not answered yet: one over HTTP,
 * which answers the first before it reads the second; any number over WebSocket. Answers come in
 * the order of the posts. */
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
	uint64_t posts;   /* made since publishing began; in an open loop, each has a fixed time */

	uint32_t flying;  /* posts under way */
	uint64_t *due_ns; /* of each of them, a ring of `depth` */
	uint32_t oldest;  /* in that ring */

	struct request request;
	char *out; /* what the socket has not taken yet */
	uint32_t out_len, out_cap;
	bool blocked;

	struct stream stream; /* over WebSocket */
	char *answer;         /* over HTTP */
	uint32_t answer_len, answer_cap;
};

/* Creates them without their connections, because a server may close an idle socket. */
void publishers_create(struct load *load);
void publishers_open(struct load *load);
void publishers_destroy(struct load *load);

/* Lets them post until publishers_stop; `posts` of them at most (0: any number). */
void publishers_start(struct load *load, uint64_t posts);
void publishers_stop(struct load *load);

/* Called once per turn: every publisher that may post now does. Returns when the next one is due
 * (0: none waits for a time). */
uint64_t publishers_turn(struct load *load);

/* True when no answer is outstanding. */
bool publishers_quiet(const struct load *load);

/* answer.c calls it: the oldest post is answered. `accepted`: with 2xx, or the equivalent. */
void publisher_answered(struct publisher *publisher, bool accepted);
void publisher_fail(struct publisher *publisher, const char *why);
void publisher_leave(struct publisher *publisher); /* the same, but not an error: publishing is
                                                      over */
void publisher_ready(struct publisher *publisher);

#endif
