#include "joblight/core/entity_tag.h"

#include <string.h>

static void skip(struct slice *text, size_t len)
{
	text->ptr += len;
	text->len -= len;
}

static void skip_any(struct slice *text, const char *bytes)
{
	while (text->len && strchr(bytes, *text->ptr))
		skip(text, 1);
}

/* Takes the next tag of the list, without W/.  False: there is none, or it cannot be read. */
static bool next_tag(struct slice *list, struct slice *tag, bool *weak)
{
	skip_any(list, " \t,");
	*weak = list->len > 2 && memcmp(list->ptr, "W/", 2) == 0;
	if (*weak)
		skip(list, 2);
	const char *end = list->len > 1 && *list->ptr == '"'
	                      ? memchr(list->ptr + 1, '"', list->len - 1)
	                      : NULL;
	if (!end)
		return false;
	*tag = (struct slice){ list->ptr, (size_t)(end - list->ptr) + 1 };
	skip(list, tag->len);
	skip_any(list, " \t");
	return !list->len || *list->ptr == ',';
}

bool entity_tags_name(struct slice list, const char *etag, enum tag_comparison comparison)
{
	struct slice tag;
	bool weak;

	if (slice_is(slice_trimmed(list), "*"))
		return true;
	while (next_tag(&list, &tag, &weak))
		if (slice_is(tag, etag) && !(weak && comparison == COMPARE_STRONG))
			return true;
	return false;
}
