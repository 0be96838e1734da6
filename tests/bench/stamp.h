/* The stamp that a publisher writes into the note of an update, and that every reader finds again.
 *
 *   ~jl~ JJJJ PPPP CCCCCCCC TTTTTTTTTTTTTTTT      (without the spaces, lower-case hex)
 *
 * job, publisher, the publisher's own counter from 1, CLOCK_MONOTONIC nanoseconds. The width is
 * fixed, so that a prepared request is changed in place and a reader needs no JSON parser. */
#ifndef BENCH_STAMP_H
#define BENCH_STAMP_H

#include <stdbool.h>
#include <stdint.h>

#define STAMP_MARK "~jl~"
#define STAMP_MARK_LEN 4
#define STAMP_LEN 36

struct stamp {
	uint32_t job;
	uint32_t publisher;
	uint32_t counter;
	uint64_t time_ns;
};

void stamp_write(char *out, const struct stamp *stamp);

/* `in` points at the mark and has STAMP_LEN bytes. False when a digit is not one. */
bool stamp_read(const char *in, struct stamp *stamp);

/* `width` hex digits, most significant first. */
void hex_write(char *out, uint64_t value, int width);

#endif
