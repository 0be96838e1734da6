/* A keep-alive connection that posts updates and waits for each answer. */
#ifndef BENCH_PUBLISHER_H
#define BENCH_PUBLISHER_H

#include <stdbool.h>
#include <stdint.h>

#include "load.h"
#include "request.h"

struct publisher {
	struct source source;
	struct load *load;
	int fd;
	uint32_t index;
	uint32_t job;
	bool connected;
	bool waiting;      /* a post is under way */
	uint32_t counter;  /* of the last update written into the request */
	uint64_t posts;    /* made since publishing began: an open loop's appointments */
	uint64_t asked_ns; /* when the post under way was due */

	struct request request;
	uint32_t request_sent;
	bool blocked; /* the socket took only a part of it so far */

	char *answer;
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

#endif
