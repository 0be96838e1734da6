/* The result of a run: one line of JSON. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>

#include "load.h"

/* Returns whether the run was clean. */
bool report_print(const struct load *load);

#endif
