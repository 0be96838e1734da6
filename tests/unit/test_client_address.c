/* Addresses of clients, lists of trusted proxies, X-Forwarded-For. */
#include "kit.h"

#include <sys/socket.h>
#include <unistd.h>

#include "joblight/net/client_address.h"

static struct client_address address(const char *text)
{
	struct client_address a = { 0 };

	if (!client_address_parse(slice_of(text), &a))
		fail_msg("not an address: %s", text);
	return a;
}

static void assert_text(struct client_address a, const char *text)
{
	char shown[CLIENT_ADDRESS_TEXT];

	client_address_format(&a, shown);
	assert_string_equal(shown, text);
}

static void addresses_have_one_form(void **state)
{
	(void)state;
	assert_text(address("192.0.2.1"), "192.0.2.1");
	assert_text(address("::ffff:192.0.2.1"), "192.0.2.1");
	assert_text(address("2001:DB8:0:0::1"), "2001:db8::1");
	assert_text((struct client_address){ .family = ADDRESS_UNIX }, "unix");
	assert_text((struct client_address){ 0 }, "unknown");
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"192.0.2",
		"192.0.2.256",
		"192.0.2.1 ",
		"192.0.2.1:80",
		"::1%lo",
		"[::1]",
		"localhost",
		"0x7f.0.0.1",
		"1:2",
		"::1/64",
		"2001:db8::1:2:3:4:5:6:7:8:9:a:b:c:d:e:f:0:1:2:3:4:5:6",
	};
	struct client_address a;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (client_address_parse(slice_of(bad[i]), &a))
			fail_msg("taken: %s", bad[i]);
	assert_false(client_address_parse((struct slice){ "1.2.3.4\0", 8 }, &a));
}

static void loopback_is_known_in_all_its_forms(void **state)
{
	static const char *const yes[] = { "127.0.0.1", "127.255.3.4", "::1", "::ffff:127.0.0.1" };
	static const char *const no[] = { "126.255.255.255", "128.0.0.1", "::2", "::", "10.0.0.1" };

	(void)state;
	for (size_t i = 0; i < COUNT(yes); i++) {
		struct client_address a = address(yes[i]);
		assert_true(client_address_is_loopback(&a));
	}
	for (size_t i = 0; i < COUNT(no); i++) {
		struct client_address a = address(no[i]);
		assert_false(client_address_is_loopback(&a));
	}
}

static bool same_network(const char *a, const char *b)
{
	struct client_address x = address(a), y = address(b);

	x = client_address_network(&x);
	y = client_address_network(&y);
	return client_address_equal(&x, &y);
}

static void a_network_of_64_bits_is_one_client(void **state)
{
	(void)state;
	assert_true(same_network("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"));
	assert_false(same_network("2001:db8:1:2::1", "2001:db8:1:3::1"));
	assert_false(same_network("192.0.2.1", "192.0.2.2"));
	assert_true(same_network("192.0.2.1", "::ffff:192.0.2.1"));
}

static void the_peer_of_a_unix_socket_is_known(void **state)
{
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_text(client_address_of_socket(pair[0]), "unix");
	close(pair[0]);
	close(pair[1]);
	assert_text(client_address_of_socket(pair[0]), "unknown");
}

/* Trusted proxies. */

static struct trusted_proxies trusting(const char *a, const char *b)
{
	struct slices texts = { { slice_of(a), slice_of(b) }, b ? 2 : 1 };
	struct trusted_proxies t;

	assert_true(trusted_proxy_valid(texts.items[0]));
	trusted_proxies_parse(&texts, &t);
	return t;
}

static bool trusts(const char *proxies, const char *text)
{
	struct trusted_proxies t = trusting(proxies, NULL);
	struct client_address a = address(text);

	return trusted_proxies_have(&t, &a);
}

static void a_prefix_matches_its_bits(void **state)
{
	(void)state;
	assert_true(trusts("10.0.0.0/8", "10.255.0.1"));
	assert_false(trusts("10.0.0.0/8", "11.0.0.1"));
	assert_true(trusts("10.0.0.0/9", "10.127.255.255"));
	assert_false(trusts("10.0.0.0/9", "10.128.0.0"));
	assert_true(trusts("10.1.2.3", "10.1.2.3"));
	assert_false(trusts("10.1.2.3", "10.1.2.2"));
	assert_true(trusts("0.0.0.0/0", "203.0.113.1"));
	assert_false(trusts("0.0.0.0/0", "2001:db8::1"));
	assert_true(trusts("::/0", "203.0.113.1"));
	assert_true(trusts("2001:db8::/33", "2001:db8:7fff::1"));
	assert_false(trusts("2001:db8::/33", "2001:db8:8000::1"));
	assert_true(trusts("::1/128", "::1"));
	assert_true(trusts("10.0.0.0/8", "::ffff:10.0.0.1"));
}

