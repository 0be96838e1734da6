/* The URL of a Redis: redis://[USER[:PASSWORD]@]HOST[:PORT][/], or rediss://, with TLS.  Its
 * messages never have a part of it that may be a password. */
#ifndef JOBLIGHT_BUS_REDIS_URL_H
#define JOBLIGHT_BUS_REDIS_URL_H

#include <stdbool.h>
#include <stddef.h>

struct redis_url {
	bool tls;
	char host[256], port[6];
	char *user, *password; /* NULL: none; owned */
};

/* `password` is used instead of the one in the URL; NULL: that one.  False: `error` says what to
 * change.  Free it with redis_url_finish() in either case. */
bool redis_url_parse(struct redis_url *url, const char *text, const char *password, char *error,
                     size_t error_len);
void redis_url_finish(struct redis_url *url);

#endif
