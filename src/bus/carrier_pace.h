/*
 * The times of a carrier: when it tries again after a failure, when it sends a probe, and when a
 * connection that says nothing counts as lost.  A probe is a message to itself.
 *
 * Times are those of the carrier's uv loop, in ms.
 */
#ifndef JOBLIGHT_BUS_CARRIER_PACE_H
#define JOBLIGHT_BUS_CARRIER_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "joblight/base/random.h"

#define CARRIER_TICK_MS 250
#define CARRIER_PROBE_MS 500    /* between two probes */
#define CARRIER_SILENT_MS 2000  /* without a byte while one is due: the connection is dead */
#define CARRIER_LOST_MS 10000   /* without the probe, though other bytes come */
#define CARRIER_RETRY_MIN_MS 50 /* the first pause after a failure; it doubles */
#define CARRIER_RETRY_MAX_MS 1500

/* `{0}` is one that was never connected. */
struct carrier_pace {
	uint64_t retry_ms;  /* after a failure: when to try again */
	uint64_t pause_ms;  /* the last pause, before a random part of it was left out; 0: none */
	uint64_t probed_ms; /* when the last probe was sent */
	uint64_t waits_ms;  /* since when a probe is missing; 0: none is */
	uint64_t ticked_ms; /* the last tick; 0: there was none */
};

/* ---- when to try again ---- */

/* Half of the pause is random, so that many nodes do not come back at the same moment. */
static inline void carrier_pace_failed(struct carrier_pace *p, uint64_t now)
{
	uint64_t pause = p->pause_ms ? p->pause_ms * 2 : CARRIER_RETRY_MIN_MS;

	p->pause_ms = pause < CARRIER_RETRY_MAX_MS ? pause : CARRIER_RETRY_MAX_MS;
	p->retry_ms = now + p->pause_ms / 2 + random_u64() % (p->pause_ms / 2 + 1);
	p->waits_ms = 0;
}

/* For how long it still pauses. */
static inline uint64_t carrier_pace_left(const struct carrier_pace *p, uint64_t now)
{
	return p->retry_ms > now ? p->retry_ms - now : 0;
}

/* The first probe has returned. */
static inline void carrier_pace_connected(struct carrier_pace *p)
{
	p->pause_ms = 0;
}

/* ---- probes ---- */

static inline void carrier_pace_probe_sent(struct carrier_pace *p, uint64_t now)
{
	p->probed_ms = now;
	if (!p->waits_ms)
		p->waits_ms = now;
}

static inline void carrier_pace_probe_returned(struct carrier_pace *p)
{
	p->waits_ms = 0;
}

static inline bool carrier_pace_probe_is_due(const struct carrier_pace *p, uint64_t now)
{
	return now - p->probed_ms >= CARRIER_PROBE_MS;
}

/* ---- silence ---- */

/* A connection on which the last byte came then has been silent for too long. */
static inline bool carrier_pace_is_silent(const struct carrier_pace *p, uint64_t heard_ms,
                                          uint64_t now)
{
	uint64_t last = heard_ms > p->waits_ms ? heard_ms : p->waits_ms;

	return p->waits_ms && now - last >= CARRIER_SILENT_MS;
}

/* The probe is missing for so long that it will not return, whatever else comes. */
static inline bool carrier_pace_is_lost(const struct carrier_pace *p, uint64_t now)
{
	return p->waits_ms && now - p->waits_ms >= CARRIER_LOST_MS;
}

/*
 * Each tick.  True: the process itself was stopped for some time, and nothing that it did not hear
 * is missing.  The probe is waited for from now on, and so is what the caller waits for.
 */
static inline bool carrier_pace_tick(struct carrier_pace *p, uint64_t now)
{
	bool was_stopped = p->ticked_ms && now - p->ticked_ms > CARRIER_SILENT_MS / 2;

	p->ticked_ms = now;
	if (was_stopped && p->waits_ms)
		p->waits_ms = now;
	return was_stopped;
}

#endif
