#include "histogram.h"

#include <string.h>

/* Values below 64 have a bucket each; above, the top seven bits choose it. */
static unsigned bucket_of(uint64_t ns)
{
	if (ns < 64)
		return (unsigned)ns;
	unsigned shift = 57 - (unsigned)__builtin_clzll(ns);
	unsigned bucket = shift * 64 + (unsigned)(ns >> shift);
	return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static uint64_t bucket_end(unsigned bucket)
{
	if (bucket < 128)
		return bucket;
	unsigned shift = bucket / 64 - 1;
	return ((uint64_t)(bucket % 64 + 64 + 1) << shift) - 1;
}

void histogram_clear(struct histogram *h)
{
	memset(h, 0, sizeof(*h));
}

void histogram_add(struct histogram *h, uint64_t ns)
{
	h->count++;
	if (ns > h->max)
		h->max = ns;
	h->bucket[bucket_of(ns)]++;
}

uint64_t histogram_quantile(const struct histogram *h, double quantile)
{
	uint64_t wanted = (uint64_t)(quantile * (double)h->count);
	uint64_t seen = 0;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen > wanted)
			return bucket_end(i) < h->max ? bucket_end(i) : h->max;
	}
	return h->max;
}
