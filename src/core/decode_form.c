#include "joblight/core/decode.h"

#include "joblight/base/xalloc.h"
#include "joblight/core/json.h"
#include "decode_fields.h"

#define FORM_PAIRS 16 /* more than the number of fields */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes percent-encoding.  False: a broken escape, a NUL or bad UTF-8. */
static bool form_decode(struct slice text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			int high = i + 2 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
			int low = i + 2 < text.len ? hex_digit(text.ptr[i + 2]) : -1;
			if (high < 0 || low < 0)
				return false;
			c = (char)(high * 16 + low);
			i += 2;
		}
		if (!c)
			return false;
		buf_char(out, c);
	}
	return utf8_valid(buf_as_slice(out));
}

/* Whether it is a JSON number.  Anything else stays a string, which the field then refuses. */
static bool is_number(const char *text)
{
	size_t at;

	return (*text == '-' || (*text >= '0' && *text <= '9')) &&
	       !json_check(slice_of(text), 1, &at);
}

static bool takes_number(const char *name)
{
	return strcmp(name, "progress") == 0 || strcmp(name, "attempt") == 0 ||
	       strcmp(name, SILENCE_FIELD) == 0;
}

static void form_add(cJSON *object, const char *name, const char *value)
{
	if (takes_number(name) && is_number(value))
		cJSON_AddItemToObject(object, name, cJSON_Parse(value));
	else
		cJSON_AddStringToObject(object, name, value);
}

static bool form_pair(cJSON *object, struct slice pair, struct problem *problem)
{
	const char *equals = memchr(pair.ptr, '=', pair.len);
	size_t name_len = equals ? (size_t)(equals - pair.ptr) : pair.len;
	struct buf name = { 0 }, value = { 0 };
	bool ok = form_decode((struct slice){ pair.ptr, name_len }, &name) &&
	          (!equals ||
	           form_decode((struct slice){ equals + 1, pair.len - name_len - 1 }, &value));

	if (!ok)
		problem_set(problem, OUTCOME_BAD_REQUEST,
		            "the form is not valid percent-encoded UTF-8");
	else if (cJSON_GetObjectItemCaseSensitive(object, buf_string(&name)))
		ok = problem_set(problem, OUTCOME_DUPLICATE_KEY,
		                 "the field \"%.64s\" is given twice", buf_string(&name));
	else
		form_add(object, buf_string(&name), buf_string(&value));
	buf_finish(&name);
	buf_finish(&value);
	return ok;
}

/* curl -d and some libraries send JSON as a form by default. */
static bool looks_like_json(struct slice body)
{
	while (body.len && strchr(" \t\r\n", *body.ptr)) {
		body.ptr++;
		body.len--;
	}
	return body.len && (*body.ptr == '{' || *body.ptr == '[');
}

bool decode_form(const struct limits *limits, struct slice body, struct op *op,
                 struct problem *problem)
{
	bool ok = true;

	if (looks_like_json(body))
		return problem_field(
		    problem, OUTCOME_INVALID_FIELD, "Content-Type",
		    "must be application/json, because the body is JSON and not a form");
	may_malloc_has_failed();
	cJSON *object = cJSON_CreateObject();
	for (int pairs = 0; ok && body.len; pairs++) {
		const char *amp = memchr(body.ptr, '&', body.len);
		size_t len = amp ? (size_t)(amp - body.ptr) : body.len;
		if (pairs == FORM_PAIRS)
			ok = problem_set(problem, OUTCOME_BAD_REQUEST,
			                 "a form has at most %d fields", FORM_PAIRS);
		else if (len)
			ok = form_pair(object, (struct slice){ body.ptr, len }, problem);
		body.ptr += len + (amp ? 1 : 0);
		body.len -= len + (amp ? 1 : 0);
	}
	if (may_malloc_has_failed()) /* a field that was lost for lack of memory must not look like
	                                one that was not sent */
		ok = decode_refuse_memory(problem);
	if (ok)
		return decode_tree(limits, body, object, object, op, problem);
	cJSON_Delete(object);
	return false;
}
