/* A small HTTP client for the verbs, based on libcurl.  One thread. */
#ifndef JOBLIGHT_CLI_CLIENT_H
#define JOBLIGHT_CLI_CLIENT_H

#include "joblight/base/buf.h"

struct client;

struct client *client_create(const char *base_url);
void client_free(struct client *c); /* NULL is fine */

/*
 * Sends JSON (NULL: no body).  Returns the HTTP status, or 0 when there was no answer; the body is
 * stored in *answer.
 */
int client_send(struct client *c, const char *method, const char *path, const char *json,
                struct buf *answer);

#endif
