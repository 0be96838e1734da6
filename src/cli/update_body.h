/* The body of an update of a task, from the arguments of `joblight report`. */
#ifndef JOBLIGHT_CLI_UPDATE_BODY_H
#define JOBLIGHT_CLI_UPDATE_BODY_H

#include "arguments.h"
#include "joblight/base/buf.h"

#define NOTE_INPUT_MAX (16u << 20) /* bytes of --note -; the server has a limit of its own */

/* Appends the JSON.  Returns EXIT_OK, or an exit status after a message. */
int update_body_make(struct buf *json, const struct arguments *a);

#endif
