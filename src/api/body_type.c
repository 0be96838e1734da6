#include "body_type.h"

#include <strings.h>

#include "router.h"

/* Compares the media type without its parameters (RFC 9110 section 8.3.1). */
static bool type_is(struct slice header, const char *type)
{
	size_t len = strlen(type);

	return header.len >= len && strncasecmp(header.ptr, type, len) == 0 &&
	       (header.len == len || header.ptr[len] == ';' || header.ptr[len] == ' ' ||
	        header.ptr[len] == '\t');
}

bool body_type_is_form(const struct request *r)
{
	return r->route->body == BODY_JSON_OR_FORM &&
	       type_is(r->headers[HEADER_CONTENT_TYPE], "application/x-www-form-urlencoded");
}

bool body_type_is_allowed(const struct request *r)
{
	if (r->route->body == BODY_NDJSON)
		return type_is(r->headers[HEADER_CONTENT_TYPE], "application/x-ndjson");
	return r->route->body == BODY_NONE ||
	       type_is(r->headers[HEADER_CONTENT_TYPE], "application/json") || body_type_is_form(r);
}
