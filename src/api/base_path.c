#include "joblight/api/base_path.h"

#include <ctype.h>
#include <string.h>

#include "router.h"

struct slice base_path_first(const char *path)
{
	const char *start = path[0] ? path + 1 : path;

	return (struct slice){ start, strcspn(start, "/") };
}

/* The characters that no client and no proxy escapes: RFC 3986 section 2.3. */
static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (*text != '/' && !isalnum((unsigned char)*text) && !strchr("-._~", *text))
			return false;
	return true;
}

/* Clients and proxies remove such segments. */
static bool has_dots(const char *path)
{
	while (*path) {
		struct slice s = base_path_first(path);
		if (slice_is(s, ".") || slice_is(s, ".."))
			return true;
		path = s.ptr + s.len;
	}
	return false;
}

static const char *fault_of(const char *path)
{
	if (strstr(path, "://"))
		return "leave out the scheme and the host: /joblight/";
	if (path[0] != '/')
		return "it begins with a slash: /joblight/";
	if (strpbrk(path, "?#"))
		return "it is a path only: leave out ? and # and what follows";
	if (!is_plain(path))
		return "use only letters, digits, - . _ ~ and slashes";
	if (strstr(path, "//"))
		return "write one slash where there are several";
	if (has_dots(path))
		return "write the path without the segments . and ..";
	return NULL;
}

const char *base_path_read(struct slice text, char path[BASE_PATH_MAX + 1])
{
	path[0] = '\0';
	if (text.len > BASE_PATH_MAX)
		return "it has more than 128 bytes";
	memcpy(path, text.ptr, text.len);
	path[text.len] = '\0';
	const char *fault = fault_of(path);
	if (!fault && text.len && path[text.len - 1] == '/')
		path[text.len - 1] = '\0';
	if (!fault && router_has_segment(base_path_first(path)) && path[0])
		fault = "the server has paths of its own that begin so: choose another first "
		        "segment";
	return fault;
}
