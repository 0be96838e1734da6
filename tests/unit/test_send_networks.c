/* Which addresses the helper may connect to. */
#include "kit.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "send/networks.h"

static union {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
} address;

static const struct sockaddr *socket_of(const char *text)
{
	memset(&address, 0, sizeof(address));
	if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1) {
		address.v4.sin_family = AF_INET;
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &address.v6.sin6_addr), 1);
		address.v6.sin6_family = AF_INET6;
	}
	return &address.any;
}

static bool may(const struct networks *n, const char *text)
{
	return networks_may_connect(n, socket_of(text));
}

static void addresses_of_the_internet_are_allowed(void **state)
{
	static const char *const rows[] = {
		"1.1.1.1",         "9.255.255.255",   "11.0.0.0",        "100.63.255.255",
		"100.128.0.0",     "126.255.255.255", "128.0.0.0",       "169.253.255.255",
		"169.255.0.0",     "172.15.255.255",  "172.32.0.0",      "192.167.255.255",
		"192.169.0.0",     "198.17.255.255",  "198.20.0.0",      "223.255.255.255",
		"2606:4700::1111", "2a00::1",         "2001:4860::8888", "2001:200::1",
		"::ffff:8.8.8.8",  "2002:808:808::1", "3fff:1000::1",    "2620:fe::fe",
	};
	struct networks none = { .count = 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (!may(&none, rows[i]))
			fail_msg("%s is refused", rows[i]);
}

static void private_addresses_are_not(void **state)
{
	static const char *const rows[] = {
		"0.0.0.0",
		"0.255.255.255",
		"10.0.0.0",
		"10.255.255.255",
		"100.64.0.0",
		"100.127.255.255",
		"127.0.0.1",
		"127.255.255.255",
		"169.254.169.254",
		"172.16.0.0",
		"172.31.255.255",
		"192.0.0.1",
		"192.0.2.1",
		"192.168.0.0",
		"192.168.255.255",
		"198.18.0.0",
		"198.19.255.255",
		"198.51.100.1",
		"203.0.113.1",
		"224.0.0.1",
		"240.0.0.1",
		"255.255.255.255",
		"::",
		"::1",
		"::127.0.0.1",
		"::ffff:127.0.0.1",
		"::ffff:10.0.0.1",
		"::ffff:169.254.169.254",
		"64:ff9b::7f00:1",
		"64:ff9b:1::1",
		"100::1",
		"fc00::1",
		"fdff::1",
		"fe80::1",
		"fec0::1",
		"ff02::1",
		"2001::1",
		"2001:1ff:ffff::1",
		"2001:db8::1",
		"2002:7f00:1::",
		"2002:a00:1::1",
		"2002:a9fe:a9fe::1",
		"3fff::1",
		"4000::1",
	};
	struct networks none = { .count = 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (may(&none, rows[i]))
			fail_msg("%s is allowed", rows[i]);
}

static void what_is_allowed_is_connected_to_and_its_neighbours_are_not(void **state)
{
	static const struct {
		const char *network, *in[2], *out[2];
	} rows[] = {
		{ "127.0.0.1", { "127.0.0.1", "::ffff:127.0.0.1" }, { "127.0.0.2", "::1" } },
		{ "10.1.0.0/16", { "10.1.0.0", "10.1.255.255" }, { "10.0.255.255", "10.2.0.0" } },
		{ "192.168.1.128/25",
		  { "192.168.1.128", "192.168.1.255" },
		  { "192.168.1.127", "192.168.2.128" } },
		{ "0.0.0.0/0", { "127.0.0.1", "10.0.0.1" }, { "::1", "fd00::1" } },
		{ "::1", { "::1", "::1" }, { "127.0.0.1", "::2" } },
		{ "fd00::/8", { "fd00::1", "fdff::1" }, { "fc00::1", "fe00::1" } },
		{ "fd00:0:0:8000::/49",
		  { "fd00:0:0:8000::1", "fd00:0:0:ffff::1" },
		  { "fd00:0:0:7fff::1", "fd00:0:1:8000::1" } },
		{ "::/0", { "fe80::1", "10.0.0.1" }, { NULL, NULL } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct networks n = { .count = 0 };
		assert_true(networks_add(&n, rows[i].network));
		for (size_t k = 0; k < 2; k++) {
			assert_true(may(&n, rows[i].in[k]));
			if (rows[i].out[k])
				assert_false(may(&n, rows[i].out[k]));
		}
	}
}

static void what_is_no_network_is_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"x",
		"unix",
		"10.0.0",
		"10.0.0.0/33",
		"10.0.0.0/",
		"10.0.0.0/x",
		"10.0.0.0/8/8",
		"/8",
		"::/129",
		"::/-1",
		"10.0.0.0/ 8",
		"1.2.3.4.5",
		"10.0.0.0/+8",
		"1234567890123456789012345678901234567890123456/8",
	};
	struct networks n = { .count = 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_false(networks_add(&n, rows[i]));
	for (unsigned i = 0; i < NETWORKS_MAX; i++)
		assert_true(networks_add(&n, "10.0.0.0/8"));
	assert_false(networks_add(&n, "10.0.0.0/8"));
}

static void only_ip_is_connected_to(void **state)
{
	struct sockaddr local = { .sa_family = AF_UNIX };
	char text[ADDRESS_TEXT_MAX];
	struct networks all = { .count = 0 };

	(void)state;
	networks_add(&all, "::/0");
	assert_false(networks_may_connect(&all, &local));
	networks_format(&local, text);
	assert_string_equal(text, "");
	networks_format(socket_of("::ffff:10.0.0.1"), text);
	assert_string_equal(text, "10.0.0.1");
	networks_format(socket_of("fe80::1"), text);
	assert_string_equal(text, "fe80::1");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(addresses_of_the_internet_are_allowed),
		TEST(private_addresses_are_not),
		TEST(what_is_allowed_is_connected_to_and_its_neighbours_are_not),
		TEST(what_is_no_network_is_refused),
		TEST(only_ip_is_connected_to),
	};

	return RUN("send networks", tests);
}
