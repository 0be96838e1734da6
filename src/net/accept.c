#include "accept.h"

#include <strings.h>

/* Up to the character, which is taken off `s` too. */
static struct slice take_until(struct slice *s, char c)
{
	const char *end = s->len ? memchr(s->ptr, c, s->len) : NULL;
	size_t len = end ? (size_t)(end - s->ptr) : s->len, taken = end ? len + 1 : len;
	struct slice part = { s->ptr, len };

	*s = (struct slice){ s->ptr + taken, s->len - taken };
	return slice_trimmed(part);
}

bool accept_names(struct slice accept, const char *media_type)
{
	while (accept.len) {
		struct slice range = take_until(&accept, ',');
		struct slice name = take_until(&range, ';');
		if (name.len == strlen(media_type) &&
		    strncasecmp(name.ptr, media_type, name.len) == 0)
			return true;
	}
	return false;
}
