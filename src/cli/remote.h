/*
 * The server that a verb asks: --url or JOBLIGHT_URL names it, and JOBLIGHT_KEY is the key that is
 * sent.  A key is not a flag, because other users of the machine can read the flags of a process.
 */
#ifndef JOBLIGHT_CLI_REMOTE_H
#define JOBLIGHT_CLI_REMOTE_H

#include "client.h"

struct remote {
	char *url; /* without a slash at its end */
	struct client *client;
};

/* The URL of the flag (NULL: it was not given) or of the environment; NULL: neither. */
const char *remote_url(const char *flag);

/* False after a message. */
bool remote_open(struct remote *r, const char *url);
void remote_close(struct remote *r);

/*
 * Sends a request.  False after a message, when there was no answer or it is an error, whose detail
 * is printed.
 */
bool remote_send(struct remote *r, const char *method, const char *path, const char *json,
                 struct buf *answer);

#endif
