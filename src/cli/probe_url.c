#include "probe_url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "joblight/base/xalloc.h"
#include "remote.h"

static size_t scheme_of(const char *text)
{
	return strncasecmp(text, "https://", 8) == 0  ? 8
	       : strncasecmp(text, "http://", 7) == 0 ? 7
	                                              : 0;
}

const char *probe_url_fault(const char *text)
{
	size_t scheme = scheme_of(text);
	const char *authority = text + scheme;

	if (!scheme)
		return "it begins with http:// or https://, such as " REMOTE_URL_DEFAULT;
	if (strpbrk(text, "?#"))
		return "leave out ? and # and what follows";
	if (strcspn(authority, "/") != strcspn(authority, "/@"))
		return "leave out the name before @; the key goes into JOBLIGHT_KEY";
	if (!strcspn(authority, "/:"))
		return "the host is missing";
	for (; *text; text++)
		if (*text <= ' ' || *text >= 0x7f)
			return "it has a character that a URL cannot have";
	return NULL;
}

/* The name or the address before the port. */
static char *host_of(const char *authority)
{
	if (authority[0] == '[')
		return xmemdup(authority + 1, strcspn(authority + 1, "]"));
	return xmemdup(authority, strcspn(authority, ":"));
}

bool probe_url_parse(struct probe_url *u, const char *text)
{
	*u = (struct probe_url){ 0 };
	size_t scheme = scheme_of(text);
	u->https = scheme == 8;
	const char *fault = probe_url_fault(text);
	if (fault) {
		fprintf(stderr, "joblight: \"%s\" is not an address: %s\n", text, fault);
		return false;
	}
	size_t len = strlen(text);
	while (text[len - 1] == '/')
		len--;
	u->text = xmemdup(text, len);
	size_t authority = strcspn(u->text + scheme, "/");
	u->authority = xmemdup(u->text + scheme, authority);
	u->path = xstrdup(u->text + scheme + authority);
	u->host = host_of(u->authority);
	return true;
}

void probe_url_finish(struct probe_url *u)
{
	free(u->text);
	free(u->authority);
	free(u->host);
	free(u->path);
}

bool probe_url_is_loopback(const struct probe_url *u)
{
	return strcasecmp(u->host, "localhost") == 0 || strncmp(u->host, "127.", 4) == 0 ||
	       strcmp(u->host, "::1") == 0;
}

/* Without the default port of the scheme. */
static size_t said_len(const struct probe_url *u, const char *authority)
{
	const char *port = u->https ? ":443" : ":80";
	size_t len = strlen(authority), port_len = strlen(port);

	if (len > port_len && strcmp(authority + len - port_len, port) == 0)
		len -= port_len;
	return len;
}

bool probe_url_is_host(const struct probe_url *u, const char *host)
{
	size_t len = said_len(u, host);

	return len == said_len(u, u->authority) && strncasecmp(host, u->authority, len) == 0;
}
