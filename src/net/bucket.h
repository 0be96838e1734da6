/*
 * A token bucket in one number: the time at which it will be full again.  Taking a token moves that
 * time by the interval in which one token comes back; it is refused when the bucket would then need
 * more than its window.  (This is the generic cell rate algorithm of ATM, ITU-T I.371.)
 *
 * One number needs no lock: all loops share the bucket of a client, and take from it by
 * compare-and-swap.  It needs no timer either, and follows a changed rate at once.  A bucket that
 * is zeroed is full.  The caller passes the time, which is monotonic.
 */
#ifndef JOBLIGHT_NET_BUCKET_H
#define JOBLIGHT_NET_BUCKET_H

#include <stdatomic.h>
#include <stdint.h>

struct bucket {
	_Atomic uint64_t full_at; /* nanoseconds */
};

/* At most `quota` tokens at once, and as many in each window. */
struct rate {
	uint64_t quota; /* 0: no limit */
	uint64_t window_ms;
};

/*
 * Takes `count` tokens.  Returns 0, or after how many ms it will succeed; then nothing was taken.
 * More than the quota at once is taken from a full bucket, which is then empty for longer.
 */
uint64_t bucket_take(struct bucket *b, const struct rate *r, uint64_t count, uint64_t now_ms);

struct bucket_level {
	uint64_t left;    /* tokens */
	uint64_t full_ms; /* time until it is full */
};
struct bucket_level bucket_level(struct bucket *b, const struct rate *r, uint64_t now_ms);

#endif
