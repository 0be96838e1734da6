/* The configuration of the helper: the first frame (joblight/base/send_wire.h). */
#ifndef JOBLIGHT_SEND_OPTIONS_H
#define JOBLIGHT_SEND_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "joblight/base/slice.h"
#include "networks.h"

struct options {
	char *url, *headers, *ca; /* owned; NULL: not given */
	struct networks allowed;
};

/*
 * Reads the configuration, and tries what can be tried without the network.  False: `error` says
 * what to change.  The caller ends with options_finish().
 */
bool options_read(struct options *o, struct slice json, char *error, size_t error_len);
void options_finish(struct options *o);

#endif
