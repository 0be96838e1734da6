/* The Accept header: RFC 9110 section 12.5.1. */
#ifndef JOBLIGHT_NET_ACCEPT_H
#define JOBLIGHT_NET_ACCEPT_H

#include "joblight/base/slice.h"

/* The header names this media type itself, whatever its weight; a range with a star does not. */
bool accept_names(struct slice accept, const char *media_type);

#endif