static void what_is_no_prefix_is_refused(void **state)
{
	static const char *const bad[] = { "",       "10.0.0.0/33", "10.0.0.0/",    "/8",
		                           "::/129", "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0/8",
		                           "Unix",   "unix:",       "::/0128" };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (trusted_proxy_valid(slice_of(bad[i])))
			fail_msg("taken: %s", bad[i]);
}

static void unix_peers_are_trusted_when_they_are_named(void **state)
{
	struct client_address local = { .family = ADDRESS_UNIX }, unknown = { 0 };
	struct trusted_proxies t = trusting("unix", NULL), other = trusting("::/0", NULL);

	(void)state;
	assert_true(trusted_proxies_have(&t, &local));
	assert_false(trusted_proxies_have(&other, &local));
	assert_false(trusted_proxies_have(&t, &unknown));
	assert_false(trusted_proxies_have(&other, &unknown));
}

/* X-Forwarded-For. */

static void assert_client(const char *peer, const char *forwarded, const char *client)
{
	struct trusted_proxies t = trusting("10.0.0.0/8", "unix");
	struct client_address p = strcmp(peer, "unix") == 0
	                              ? (struct client_address){ .family = ADDRESS_UNIX }
	                              : address(peer);

	assert_text(client_address_forwarded(&t, &p, slice_of(forwarded)), client);
}

static void a_stranger_is_not_believed(void **state)
{
	(void)state;
	assert_client("203.0.113.1", "198.51.100.7", "203.0.113.1");
	assert_client("203.0.113.1", NULL, "203.0.113.1");
}

static void the_last_address_that_is_no_proxy_is_the_client(void **state)
{
	(void)state;
	assert_client("10.0.0.1", "198.51.100.7", "198.51.100.7");
	assert_client("10.0.0.1", "1.2.3.4, 198.51.100.7", "198.51.100.7");
	assert_client("10.0.0.1", "1.2.3.4,198.51.100.7,10.0.0.2 , 10.0.0.3", "198.51.100.7");
	assert_client("unix", "198.51.100.7", "198.51.100.7");
	assert_client("10.0.0.1", "[2001:db8::7]:443", "2001:db8::7");
	assert_client("10.0.0.1", "2001:db8::7", "2001:db8::7");
	assert_client("10.0.0.1", "198.51.100.7:4711", "198.51.100.7");
}

static void when_all_are_proxies_the_first_one_is_the_client(void **state)
{
	(void)state;
	assert_client("10.0.0.1", "10.0.0.5, 10.0.0.2", "10.0.0.5");
	assert_client("10.0.0.1", NULL, "10.0.0.1");
	assert_client("10.0.0.1", "", "10.0.0.1");
}

static void an_entry_that_is_no_address_ends_the_reading(void **state)
{
	(void)state;
	assert_client("10.0.0.1", "198.51.100.7, unknown", "10.0.0.1");
	assert_client("10.0.0.1", "198.51.100.7, , 10.0.0.2", "10.0.0.2");
	assert_client("10.0.0.1", "198.51.100.7,", "10.0.0.1");
	assert_client("10.0.0.1", "198.51.100.7, [::1", "10.0.0.1");
	assert_client("10.0.0.1", "198.51.100.7, :80", "10.0.0.1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(addresses_have_one_form),
		TEST(what_is_no_address_is_refused),
		TEST(loopback_is_known_in_all_its_forms),
		TEST(a_network_of_64_bits_is_one_client),
		TEST(the_peer_of_a_unix_socket_is_known),
		TEST(a_prefix_matches_its_bits),
		TEST(what_is_no_prefix_is_refused),
		TEST(unix_peers_are_trusted_when_they_are_named),
		TEST(a_stranger_is_not_believed),
		TEST(the_last_address_that_is_no_proxy_is_the_client),
		TEST(when_all_are_proxies_the_first_one_is_the_client),
		TEST(an_entry_that_is_no_address_ends_the_reading),
	};

	return RUN("client_address", tests);
}
