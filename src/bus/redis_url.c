#include "redis_url.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/slice.h"
#include "joblight/base/xalloc.h"

#define DEFAULT_PORT "6379"

static bool fail(char *error, size_t error_len, const char *why)
{
	snprintf(error, error_len, "--bus: %s", why);
	return false;
}

static bool starts_with(struct slice s, const char *start)
{
	return s.len >= strlen(start) && memcmp(s.ptr, start, strlen(start)) == 0;
}

static struct slice after(struct slice s, const char *at)
{
	return (struct slice){ at, (size_t)(s.ptr + s.len - at) };
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Returns the decoded text, or NULL when it has a character that must be percent-encoded. */
static char *decode(struct slice s)
{
	char *text = xcalloc(1, s.len + 1), *out = text;

	for (size_t i = 0; i < s.len; i++) {
		int high = 0, low = 0;
		if (strchr("@:/?#", s.ptr[i]))
			break;
		if (s.ptr[i] != '%') {
			*out++ = s.ptr[i];
		} else if (i + 2 < s.len && (high = hex_digit(s.ptr[i + 1])) >= 0 &&
		           (low = hex_digit(s.ptr[i + 2])) >= 0 && high + low) {
			*out++ = (char)(high << 4 | low);
			i += 2;
		} else {
			break;
		}
		if (i + 1 == s.len)
			return text;
	}
	if (!s.len)
		return text;
	free(text);
	return NULL;
}

/* USER, USER:PASSWORD or :PASSWORD. */
static bool parse_user(struct redis_url *url, struct slice s)
{
	const char *colon = memchr(s.ptr, ':', s.len);
	struct slice user = colon ? (struct slice){ s.ptr, (size_t)(colon - s.ptr) } : s;

	if (user.len && !(url->user = decode(user)))
		return false;
	if (!colon || colon + 1 == s.ptr + s.len)
		return true;
	return (url->password = decode(after(s, colon + 1))) != NULL;
}

static bool parse_port(struct redis_url *url, struct slice s)
{
	uint64_t port;

	if (!slice_number(s, 5, &port) || port < 1 || port > 65535)
		return false;
	snprintf(url->port, sizeof(url->port), "%u", (unsigned)port);
	return true;
}

static bool take_host(struct redis_url *url, struct slice s)
{
	if (!s.len || s.len >= sizeof(url->host) || s.ptr[0] == '.')
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!isalnum((unsigned char)s.ptr[i]) && !strchr("._-:", s.ptr[i]))
			return false;
	memcpy(url->host, s.ptr, s.len);
	url->host[s.len] = '\0';
	return true;
}

/* HOST, HOST:PORT, [IPV6] or [IPV6]:PORT. */
static bool parse_host(struct redis_url *url, struct slice s)
{
	bool literal = s.len && s.ptr[0] == '[';
	const char *end = memchr(s.ptr, literal ? ']' : ':', s.len);
	struct slice host = { s.ptr, end ? (size_t)(end - s.ptr) : s.len }, rest = { 0 };

	if (literal && !end)
		return false;
	if (literal)
		host = (struct slice){ s.ptr + 1, host.len - 1 };
	if (end)
		rest = after(s, literal ? end + 1 : end);
	memcpy(url->port, DEFAULT_PORT, sizeof(DEFAULT_PORT));
	if (!take_host(url, host))
		return false;
	return !rest.len || (rest.ptr[0] == ':' && parse_port(url, after(rest, rest.ptr + 1)));
}

/* A database after the slash does not matter: channels belong to none. */
static bool is_path(struct slice s)
{
	uint64_t number;

	return s.len < 2 || slice_number(after(s, s.ptr + 1), 5, &number);
}

/* The last @ ends the user, so that nothing of a password becomes a part of the host. */
static bool parse_rest(struct redis_url *url, struct slice s, char *error, size_t error_len)
{
	const char *at = memrchr(s.ptr, '@', s.len);
	struct slice host = at ? after(s, at + 1) : s;
	const char *slash = memchr(host.ptr, '/', host.len);
	struct slice path = slash ? after(host, slash) : (struct slice){ 0 };

	if (at && !parse_user(url, (struct slice){ s.ptr, (size_t)(at - s.ptr) }))
		return fail(error, error_len,
		            "the user or the password has a character that must be written as % "
		            "and two digits: %40 for @, %3A for :, %2F for /, %25 for %, %3F for "
		            "?, %23 for #");
	if (!is_path(path) || !parse_host(url, (struct slice){ host.ptr, host.len - path.len }))
		return fail(error, error_len,
		            "the URL must be redis://[USER[:PASSWORD]@]HOST[:PORT]");
	return true;
}

bool redis_url_parse(struct redis_url *url, const char *text, const char *password, char *error,
                     size_t error_len)
{
	struct slice s = slice_of(text);

	*url = (struct redis_url){ .tls = starts_with(s, "rediss://") };
	if (!url->tls && !starts_with(s, "redis://"))
		return fail(error, error_len, "the URL must begin with redis:// or rediss://");
	if (!parse_rest(url, after(s, strstr(s.ptr, "://") + 3), error, error_len))
		return false;
	if (password) {
		free(url->password);
		url->password = xstrdup(password);
	}
	return !(url->user && !url->password) ||
	       fail(error, error_len,
	            "there is a user and no password; give USER:PASSWORD, :PASSWORD, or "
	            "--bus-password");
}

void redis_url_finish(struct redis_url *url)
{
	free(url->user);
	free(url->password);
	*url = (struct redis_url){ 0 };
}
