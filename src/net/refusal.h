/*
 * A refusal of a stream because of load or rate, in a form after which an EventSource reconnects;
 * after a 503 or 429 it never does.  It gets a 200 with the time after which to reconnect and an
 * event with the reason, and then the response ends.
 *
 *      retry: 9137
 *
 *      event: refused
 *      data: {"code":"overloaded","status":503,"retryAfterMs":9137}
 *
 * One per loop, used in its thread only.
 */
#ifndef JOBLIGHT_NET_REFUSAL_H
#define JOBLIGHT_NET_REFUSAL_H

#include "joblight/base/buf.h"
#include "joblight/core/outcome.h"

#define EVENT_STREAM "text/event-stream; charset=utf-8"
/* `Incremental` is from RFC 10036. */
#define EVENT_STREAM_HEADERS                                                                       \
	"Cache-Control: no-store, no-transform\r\n"                                                \
	"X-Accel-Buffering: no\r\n"                                                                \
	"Incremental: ?1\r\n"

/* The number of recent refusals. */
struct refusals {
	uint64_t recent; /* halved every REFUSALS_HALVED_MS */
	uint64_t since;
};

#define REFUSALS_MIN_MS 5000
#define REFUSALS_MAX_MS 15000
#define REFUSALS_HALVED_MS 10000
#define REFUSALS_DOUBLE                                                                            \
	4000 /* this many recent refusals double the wait, twice as many triple it */
#define REFUSALS_LIMIT_MS 120000
#define STOPPING_MIN_MS 2000
#define STOPPING_MAX_MS 4000

/*
 * Counts one more refusal.  Returns the time in ms after which the client may come back.  It is
 * random, and grows with the number of recent refusals.
 */
unsigned refusals_wait_ms(struct refusals *r, uint64_t now_ms);
/* The same if the server stops: another one, or the next process, takes the client soon.  It is
 * random, so that not all come back at once. */
unsigned refusal_stopping_ms(void);

/*
 * Whether to refuse with the event: `accept` (the Accept header) names text/event-stream, and the
 * outcome is a 503 or 429.
 */
bool refusal_is_event(struct slice accept, enum outcome o);
void refusal_encode(struct buf *out, enum outcome o, unsigned wait_ms);

#endif
