#include "decode_fields.h"

#include <strings.h>

#define URL_MAX 2048
#define MEDIA_TYPE_MAX 127 /* of each half, RFC 6838; more than enough for both */

static bool take_deliverable_id(struct decoder *d, const cJSON *value, void *target)
{
	return decode_id(d, value, &((struct op *)target)->deliverable_id);
}

/* The control characters of ASCII, and those that UTF-8 encodes as C2 80 to C2 9F. */
static bool has_control_characters(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i],
		              before = i ? (unsigned char)text.ptr[i - 1] : 0;
		if (c < 0x20 || c == 0x7f || (before == 0xc2 && c < 0xa0))
			return true;
	}
	return false;
}

/* Pages show the URL as a link, so schemes that run code are refused, and a path must stay on
 * this server.  Browsers treat a backslash as a slash, so it must not be the second character
 * either. */
static bool is_link(struct slice url)
{
	static const char *const schemes[] = { "http:", "https:" };

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t len = strlen(schemes[i]);
		if (url.len > len && strncasecmp(url.ptr, schemes[i], len) == 0)
			return true;
	}
	return url.len && url.ptr[0] == '/' &&
	       !(url.len > 1 && (url.ptr[1] == '/' || url.ptr[1] == '\\'));
}

static bool take_url(struct decoder *d, const cJSON *value, void *target)
{
	struct slice *url = &((struct op *)target)->url;

	if (!decode_text(d, value, URL_MAX, url))
		return false;
	if (is_link(*url) && !has_control_characters(*url))
		return true;
	return decode_refuse_value(
	    d, value->string,
	    "must be an http: or https: URL or a path that begins with one slash, "
	    "without control characters");
}

/* The characters of a token, RFC 9110 section 5.6.2. */
static size_t token_length(const char *text)
{
	return strspn(
	    text, "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
}

static bool is_media_type(const char *text)
{
	size_t type = token_length(text);

	if (!type || text[type] != '/')
		return false;
	size_t subtype = token_length(text + type + 1);
	return subtype && !text[type + 1 + subtype];
}

static bool take_media_type(struct decoder *d, const cJSON *value, void *target)
{
	struct slice *type = &((struct op *)target)->media_type;

	if (!decode_text(d, value, MEDIA_TYPE_MAX, type))
		return false;
	return is_media_type(type->ptr) ||
	       decode_refuse_value(d, value->string,
	                           "must be a type and a subtype, such as application/pdf");
}

bool decode_deliverable(struct decoder *d, const cJSON *root)
{
	static const struct field fields[] = {
		{ "id", take_deliverable_id },
		{ "title", decode_op_title },
		{ "url", take_url },
		{ "mediaType", take_media_type },
		{ 0 },
	};

	if (!decode_object(d, root, fields, d->op))
		return false;
	return d->op->has_title || decode_refuse_value(d, "title", "is missing");
}
