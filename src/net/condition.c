#include "condition.h"

#include "joblight/core/entity_tag.h"

#define TAG_MAX 80

static void find_etag(const char *lines, char tag[TAG_MAX])
{
	const char *at = strstr(lines, "ETag: ");
	size_t len = at ? strcspn(at + 6, "\r") : 0;

	tag[0] = '\0';
	if (len < TAG_MAX && at)
		*(char *)mempcpy(tag, at + 6, len) = '\0';
}

enum condition condition_of(const struct request *r, const char *lines)
{
	struct slice match = r->headers[HEADER_IF_MATCH], none = r->headers[HEADER_IF_NONE_MATCH];
	char tag[TAG_MAX];

	if ((!match.len && !none.len) || r->method != METHOD_GET)
		return CONDITION_HOLDS;
	find_etag(lines, tag);
	if (match.len && !entity_tags_name(match, tag, COMPARE_STRONG))
		return CONDITION_FAILED;
	return none.len && entity_tags_name(none, tag, COMPARE_WEAK) ? CONDITION_NOT_MODIFIED
	                                                             : CONDITION_HOLDS;
}
