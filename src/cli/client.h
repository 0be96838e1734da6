/* A small HTTP client for the verbs, based on libcurl.  One thread. */
#ifndef JOBLIGHT_CLI_CLIENT_H
#define JOBLIGHT_CLI_CLIENT_H

#include "joblight/base/buf.h"

struct client;

/* `key` is sent with each request; NULL: none.  NULL, after a message: libcurl cannot be loaded. */
struct client *client_create(const char *base_url, const char *key);
void client_free(struct client *c); /* NULL is fine */

/*
 * Sends JSON (NULL: no body).  Returns the HTTP status, or 0 when there was no answer; the body is
 * stored in *answer.
 */
int client_send(struct client *c, const char *method, const char *path, const char *json,
                struct buf *answer);
/* Why the last request got no answer; "" when it got one. */
const char *client_error(const struct client *c);

#endif
