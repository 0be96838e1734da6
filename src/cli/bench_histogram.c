#include "bench_histogram.h"

/* Times below HISTOGRAM_STEPS have a cell each; then each power of two has HISTOGRAM_STEPS. */
static unsigned cell_of(uint64_t us)
{
	unsigned shift = 0;

	while (us >> shift >= 2 * HISTOGRAM_STEPS)
		shift++;
	uint64_t cell = (uint64_t)shift * HISTOGRAM_STEPS + (us >> shift);
	return cell < HISTOGRAM_CELLS ? (unsigned)cell : HISTOGRAM_CELLS - 1;
}

/* The largest time of a cell. */
static uint64_t top_of(unsigned cell)
{
	unsigned shift = cell < 2 * HISTOGRAM_STEPS ? 0 : cell / HISTOGRAM_STEPS - 1;

	return ((uint64_t)(cell - shift * HISTOGRAM_STEPS + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t us)
{
	h->cells[cell_of(us)]++;
	h->count++;
}

double histogram_ms(const struct histogram *h, double percent)
{
	double wanted = (double)h->count * percent / 100;
	uint64_t below = 0;

	if (!h->count)
		return 0;
	for (unsigned i = 0; i < HISTOGRAM_CELLS; i++) {
		below += h->cells[i];
		if ((double)below >= wanted)
			return (double)top_of(i) / 1000;
	}
	return 0;
}
