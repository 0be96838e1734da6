/* FROM and TO of `joblight db copy`. */
#ifndef JOBLIGHT_SERVE_COPY_PLACE_H
#define JOBLIGHT_SERVE_COPY_PLACE_H

#include "joblight/base/buf.h"

/*
 * Appends the location that `text` stands for: itself, or for "@FILE" the first line of the file,
 * because the command line is seen by every user of the machine.  False after a message, without a
 * password: it cannot be read, or has a password in the command line.
 */
bool copy_place_read(const char *text, struct buf *location);

#endif
