#include "content_coding.h"

#include <string.h>
#include <strings.h>

/* The coding without its parameters. */
static struct slice coding_of(struct slice item)
{
	const char *end = memchr(item.ptr, ';', item.len);

	if (end)
		item.len = (size_t)(end - item.ptr);
	return slice_trimmed(item);
}

/* Whether the parameters are ";q=0", ";Q=0.0" or the like. */
static bool is_refused(struct slice item)
{
	const char *at = memchr(item.ptr, '=', item.len), *end = item.ptr + item.len;

	if (!at || at == item.ptr || (at[-1] != 'q' && at[-1] != 'Q') || ++at == end || *at != '0')
		return false;
	for (; at < end; at++)
		if (*at >= '1' && *at <= '9')
			return false;
	return true;
}

bool coding_takes_gzip(struct slice list)
{
	bool any = false;

	while (list.len) {
		const char *comma = memchr(list.ptr, ',', list.len);
		size_t len = comma ? (size_t)(comma - list.ptr) : list.len;
		struct slice item = { list.ptr, len }, coding = coding_of(item);
		if (coding.len == 4 && strncasecmp(coding.ptr, "gzip", 4) == 0)
			return !is_refused(item);
		if (slice_is(coding, "*"))
			any = !is_refused(item);
		list = (struct slice){ list.ptr + len + (comma != NULL),
			               list.len - len - (comma != NULL) };
	}
	return any;
}
