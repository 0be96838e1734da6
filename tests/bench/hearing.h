/* What a subscriber hears: messages are understood, and events given to the check. */
#ifndef BENCH_HEARING_H
#define BENCH_HEARING_H

#include <stddef.h>

#include "stream.h"

/* A sink's message; the owner is a struct subscriber. */
void hearing_message(void *owner, enum message kind, const char *data, size_t len);

#endif
