#include "bench_delay.h"

#include <stdlib.h>

#include "joblight/base/xalloc.h"

#define BELOW_US                                                                                   \
	100000 /* events may be received so much earlier, after their commit, than the first */
#define MS_US 1000

void delay_init(struct delay *d)
{
	*d = (struct delay){ .min_us = INT64_MIN, .max_us = INT64_MAX };
	d->cells = xcalloc(DELAY_CELLS, sizeof(*d->cells));
}

void delay_finish(struct delay *d)
{
	free(d->cells);
}

static void bound(struct delay *d, int64_t min_us, int64_t max_us)
{
	d->min_us = min_us > d->min_us ? min_us : d->min_us;
	d->max_us = max_us < d->max_us ? max_us : d->max_us;
}

void delay_add(struct delay *d, int64_t server_ms, uint64_t sent_us, uint64_t received_us)
{
	int64_t server_us = server_ms * MS_US, raw = (int64_t)received_us - server_us;

	if (!d->known)
		d->base_us = raw - BELOW_US;
	d->known = true;
	bound(d, server_us - (int64_t)received_us, server_us + MS_US - (int64_t)sent_us);
	int64_t cell = (raw - d->base_us) / DELAY_STEP_US;
	cell = cell < 0 ? 0 : cell >= DELAY_CELLS ? DELAY_CELLS - 1 : cell;
	d->cells[cell]++;
	d->count++;
}

/* The server's time has no microseconds: it is half a millisecond too early on average. */
static double cell_ms(const struct delay *d, int64_t cell)
{
	int64_t ahead_us = d->min_us / 2 + d->max_us / 2;
	int64_t us = d->base_us + (cell + 1) * DELAY_STEP_US + ahead_us - MS_US / 2;

	return us > 0 ? (double)us / MS_US : 0;
}

double delay_ms(const struct delay *d, double percent)
{
	double wanted = (double)d->count * percent / 100;
	uint64_t below = 0;

	for (int64_t cell = 0; d->count && cell < DELAY_CELLS; cell++) {
		below += d->cells[cell];
		if ((double)below >= wanted)
			return cell_ms(d, cell);
	}
	return 0;
}

double delay_error_ms(const struct delay *d)
{
	return d->known ? (double)(d->max_us - d->min_us) / 2 / MS_US : 0;
}
