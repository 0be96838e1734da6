#include "check.h"

#include <stdlib.h>
#include <string.h>

/* Holes seen so far, so that a late comer is told from a repetition. Only faulty servers get here;
 * when the table is full, late comers are counted as repetitions of events that stay lost: still a
 * failed run. */
#define HOLES 4096

struct hole {
	const struct track *track;
	uint32_t from, to; /* missing: from .. to-1 */
};

struct check {
	uint32_t jobs;
	uint32_t lanes_each; /* publishers per job, rounded up */
	uint32_t publishers;
	struct track *seqs;  /* one per subscriber; next 0 = the server does not number */
	struct track *lanes; /* lanes_each per subscriber */
	struct verdict by_seq, by_lane;
	uint64_t misrouted;
	struct hole holes[HOLES];
	uint32_t hole_count;
};

struct check *check_create(uint32_t subscribers, uint32_t publishers, uint32_t jobs)
{
	struct check *check = calloc(1, sizeof(*check));
	if (!check)
		abort();
	check->jobs = jobs;
	check->publishers = publishers;
	check->lanes_each = (publishers + jobs - 1) / jobs;
	size_t lanes = (size_t)subscribers * check->lanes_each;
	check->seqs = calloc((size_t)subscribers + 1, sizeof(*check->seqs));
	check->lanes = calloc(lanes + 1, sizeof(*check->lanes));
	if (!check->seqs || !check->lanes)
		abort();
	for (size_t i = 0; i < lanes; i++)
		check->lanes[i].next = 1;
	return check;
}

void check_destroy(struct check *check)
{
	if (!check)
		return;
	free(check->seqs);
	free(check->lanes);
	free(check);
}

static void hole_add(struct check *check, const struct track *track, uint32_t from, uint32_t to)
{
	if (from < to && check->hole_count < HOLES)
		check->holes[check->hole_count++] = (struct hole){ track, from, to };
}

/* Takes `number` out of the holes of this track; false when it was not missing. */
static bool hole_fill(struct check *check, const struct track *track, uint32_t number)
{
	for (uint32_t i = 0; i < check->hole_count; i++) {
		struct hole hole = check->holes[i];
		if (hole.track != track || number < hole.from || number >= hole.to)
			continue;
		check->holes[i] = check->holes[--check->hole_count];
		hole_add(check, track, hole.from, number);
		hole_add(check, track, number + 1, hole.to);
		return true;
	}
	return false;
}

static void track_fault(struct check *check, struct track *track, uint32_t number,
                        struct verdict *verdict)
{
	if (number > track->next) {
		verdict->lost += number - track->next;
		hole_add(check, track, track->next, number);
		track->next = number + 1;
	} else if (hole_fill(check, track, number)) {
		verdict->lost--;
		verdict->out_of_order++;
	} else {
		verdict->twice++;
	}
}

static inline void track_see(struct check *check, struct track *track, uint32_t number,
                             struct verdict *verdict)
{
	if (number == track->next)
		track->next++;
	else
		track_fault(check, track, number, verdict);
}

void check_start(struct check *check, uint32_t subscriber, uint64_t seq)
{
	check->seqs[subscriber].next = (uint32_t)seq;
}

void check_other(struct check *check, uint32_t subscriber, uint64_t seq)
{
	track_see(check, &check->seqs[subscriber], (uint32_t)seq, &check->by_seq);
}

uint64_t check_position(const struct check *check, uint32_t subscriber)
{
	return check->seqs[subscriber].next - 1;
}

/* The lane of the stamp's publisher on this connection; NULL when it does not write to this job. */
static struct track *lane_of(struct check *check, uint32_t subscriber, uint32_t job,
                             const struct stamp *stamp)
{
	if (stamp->job != job || stamp->publisher >= check->publishers ||
	    stamp->publisher % check->jobs != job)
		return NULL;
	return &check->lanes[(size_t)subscriber * check->lanes_each +
	                     stamp->publisher / check->jobs];
}

void check_fold(struct check *check, uint32_t subscriber, uint32_t job, const struct stamp *stamp)
{
	struct track *lane = lane_of(check, subscriber, job, stamp);
	if (lane)
		lane->next = stamp->counter + 1;
	else
		check->misrouted++;
}

void check_event(struct check *check, uint32_t subscriber, uint32_t job, uint64_t seq,
                 const struct stamp *stamp)
{
	struct track *lane = lane_of(check, subscriber, job, stamp);
	if (!lane) {
		check->misrouted++;
		return;
	}
	track_see(check, lane, stamp->counter, &check->by_lane);
	if (seq)
		track_see(check, &check->seqs[subscriber], (uint32_t)seq, &check->by_seq);
}

/* The total order needs no end of its own: an event missing at the end is missing on its lane. */
void check_end(struct check *check, uint32_t subscriber, uint32_t job, const uint32_t *committed)
{
	for (uint32_t lane = 0; lane < check->lanes_each; lane++) {
		uint32_t publisher = lane * check->jobs + job;
		const struct track *track =
		    &check->lanes[(size_t)subscriber * check->lanes_each + lane];
		if (job < check->jobs && publisher < check->publishers &&
		    committed[publisher] >= track->next)
			check->by_lane.lost += committed[publisher] + 1 - track->next;
	}
}

static uint64_t worse(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

struct verdict check_verdict(const struct check *check)
{
	return (struct verdict){
		.lost = worse(check->by_seq.lost, check->by_lane.lost),
		.twice = worse(check->by_seq.twice, check->by_lane.twice),
		.out_of_order = worse(check->by_seq.out_of_order, check->by_lane.out_of_order),
		.misrouted = check->misrouted,
	};
}

bool verdict_clean(const struct verdict *verdict)
{
	return !(verdict->lost | verdict->twice | verdict->out_of_order | verdict->misrouted);
}
