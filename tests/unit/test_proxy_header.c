/* The headers of the PROXY protocol: proxy-protocol.txt of HAProxy, sections 2.1 and 2.2. */
#include "kit.h"

#include "net/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4                                                                                         \
	"\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb" /* 192.0.2.1, its port, the target      \
	                                                    */
#define V6                                                                                         \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x08"     \
	"\xdc\x04\x01\xbb"

static void assert_source(struct slice header, const char *source)
{
	char shown[CLIENT_ADDRESS_TEXT];
	struct proxy_header h;

	assert_int_equal(proxy_header_parse(header, &h), PROXY_HEADER_GOOD);
	client_address_format(&h.source, shown);
	assert_string_equal(shown, source);
}

/* The header is good, with and without bytes after it, and incomplete when it is cut anywhere. */
static void assert_good(struct slice header, const char *source)
{
	char *bytes = malloc(header.len + 16);
	struct proxy_header h;

	assert_source(header, source);
	for (size_t len = 0; len < header.len; len++) {
		memcpy(bytes, header.ptr, len);
		if (proxy_header_parse((struct slice){ bytes, len }, &h) != PROXY_HEADER_INCOMPLETE)
			fail_msg("cut after %zu of %zu bytes", len, header.len);
	}
	memcpy(bytes, header.ptr, header.len);
	memcpy(bytes + header.len, "GET / HTTP/1.1\r\n", 16);
	assert_source((struct slice){ bytes, header.len + 16 }, source);
	assert_int_equal(proxy_header_parse((struct slice){ bytes, header.len + 16 }, &h),
	                 PROXY_HEADER_GOOD);
	assert_int_equal(h.len, header.len);
	free(bytes);
}

static void assert_bad(struct slice header)
{
	struct proxy_header h;

	if (proxy_header_parse(header, &h) != PROXY_HEADER_BAD)
		fail_msg("not refused: %.*s", (int)header.len, header.ptr);
}

#define LONGEST "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535"

static void version_1_names_the_client(void **state)
{
	(void)state;
	assert_good(SLICE("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"), "192.0.2.1");
	assert_good(SLICE("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"),
	            "255.255.255.255");
	assert_good(SLICE("PROXY TCP6 2001:db8::7 2001:db8::8 0 1\r\n"), "2001:db8::7");
	assert_good(SLICE("PROXY UNKNOWN\r\n"), "unknown");
	assert_good(SLICE(LONGEST "\r\n"), "unknown");
}

static void what_version_1_does_not_allow_is_refused(void **state)
{
	static const char *const bad[] = {
		"PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 \r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 56324 65536\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 056324 443\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 -1 443\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2  443\r\n",
		"PROXY TCP4 192.0.2 198.51.100.2 1 443\r\n",
		"PROXY TCP4 ::1 ::2 1 443\r\n",
		"PROXY TCP6 192.0.2.1 198.51.100.2 1 443\r\n",
		"PROXY TCP5 192.0.2.1 198.51.100.2 1 443\r\n",
		"PROXY UNKNOWNX\r\n",
		"PROXY \r\n",
		"PROXY TCP4\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\rX",
		"proxy TCP4 192.0.2.1 198.51.100.2 56324 443\r\n",
		"PROXYTCP4 192.0.2.1 198.51.100.2 56324 443\r\n",
		"GET / HTTP/1.1\r\n",
		"\r\nGET / HTTP/1.1\r\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_bad(slice_of(bad[i]));
}

static void a_line_of_107_bytes_is_the_longest(void **state)
{
	char line[120];

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "PROXY UNKNOWN ", 14);
	memcpy(line + 105, "\r\n", 2);
	assert_good((struct slice){ line, 107 }, "unknown");
	line[105] = 'x';
	memcpy(line + 106, "\r\n", 2);
	assert_bad((struct slice){ line, 107 });
	assert_bad((struct slice){ line, 108 });
}

static void version_2_names_the_client(void **state)
{
	(void)state;
	assert_good(SLICE(SIGNATURE "\x21\x11\0\x0c" V4), "192.0.2.1");
	assert_good(SLICE(SIGNATURE "\x21\x21\0\x24" V6), "2001:db8::7");
}

static void what_follows_the_addresses_is_skipped(void **state)
{
	(void)state;
	assert_good(SLICE(SIGNATURE "\x21\x11\0\x13" V4 "\x04\0\x04\1\2\3\4"), "192.0.2.1");
	assert_good(SLICE(SIGNATURE "\x21\x21\0\x27" V6 "\x04\0\0"), "2001:db8::7");
}

static void a_connection_of_the_proxy_itself_has_no_client(void **state)
{
	(void)state;
	assert_good(SLICE(SIGNATURE "\x20\0\0\0"), "unknown");
	assert_good(SLICE(SIGNATURE "\x20\x11\0\x0c" V4), "unknown");
	assert_good(SLICE(SIGNATURE "\x21\0\0\0"), "unknown");
	assert_good(SLICE(SIGNATURE "\x21\0\0\3abc"), "unknown");
	assert_good(SLICE(SIGNATURE "\x21\x10\0\x0c" V4), "unknown");
}

static void a_client_of_a_unix_socket_has_no_address(void **state)
{
	char header[16 + 216] = SIGNATURE "\x21\x31\0\xd8";

	(void)state;
	assert_good((struct slice){ header, sizeof(header) }, "unknown");
}

static void what_version_2_does_not_allow_is_refused(void **state)
{
	(void)state;
	assert_bad(SLICE(SIGNATURE "\x11\x11\0\x0c" V4)); /* version */
	assert_bad(SLICE(SIGNATURE "\x31\x11\0\x0c" V4));
	assert_bad(SLICE(SIGNATURE "\x22\x11\0\x0c" V4)); /* command */
	assert_bad(SLICE(SIGNATURE "\x21\x12\0\x0c" V4)); /* datagrams */
	assert_bad(SLICE(SIGNATURE "\x21\x13\0\x0c" V4));
	assert_bad(SLICE(SIGNATURE "\x21\x41\0\x0c" V4)); /* family */
	assert_bad(SLICE(SIGNATURE "\x21\x11\0\x0b" V4)); /* shorter than its addresses */
	assert_bad(SLICE(SIGNATURE "\x21\x21\0\x23" V6));
	assert_bad(SLICE(SIGNATURE
	                 "\x21\x31\0\xd7"
	                 "too short, but complete only when 215 bytes are there"
	                 "................................................................"
	                 "................................................................"
	                 "................................................................"));
	assert_bad(SLICE("\r\n\r\n\0\r\nQUIX\n\x21\x11\0\x0c" V4));
}

static void a_length_of_1024_is_the_longest(void **state)
{
	char header[PROXY_HEADER_MAX] = SIGNATURE "\x21\x11\x04\0" V4;

	(void)state;
	assert_good((struct slice){ header, sizeof(header) }, "192.0.2.1");
	header[15] = 1;
	assert_bad((struct slice){ header, sizeof(header) });
	assert_bad((struct slice){ header, 16 }); /* at once, without waiting for the rest */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(version_1_names_the_client),
		TEST(what_version_1_does_not_allow_is_refused),
		TEST(a_line_of_107_bytes_is_the_longest),
		TEST(version_2_names_the_client),
		TEST(what_follows_the_addresses_is_skipped),
		TEST(a_connection_of_the_proxy_itself_has_no_client),
		TEST(a_client_of_a_unix_socket_has_no_address),
		TEST(what_version_2_does_not_allow_is_refused),
		TEST(a_length_of_1024_is_the_longest),
	};

	return RUN("proxy_header", tests);
}
