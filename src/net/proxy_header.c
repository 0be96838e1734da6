#include "proxy_header.h"

#define LINE_MAX 107 /* of version 1, with its CRLF */
#define FIXED_LEN 16 /* of version 2, before the addresses */

static const char signature[12] = { '\r', '\n', '\r', '\n', '\0', '\r',
	                            '\n', 'Q',  'U',  'I',  'T',  '\n' };

/* Version 1: "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n". */

/* Takes what stands before the next space; false: there is none, or nothing before it. */
static bool take_word(struct slice *line, struct slice *word)
{
	const char *space = line->len ? memchr(line->ptr, ' ', line->len) : NULL;
	size_t len = space ? (size_t)(space - line->ptr) : 0;

	*word = (struct slice){ line->ptr, len };
	if (!len)
		return false;
	line->ptr += len + 1;
	line->len -= len + 1;
	return true;
}

static bool is_port(struct slice text)
{
	uint64_t port;

	return slice_number(text, 5, &port) && port <= 65535 &&
	       (text.len == 1 || text.ptr[0] != '0');
}

/* An address in the notation of its family: only that of IPv6 has colons. */
static bool take_address(struct slice *line, bool v6, struct client_address *a)
{
	struct slice word;

	return take_word(line, &word) && (memchr(word.ptr, ':', word.len) != NULL) == v6 &&
	       client_address_parse(word, a);
}

/* `line` is without "PROXY " and the CRLF. */
static bool parse_line(struct slice line, struct client_address *source)
{
	struct client_address target;
	struct slice family, port;

	if (slice_is(line, "UNKNOWN") || (line.len > 8 && memcmp(line.ptr, "UNKNOWN ", 8) == 0))
		return true; /* the rest is to be ignored */
	if (!take_word(&line, &family) || (!slice_is(family, "TCP4") && !slice_is(family, "TCP6")))
		return false;
	bool v6 = family.ptr[3] == '6';
	return take_address(&line, v6, source) && take_address(&line, v6, &target) &&
	       take_word(&line, &port) && is_port(port) && is_port(line);
}

static enum proxy_header_result parse_1(struct slice bytes, struct proxy_header *out)
{
	size_t seen = bytes.len < LINE_MAX ? bytes.len : LINE_MAX;
	const char *end = memchr(bytes.ptr, '\r', seen);

	if (!end)
		return seen == LINE_MAX ? PROXY_HEADER_BAD : PROXY_HEADER_INCOMPLETE;
	size_t len = (size_t)(end - bytes.ptr);
	if (len + 1 == bytes.len && len + 2 <= LINE_MAX)
		return PROXY_HEADER_INCOMPLETE;
	if (len + 2 > LINE_MAX || end[1] != '\n' || len < 6 ||
	    !parse_line((struct slice){ bytes.ptr + 6, len - 6 }, &out->source))
		return PROXY_HEADER_BAD;
	out->len = len + 2;
	return PROXY_HEADER_GOOD;
}

/* Version 2: the signature, version and command, family and protocol, the length of the rest. */

enum { FAMILY_UNSPEC, FAMILY_INET, FAMILY_INET6, FAMILY_UNIX, FAMILY_COUNT };
enum { PROTOCOL_UNSPEC, PROTOCOL_STREAM, PROTOCOL_DGRAM, PROTOCOL_COUNT };
enum { COMMAND_LOCAL, COMMAND_PROXY, COMMAND_COUNT };

/* The addresses and ports of a family have so many bytes; TLVs may follow and are not read. */
static const size_t address_bytes[FAMILY_COUNT] = { 0, 12, 36, 216 };

static bool parse_addresses(const uint8_t *h, size_t len, struct client_address *source)
{
	unsigned family = h[13] >> 4, protocol = h[13] & 15;

	if (family >= FAMILY_COUNT || protocol >= PROTOCOL_COUNT || len < address_bytes[family])
		return false;
	if (protocol != PROTOCOL_STREAM)
		return protocol == PROTOCOL_UNSPEC;
	if (family == FAMILY_INET)
		*source = client_address_v4(h + FIXED_LEN);
	else if (family == FAMILY_INET6)
		*source = client_address_v6(h + FIXED_LEN);
	return true;
}

static enum proxy_header_result parse_2(struct slice bytes, struct proxy_header *out)
{
	const uint8_t *h = (const uint8_t *)bytes.ptr;

	if (bytes.len > 12 && (h[12] >> 4 != 2 || (h[12] & 15) >= COMMAND_COUNT))
		return PROXY_HEADER_BAD;
	if (bytes.len < FIXED_LEN)
		return PROXY_HEADER_INCOMPLETE;
	size_t rest = (size_t)h[14] << 8 | h[15];
	if (FIXED_LEN + rest > PROXY_HEADER_MAX)
		return PROXY_HEADER_BAD;
	if (bytes.len < FIXED_LEN + rest)
		return PROXY_HEADER_INCOMPLETE;
	if ((h[12] & 15) == COMMAND_PROXY && !parse_addresses(h, rest, &out->source))
		return PROXY_HEADER_BAD;
	out->len = FIXED_LEN + rest;
	return PROXY_HEADER_GOOD;
}

static bool begins(struct slice bytes, const char *with, size_t len)
{
	return memcmp(bytes.ptr, with, bytes.len < len ? bytes.len : len) == 0;
}

enum proxy_header_result proxy_header_parse(struct slice bytes, struct proxy_header *out)
{
	*out = (struct proxy_header){ .source.family = ADDRESS_UNKNOWN };
	if (!bytes.len)
		return PROXY_HEADER_INCOMPLETE;
	if (begins(bytes, "PROXY ", 6))
		return parse_1(bytes, out);
	return begins(bytes, signature, sizeof(signature)) ? parse_2(bytes, out) : PROXY_HEADER_BAD;
}
