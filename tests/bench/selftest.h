/* The checker checked: streams with known faults go through the whole reading end, and every fault
 * must be counted. */
#ifndef BENCH_SELFTEST_H
#define BENCH_SELFTEST_H

#include <stdbool.h>

/* Prints one line per case; true when all came out as they must. */
bool selftest_run(void);

#endif
