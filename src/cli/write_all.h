/* Writes to a descriptor, which may be non-blocking, until all is written. */
#ifndef JOBLIGHT_CLI_WRITE_ALL_H
#define JOBLIGHT_CLI_WRITE_ALL_H

#include <stdbool.h>
#include <stddef.h>

bool write_all(int fd, const char *bytes, size_t len); /* false: errno says why */

#endif
