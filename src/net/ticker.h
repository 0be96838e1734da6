/* The periodic work of a loop: deadlines, heartbeats, presence, returning memory. */
#ifndef JOBLIGHT_NET_TICKER_H
#define JOBLIGHT_NET_TICKER_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct loop;

struct ticker {
	uv_timer_t timer;
	size_t seen_count; /* connections at the last check of memory */
	uint64_t trim_due;
	uint64_t still_until; /* after a standstill no client is late until then */
};

void ticker_start(struct loop *l);
void ticker_set_period(struct loop *l); /* after its limits changed */
void ticker_close(struct loop *l);      /* closes its handle */

#endif
