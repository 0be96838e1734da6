/*
 * The end of each turn of a loop, outside of every callback of libwebsockets: requests are run,
 * answers written, a round of the hub's deliveries made; again at once while there is more.
 */
#ifndef JOBLIGHT_NET_TURN_H
#define JOBLIGHT_NET_TURN_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "joblight/base/list.h"
#include "joblight/core/pace.h"

struct loop;

struct turn {
	struct list requests, replies; /* connections with a request to run, an answer to write */
	struct list sockets;           /* WebSockets with something to write */
	struct list left;              /* blocks of memory that are freed when the turn ends */
	uv_idle_t idle;                /* running: the next turn comes at once */
	uv_timer_t pace;               /* until the next round of a paced channel */
	struct pace pacing;            /* of the hub */
	uint64_t ended;                /* when the last turn ended */
	bool round;                    /* the hub has something to deliver */
	bool beats;                    /* more heartbeats are due than one turn sends */
};

void turn_init(struct loop *l);
void turn_begin_pacing(struct loop *l); /* in the loop's thread */
void turn_end(struct loop *l);
void turn_close(struct loop *l); /* its handles */

/* Frees a block from malloc() at the end of the turn, when no callback is using it; `block` is the
 * first member, which may be in another list until now. */
void turn_free_later(struct loop *l, struct list *block);
void turn_free_left(struct loop *l);

#endif
