/* Parses the messages that a subscriber receives, and gives the events to the check. */
#ifndef BENCH_HEARING_H
#define BENCH_HEARING_H

#include <stddef.h>

#include "stream.h"

/* The function of a sink; the owner is a struct subscriber. */
void hearing_message(void *owner, enum message kind, const char *data, size_t len);

#endif
