/* Tests the checker: streams with known faults are parsed, and every fault must be counted. */
#ifndef BENCH_SELFTEST_H
#define BENCH_SELFTEST_H

#include <stdbool.h>

/* Prints one line per case; true when all came out as they must. */
bool selftest_run(void);

/* Its parts that have files of their own. */
bool selftest_returns(void); /* connections cut and brought back */
bool selftest_acks(void);    /* what publishers receive over WebSocket */

#endif
