#include "joblight/api/origin.h"

#include <arpa/inet.h>
#include <strings.h>

/* The parts of HOST or HOST:PORT; [V6] keeps its brackets. */
struct authority {
	struct slice host, port;
};

static bool same_text(struct slice a, struct slice b)
{
	return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

static bool is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool origin_host_valid(struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!is_alphanumeric(name.ptr[i]) && !strchr("-._", name.ptr[i]))
			return false;
	return name.len > 0 && name.len <= 253;
}

static bool is_address(int family, struct slice text)
{
	unsigned char address[sizeof(struct in6_addr)];
	char copy[INET6_ADDRSTRLEN];

	if (text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	return strlen(copy) == text.len && inet_pton(family, copy, address) == 1;
}

/* [V6] */
static bool is_bracketed(struct slice host)
{
	return host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']' &&
	       is_address(AF_INET6, (struct slice){ host.ptr + 1, host.len - 2 });
}

static bool port_valid(struct slice port)
{
	unsigned number = 0;

	for (size_t i = 0; i < port.len; i++) {
		if (port.ptr[i] < '0' || port.ptr[i] > '9' || i == 5)
			return false;
		number = number * 10 + (unsigned)(port.ptr[i] - '0');
	}
	return number <= 65535;
}

static bool split(struct slice text, struct authority *a)
{
	const char *bracket = memchr(text.ptr, ']', text.len);
	const char *from = bracket ? bracket : text.ptr;
	const char *colon = memchr(from, ':', (size_t)(text.ptr + text.len - from));
	const char *end = text.ptr + text.len;

	a->host = (struct slice){ text.ptr, (size_t)((colon ? colon : end) - text.ptr) };
	a->port = (struct slice){ colon ? colon + 1 : end, colon ? (size_t)(end - colon - 1) : 0 };
	return (is_bracketed(a->host) || origin_host_valid(a->host)) && port_valid(a->port);
}

/* A name may end in a dot, which stands for the root. */
static struct slice without_dot(struct slice name)
{
	if (name.len > 1 && name.ptr[name.len - 1] == '.')
		name.len--;
	return name;
}

static bool is_localhost(struct slice name)
{
	static const struct slice localhost = { "localhost", 9 };

	if (same_text(name, localhost))
		return true;
	if (name.len <= localhost.len + 1)
		return false;
	struct slice end = { name.ptr + name.len - localhost.len, localhost.len };
	return end.ptr[-1] == '.' && same_text(end, localhost);
}

bool origin_serves_host(const struct slices *names, struct slice host)
{
	struct authority a;

	if (!split(host, &a))
		return false;
	struct slice name = without_dot(a.host);
	if (is_bracketed(a.host) || is_address(AF_INET, name) || is_localhost(name))
		return true;
	for (size_t i = 0; i < names->count; i++)
		if (same_text(name, without_dot(names->items[i])))
			return true;
	return false;
}

/* 127.0.0.0/8 is loopback: RFC 6890 section 2.2.2. */
static bool is_loopback_v4(struct slice name)
{
	return is_address(AF_INET, name) && name.len > 4 && memcmp(name.ptr, "127.", 4) == 0;
}

bool origin_host_is_loopback(struct slice host)
{
	struct authority a;

	if (!host.len || !split(host, &a))
		return false;
	struct slice name = without_dot(a.host);
	return is_localhost(name) || is_loopback_v4(name) || slice_is(name, "[::1]");
}

static bool split_origin(struct slice origin, struct slice *scheme, struct authority *a)
{
	const char *at = origin.len ? memmem(origin.ptr, origin.len, "://", 3) : NULL;

	if (!at || at == origin.ptr)
		return false;
	*scheme = (struct slice){ origin.ptr, (size_t)(at - origin.ptr) };
	for (size_t i = 0; i < scheme->len; i++)
		if (!is_alphanumeric(scheme->ptr[i]) && !strchr("+-.", scheme->ptr[i]))
			return false;
	return split((struct slice){ at + 3, origin.len - scheme->len - 3 }, a);
}

bool origin_valid(struct slice origin)
{
	struct slice scheme;
	struct authority a;

	return slice_is(origin, "*") || split_origin(origin, &scheme, &a);
}

static bool has_any(struct slice text, const char *bytes)
{
	for (size_t i = 0; i < text.len; i++)
		if (strchr(bytes, text.ptr[i]))
			return true;
	return false;
}

const char *origin_fault(struct slice origin)
{
	const char *at = origin.len ? memmem(origin.ptr, origin.len, "://", 3) : NULL;

	if (slice_is(origin, "null"))
		return "\"null\" is the origin of every page without one, such as a local file, so "
		       "it "
		       "cannot be listed";
	if (has_any(origin, "*"))
		return "\"*\" stands alone and lets pages of any origin read; list the origins "
		       "that "
		       "may write one by one";
	if (!at)
		return "an origin begins with its scheme, such as https://";
	struct slice rest = { at + 3, (size_t)(origin.ptr + origin.len - at) - 3 };
	if (has_any(rest, "/?#"))
		return "an origin ends with the host or the port: leave out the path, also a "
		       "single /";
	return "an origin is SCHEME://HOST or SCHEME://HOST:PORT, as the browser sends it";
}

/* The default port of a scheme may be left out. */
static struct slice said_port(struct slice scheme, struct slice port)
{
	if ((same_text(scheme, SLICE("http")) && slice_is(port, "80")) ||
	    (same_text(scheme, SLICE("https")) && slice_is(port, "443")))
		port.len = 0;
	return port;
}

static bool same_authority(struct slice scheme, const struct authority *a,
                           const struct authority *b)
{
	return same_text(a->host, b->host) &&
	       same_text(said_port(scheme, a->port), said_port(scheme, b->port));
}

bool origin_is_of_host(struct slice origin, struct slice host)
{
	struct authority of_origin, of_host;
	struct slice scheme;

	return split_origin(origin, &scheme, &of_origin) && split(host, &of_host) &&
	       (same_text(scheme, SLICE("http")) || same_text(scheme, SLICE("https"))) &&
	       same_authority(scheme, &of_origin, &of_host);
}

bool origin_is_listed(const struct slices *origins, struct slice origin)
{
	struct authority mine, listed;
	struct slice scheme, listed_scheme;

	if (!split_origin(origin, &scheme, &mine))
		return false;
	for (size_t i = 0; i < origins->count; i++)
		if (split_origin(origins->items[i], &listed_scheme, &listed) &&
		    same_text(scheme, listed_scheme) && same_authority(scheme, &mine, &listed))
			return true;
	return false;
}

bool origin_any_may_read(const struct slices *origins)
{
	for (size_t i = 0; i < origins->count; i++)
		if (slice_is(origins->items[i], "*"))
			return true;
	return false;
}
