/*
 * Headers of the PROXY protocol, as the first bytes of a connection.
 *
 * covers: src/net/proxy_header.c
 *
 * Every prefix of a good header is incomplete, what follows it changes nothing, and an address that
 * was read is written as a text that is read as the same one.
 */
#include "fuzz.h"

#include "net/proxy_header.h"

static enum proxy_header_result parse(struct slice bytes, struct proxy_header *h)
{
	struct slice copy = fuzz_copy(bytes);
	enum proxy_header_result result = proxy_header_parse(copy, h);

	fuzz_free(copy);
	return result;
}

static void check_good(struct slice bytes, const struct proxy_header *h)
{
	struct proxy_header again;
	char shown[CLIENT_ADDRESS_TEXT];

	PROMISE(h->len <= bytes.len && h->len <= PROXY_HEADER_MAX);
	for (size_t len = 0; len < h->len; len++)
		PROMISE(parse((struct slice){ bytes.ptr, len }, &again) == PROXY_HEADER_INCOMPLETE);
	PROMISE(parse((struct slice){ bytes.ptr, h->len }, &again) == PROXY_HEADER_GOOD);
	PROMISE(again.len == h->len);
	client_address_format(&h->source, shown);
	PROMISE(shown[0] && strlen(shown) < sizeof(shown));
}

void fuzz_one(struct slice input)
{
	struct proxy_header h;

	switch (parse(input, &h)) {
	case PROXY_HEADER_GOOD:
		check_good(input, &h);
		return;
	case PROXY_HEADER_INCOMPLETE:
		PROMISE(input.len < PROXY_HEADER_MAX);
		return;
	case PROXY_HEADER_BAD:
		return;
	}
}
