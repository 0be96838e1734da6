/* GET /openapi.json, /asyncapi.json, /docs and /llms.txt: the protocol, for programs and people. */
#include <stddef.h>
#include <stdlib.h>

#include "joblight/base/digest.h"
#include "joblight/core/json.h"
#include "context.h"
#include "pages_serve.h"
#include "router.h"

struct placeholder {
	const char *name;
	size_t offset; /* in struct limits */
};

static const struct placeholder placeholders[] = {
#define LIMIT(field, flag, default_value, min, max, unit, when, why)                               \
	{ flag, offsetof(struct limits, field) },
#include "joblight/core/limits.def"
#undef LIMIT
};

#define PLACEHOLDER_COUNT (sizeof(placeholders) / sizeof(placeholders[0]))

static uint64_t limit_value(const struct limits *limits, struct slice flag)
{
	for (size_t i = 0; i < PLACEHOLDER_COUNT; i++)
		if (slice_is(flag, placeholders[i].name))
			return *(const uint64_t *)((const char *)limits + placeholders[i].offset);
	return 0; /* script/api-documents writes none */
}

/* The value of the placeholder "@name@"; a limit in seconds is "@name/1000@". */
static void add_value(const struct conn *c, struct slice name, struct buf *out)
{
	const struct limits *limits = c->loop->limits;
	struct slice thousands = SLICE("/1000");

	if (slice_is(name, "version"))
		json_string(out, SLICE(JOBLIGHT_VERSION));
	else if (slice_is(name, "base"))
		buf_format(out, "\"%s/\"", api_of(c)->base_path);
	else if (slice_is(name, "socket"))
		buf_format(out, "\"%s/api/ws\"", api_of(c)->base_path);
	else if (name.len > thousands.len &&
	         memcmp(name.ptr + name.len - thousands.len, thousands.ptr, thousands.len) == 0)
		buf_u64(out,
		        limit_value(limits, (struct slice){ name.ptr, name.len - thousands.len }) /
		            1000);
	else
		buf_u64(out, limit_value(limits, name));
}

/* Copies the text, with the values of this server in the place of "@name@". */
static void fill_in(const struct conn *c, struct slice text, struct buf *out)
{
	const char *at = text.ptr, *end = text.ptr + text.len, *open, *close;

	buf_reserve(out, text.len);
	while ((open = memmem(at, (size_t)(end - at), "\"@", 2)) &&
	       (close = memmem(open + 2, (size_t)(end - open - 2), "@\"", 2))) {
		buf_add(out, at, (size_t)(open - at));
		add_value(c, (struct slice){ open + 2, (size_t)(close - open - 2) }, out);
		at = close + 2;
	}
	buf_add(out, at, (size_t)(end - at));
}

static void serve_description(struct conn *c, const char *name)
{
	const struct page *page = pages_find(api_of(c)->pages, slice_of(name));
	struct buf body = { 0 }, lines = { 0 };
	uint8_t digest[DIGEST_LEN];
	char hex[33];

	if (!page) {
		reply_refuse(c, OUTCOME_NOT_FOUND, "there is nothing at this path");
		return;
	}
	fill_in(c, page->plain.bytes, &body);
	body.len -= body.len && body.ptr[body.len - 1] == '\n'; /* the answer gets one */
	digest_sha256(buf_as_slice(&body), digest);
	digest_hex(digest, 16, hex);
	buf_format(&lines,
	           "ETag: \"%s\"\r\nCache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\n",
	           hex);
	reply_json_taken(c, OUTCOME_OK, buf_string(&lines), &body);
	buf_finish(&lines);
	buf_finish(&body);
}

void documents_openapi(struct conn *c, struct request *r)
{
	(void)r;
	serve_description(c, "openapi.json");
}

void documents_asyncapi(struct conn *c, struct request *r)
{
	(void)r;
	serve_description(c, "asyncapi.json");
}

void documents_page(struct conn *c, struct request *r)
{
	(void)r;
	pages_serve(c, OUTCOME_OK, SLICE("docs.html"));
}

void documents_llms(struct conn *c, struct request *r)
{
	(void)r;
	pages_serve(c, OUTCOME_OK, SLICE("llms.txt"));
}
