/* The address of a server, in its parts. */
#ifndef JOBLIGHT_CLI_PROBE_URL_H
#define JOBLIGHT_CLI_PROBE_URL_H

#include <stdbool.h>

struct probe_url {
	char *text;      /* without a slash at its end */
	bool https;      /* otherwise http */
	char *authority; /* HOST or HOST:PORT */
	char *host;      /* without the brackets of an IPv6 address */
	char *path;      /* "" or "/a/b" */
};

/* What is wrong with an address; NULL: nothing. */
const char *probe_url_fault(const char *text);
/* False: a message on stderr says what is wrong.  probe_url_finish() is needed in both cases. */
bool probe_url_parse(struct probe_url *u, const char *text);
void probe_url_finish(struct probe_url *u);
bool probe_url_is_loopback(const struct probe_url *u);
/* Whether a Host names the same server, with or without the default port. */
bool probe_url_is_host(const struct probe_url *u, const char *host);

#endif
