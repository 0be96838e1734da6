#include "listen_option.h"

#include <arpa/inet.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#define DEFAULT "127.0.0.1:3001"
#define DEFAULT_MODE 0660

/* Takes the part before the next `separator` off `rest`. */
static struct slice take(struct slice *rest, char separator)
{
	const char *end = rest->len ? memchr(rest->ptr, separator, rest->len) : NULL;
	size_t len = end ? (size_t)(end - rest->ptr) : rest->len;
	struct slice part = { rest->ptr, len };
	size_t used = end ? len + 1 : len;

	*rest = (struct slice){ rest->ptr + used, rest->len - used };
	return part;
}

static bool starts_with(struct slice s, struct slice start, struct slice *rest)
{
	if (s.len < start.len || memcmp(s.ptr, start.ptr, start.len) != 0)
		return false;
	*rest = (struct slice){ s.ptr + start.len, s.len - start.len };
	return true;
}

static bool copy(struct slice s, char *out, size_t size)
{
	if (!s.len || s.len >= size || memchr(s.ptr, '\0', s.len))
		return false;
	memcpy(out, s.ptr, s.len);
	out[s.len] = '\0';
	return true;
}

static bool is_loopback(const char *host)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (strcmp(host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

/* "HOST:PORT", "[V6]:PORT". */
static bool read_tcp(struct listen *l, struct slice text)
{
	const char *colon = text.len ? memrchr(text.ptr, ':', text.len) : NULL;
	struct slice host = { text.ptr, colon ? (size_t)(colon - text.ptr) : 0 };
	struct slice port = { colon + 1, colon ? text.len - host.len - 1 : 0 };
	uint64_t number;

	if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
		host = (struct slice){ host.ptr + 1, host.len - 2 };
	if (!slice_number(port, 5, &number) || number > 65535 ||
	    !copy(host, l->host, sizeof(l->host)))
		return false;
	l->kind = LISTEN_TCP;
	l->port = (unsigned)number;
	l->local = is_loopback(l->host);
	return true;
}

static bool read_unix(struct listen *l, struct slice path)
{
	l->kind = LISTEN_UNIX;
	l->is_unix = true;
	l->mode = DEFAULT_MODE;
	l->owner = (uid_t)-1;
	l->group = (gid_t)-1;
	l->local = true;
	return copy(path, l->path, sizeof(l->path));
}

/* Finds out where an inherited socket listens. */
static bool read_passed(struct listen *l, int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un path;
	} a = { 0 };
	socklen_t len = sizeof(a);

	*l = (struct listen){ .kind = LISTEN_PASSED, .fd = fd };
	if (getsockname(fd, &a.any, &len))
		return false;
	l->local = a.any.sa_family == AF_UNIX;
	l->is_unix = l->local;
	if (l->is_unix && len > offsetof(struct sockaddr_un, sun_path)) {
		memcpy(l->path, a.path.sun_path, sizeof(l->path) - 1);
		if (!l->path[0]) /* an abstract socket: unix(7) */
			l->path[0] = '@';
	}
	if (a.any.sa_family == AF_INET) {
		inet_ntop(AF_INET, &a.v4.sin_addr, l->host, sizeof(l->host));
		l->port = ntohs(a.v4.sin_port);
	}
	if (a.any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &a.v6.sin6_addr, l->host, sizeof(l->host));
		l->port = ntohs(a.v6.sin6_port);
	}
	if (!l->local)
		l->local = is_loopback(l->host);
	return true;
}

/* Options. */

static bool read_mode(struct listen *l, struct slice text)
{
	char digits[8], *end;

	if (!copy(text, digits, sizeof(digits)))
		return false;
	unsigned long mode = strtoul(digits, &end, 8);
	l->mode = (mode_t)mode;
	return !*end && digits[0] >= '0' && digits[0] <= '7' && mode <= 0777;
}

static bool find_user(struct slice name, uid_t *id)
{
	char text[64];
	uint64_t number;

	if (slice_number(name, 9, &number)) {
		*id = (uid_t)number;
		return true;
	}
	const struct passwd *found = copy(name, text, sizeof(text)) ? getpwnam(text) : NULL;
	if (found)
		*id = found->pw_uid;
	return found != NULL;
}

