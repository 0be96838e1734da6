/*
 * The end of a turn of a loop, outside of all callbacks of libwebsockets: runs requests, writes
 * answers, and makes a round of the hub.  If more is left, the next turn starts at once.
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
	struct list requests, replies; /* connections with a request to run or an answer to write */
	struct list sockets;           /* WebSockets with something to write */
	struct list left;              /* memory blocks to free at the end of the turn */
	uv_idle_t idle;                /* runs if the next turn must start at once */
	uv_timer_t pace;               /* runs until the next round of a paced channel */
	struct pace pacing;            /* state of the hub's pacing */
	uint64_t ended;                /* when the last turn ended */
	bool round;                    /* the hub has events to deliver */
	bool beats;                    /* more heartbeats are due than one turn sends */
};

void turn_init(struct loop *l);
void turn_begin_pacing(struct loop *l); /* call it in the loop's thread */
void turn_end(struct loop *l);
void turn_count(struct loop *l); /* adds what it has sent to the metrics */
void turn_close(struct loop *l); /* closes its handles */

/*
 * Frees a block from malloc() at the end of the turn, when no callback uses it any more.  `block`
 * is the first member of the block, and may be linked in another list.
 */
void turn_free_later(struct loop *l, struct list *block);
void turn_free_left(struct loop *l);

#endif
