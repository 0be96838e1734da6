/*
 * The path below which a server is reached, if a proxy gives it only a part of a host: "/joblight"
 * for https://example/joblight/.  Requests may come with it, or without it if the proxy has removed
 * it. Pure functions; any thread.
 */
#ifndef JOBLIGHT_API_BASE_PATH_H
#define JOBLIGHT_API_BASE_PATH_H

#include "joblight/base/slice.h"

#define BASE_PATH_MAX 128 /* bytes */

/*
 * Copies it without the slash at its end: "" for "/".  Returns NULL, or what is wrong with it and
 * what to change.
 */
const char *base_path_read(struct slice text, char path[BASE_PATH_MAX + 1]);

/* Its first segment, which must not be a path of the server itself; empty for "". */
struct slice base_path_first(const char *path);

#endif
