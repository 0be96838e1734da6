/*
 * The channels of the jobs that are watched or followed on this node, and which jobs are to be
 * compared with the database, because events may have been missed.  Thread of the bus.
 *
 * A job is followed as long as a loop has a ring of it, which is longer than it is watched: without
 * the channel, the ring would miss events, and polls would be answered from it.  The channel is
 * kept for some time after that.
 */
#ifndef JOBLIGHT_BUS_SUBSCRIPTIONS_H
#define JOBLIGHT_BUS_SUBSCRIPTIONS_H

#include "carrier.h"
#include "joblight/core/model.h"

struct subscriptions;

struct subscriptions *subscriptions_create(struct carrier *carrier, const char *prefix);
void subscriptions_free(struct subscriptions *s);

/* So many watchers of the job are on this node, and it is followed or not.  True: another number
 * of watchers than before. */
bool subscriptions_set(struct subscriptions *s, const char *job_id, unsigned count, bool followed,
                       uint64_t now_ms);
void subscriptions_tick(struct subscriptions *s, uint64_t now_ms);

/* The carrier is connected again: subscribes all. */
void subscriptions_renew(struct subscriptions *s);
/* The channel delivers from now on, so its job is to be compared.  False: it is of no job. */
bool subscriptions_confirm(struct subscriptions *s, struct slice channel);

/* All are to be compared, or this one. */
void subscriptions_doubt(struct subscriptions *s);
void subscriptions_doubt_job(struct subscriptions *s, const char *job_id);
bool subscriptions_are_doubted(const struct subscriptions *s);
/* Takes up to `max` jobs that are to be compared; their number. */
size_t subscriptions_take_doubted(struct subscriptions *s, char (*ids)[ID_MAX + 1], size_t max);

/* Calls `visit` for each job with watchers. */
void subscriptions_each(const struct subscriptions *s,
                        void (*visit)(void *context, const char *job_id, unsigned count),
                        void *context);
size_t subscriptions_count(const struct subscriptions *s);

/* Writes the name of the channel of a job. */
#define CHANNEL_MAX 320
struct slice channel_of_job(const char *prefix, const char *job_id, char out[CHANNEL_MAX]);

#endif
