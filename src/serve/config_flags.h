/* The flags of a command line. */
#ifndef JOBLIGHT_SERVE_CONFIG_FLAGS_H
#define JOBLIGHT_SERVE_CONFIG_FLAGS_H

#include "config_set.h"

/* Sets what the flags of source->config->argv say.  False: a message says what is wrong. */
bool config_flags_read(struct config_source *source);

#endif
