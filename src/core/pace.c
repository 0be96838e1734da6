#include "joblight/core/pace.h"

#define DEMAND_LOW 0.5
#define DEMAND_HIGH 0.9

/* A rising demand has more weight than a falling one, because a pause that begins too late costs
 * the loop the time for everything else. */
#define WEIGHT_RISING 0.5
#define WEIGHT_FALLING 0.1

void pace_init(struct pace *p, uint64_t max_ms, const struct pace_sample *now)
{
	*p = (struct pace){ .last = *now, .max_ms = max_ms };
}

bool pace_is_due(const struct pace *p, uint64_t wall_us)
{
	return wall_us >= p->last.wall_us + PACE_SAMPLE_MS * 1000;
}

static double demand(const struct pace_sample *a, const struct pace_sample *b)
{
	double share = (double)(b->cpu_us - a->cpu_us) / (double)(b->wall_us - a->wall_us);
	uint64_t events = b->events - a->events, writes = b->writes - a->writes;

	return writes && events > writes ? share * (double)events / (double)writes : share;
}

uint64_t pace_take(struct pace *p, const struct pace_sample *now)
{
	if (now->wall_us <= p->last.wall_us)
		return p->ms;
	double latest = demand(&p->last, now);
	p->demand += (latest - p->demand) * (latest > p->demand ? WEIGHT_RISING : WEIGHT_FALLING);
	p->last = *now;
	double part = (p->demand - DEMAND_LOW) / (DEMAND_HIGH - DEMAND_LOW);
	p->ms = part <= 0 ? 0 : part >= 1 ? p->max_ms : (uint64_t)(part * (double)p->max_ms + 0.5);
	return p->ms;
}
