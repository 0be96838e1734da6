/* What limits a bench before it begins. */
#ifndef JOBLIGHT_CLI_BENCH_LIMITS_H
#define JOBLIGHT_CLI_BENCH_LIMITS_H

#include "bench.h"

/* Raises the limit of descriptors as far as it goes.  False, after a message, if that is not
 * enough. */
bool bench_take_descriptors(const struct bench_options *o);
/*
 * Reads the rights of the key, and asks the server how many connections it takes.  Returns EXIT_OK,
 * or an exit status after a message.
 */
int bench_ask_server(struct bench *b);

#endif