static bool find_group(struct slice name, gid_t *id)
{
	char text[64];
	uint64_t number;

	if (slice_number(name, 9, &number)) {
		*id = (gid_t)number;
		return true;
	}
	const struct group *found = copy(name, text, sizeof(text)) ? getgrnam(text) : NULL;
	if (found)
		*id = found->gr_gid;
	return found != NULL;
}

/* USER, USER:GROUP, :GROUP */
static bool read_owner(struct listen *l, struct slice text)
{
	struct slice user = take(&text, ':');

	return (user.len || text.len) && (!user.len || find_user(user, &l->owner)) &&
	       (!text.len || find_group(text, &l->group));
}

static bool read_option(struct listen *l, struct slice option)
{
	struct slice value;

	if (slice_is(option, "operators"))
		return l->operators = true;
	if (slice_is(option, "plain")) {
		l->tls = false;
		return true;
	}
	if (slice_is(option, "ipv6only") && l->kind == LISTEN_TCP)
		return l->ipv6_only = true;
	if (starts_with(option, SLICE("mode="), &value) && l->kind == LISTEN_UNIX)
		return read_mode(l, value);
	return starts_with(option, SLICE("owner="), &value) && l->kind == LISTEN_UNIX &&
	       read_owner(l, value);
}

static bool read_options(struct listen *l, struct slice options)
{
	while (options.len) {
		struct slice option = take(&options, ',');
		if (read_option(l, option))
			continue;
		fprintf(stderr,
		        "joblight: --listen: \"%.*s\" is not an option of this address: there are "
		        "plain, operators, ipv6only, and for unix: mode=0660 and "
		        "owner=USER:GROUP\n",
		        (int)option.len, option.ptr);
		return false;
	}
	return true;
}

/* All values. */

static struct listen *add(struct listens *l)
{
	if (l->count < LISTENS_MAX)
		return &l->items[l->count++];
	fprintf(stderr, "joblight: at most %d addresses can be listened on\n", LISTENS_MAX);
	return NULL;
}

/* Those of a name, or all if the name is empty. */
static bool add_passed(struct listens *l, const struct passed_sockets *passed, struct slice name,
                       struct slice options, bool tls)
{
	unsigned before = l->count;

	for (unsigned i = 0; i < passed->count; i++) {
		struct slice own = i < passed->names.count ? passed->names.items[i] : SLICE("");
		if (name.len && (own.len != name.len || memcmp(own.ptr, name.ptr, own.len) != 0))
			continue;
		struct listen *next = add(l);
		if (!next || !read_passed(next, PASSED_FIRST + (int)i))
			return false;
		next->tls = tls && !listen_is_unix(next);
		if (!read_options(next, options))
			return false;
	}
	if (l->count > before)
		return true;
	fprintf(stderr, "joblight: --listen systemd%s%.*s: systemd has passed no such socket\n",
	        name.len ? ":" : "", (int)name.len, name.ptr);
	return false;
}

static bool add_value(struct listens *l, struct slice value, const struct passed_sockets *passed,
                      bool tls)
{
	struct slice options = value, address = take(&options, ','), rest = { 0 };

	if (starts_with(address, SLICE("systemd"), &rest) && (!rest.len || rest.ptr[0] == ':')) {
		take(&rest, ':');
		return add_passed(l, passed, rest, options, tls);
	}
	struct listen *next = add(l);
	if (!next)
		return false;
	*next = (struct listen){ .fd = -1 };
	bool is_unix = starts_with(address, SLICE("unix:"), &rest);
	next->tls = tls && !is_unix;
	if (is_unix ? read_unix(next, rest) : read_tcp(next, address))
		return read_options(next, options);
	fprintf(stderr,
	        "joblight: --listen takes HOST:PORT, such as 127.0.0.1:3001, unix:PATH or "
	        "systemd, not \"%.*s\"\n",
	        (int)value.len, value.ptr);
	return false;
}

bool listens_read(struct listens *l, const struct slices *values,
                  const struct passed_sockets *passed, bool tls)
{
	*l = (struct listens){ 0 };
	if (!values->count)
		return add_value(l, passed->count ? SLICE("systemd") : SLICE(DEFAULT), passed, tls);
	for (size_t i = 0; i < values->count; i++)
		if (!add_value(l, values->items[i], passed, tls))
			return false;
	return true;
}
