/* Seeded choices: the same seed makes the same schedule, everywhere (SplitMix64). */
#ifndef JOBLIGHT_TESTS_DICE_H
#define JOBLIGHT_TESTS_DICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dice {
	uint64_t state;
};

static inline uint64_t dice_next(struct dice *d)
{
	uint64_t z = (d->state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* 0 .. bound - 1 */
static inline uint64_t dice_below(struct dice *d, uint64_t bound)
{
	return dice_next(d) % bound;
}

/* least .. most */
static inline uint64_t dice_between(struct dice *d, uint64_t least, uint64_t most)
{
	return least + dice_below(d, most - least + 1);
}

static inline bool dice_chance(struct dice *d, unsigned percent)
{
	return dice_below(d, 100) < percent;
}

static inline uint64_t dice_pick(struct dice *d, const uint64_t *values, size_t count)
{
	return values[dice_below(d, count)];
}

#define DICE_PICK(dice, ...)                                                                       \
	dice_pick((dice), (const uint64_t[]){ __VA_ARGS__ },                                       \
	          sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t))

#endif
