/* Names in Host and origins of pages: what is served, what is the same, and what is neither. */
#include "kit.h"

#include "joblight/api/origin.h"

static const struct slices names = { { { "jobs.example", 12 }, { "Other.Example.", 14 } }, 2 };
static const struct slices none = { .count = 0 };

static void served(const char *host, bool expected)
{
	if (origin_serves_host(&names, slice_of(host)) != expected)
		fail_msg("\"%s\" should%s be served", host, expected ? "" : " not");
}

static void addresses_and_localhost_are_served_without_a_list(void **state)
{
	static const char *const hosts[] = { "127.0.0.1",      "10.1.2.3:80",
		                             "[::1]",          "[2001:db8::1]:3001",
		                             "localhost",      "LocalHost.:3001",
		                             "a.b.LOCALHOST.", "255.255.255.255" };

	(void)state;
	for (size_t i = 0; i < COUNT(hosts); i++)
		if (!origin_serves_host(&none, slice_of(hosts[i])))
			fail_msg("\"%s\" should be served", hosts[i]);
	assert_false(origin_serves_host(&none, SLICE("jobs.example")));
}

static void listed_names_are_served_in_any_case(void **state)
{
	(void)state;
	served("jobs.example", true);
	served("JOBS.EXAMPLE.:65535", true);
	served("other.example", true);
	served("other.example:123456", false);
	served("a.jobs.example", false);
	served("jobs.example.evil", false);
	served("jobs.exampl", false);
}

static void what_is_no_authority_is_not_served(void **state)
{
	static const char *const hosts[] = { "",
		                             ":",
		                             ":80",
		                             "[",
		                             "]",
		                             "[]",
		                             "[::1",
		                             "::1]",
		                             "[::1]]",
		                             "[::1]x",
		                             "[1.2.3.4]",
		                             "1.2.3.4.5",
		                             "1.2.3",
		                             "localhost:x",
		                             "localhost:1:2",
		                             "localhost/",
		                             "localhost evil",
		                             ".localhost",
		                             "user@localhost",
		                             "localhost\x01",
		                             "256.0.0.1",
		                             "[::g]" };

	(void)state;
	for (size_t i = 0; i < COUNT(hosts); i++)
		served(hosts[i], false);
	assert_false(origin_serves_host(&names, (struct slice){ "localhost\0", 10 }));
}

/* The bytes behind a slice are somebody else's. */
static void nothing_behind_the_text_is_read(void **state)
{
	(void)state;
	assert_false(origin_serves_host(&none, (struct slice){ "localhost", 8 }));
	assert_true(origin_serves_host(&none, (struct slice){ "localhostile", 9 }));
	assert_true(origin_serves_host(&none, (struct slice){ "127.0.0.1evil", 9 }));
	assert_true(
	    origin_is_of_host((struct slice){ "http://a.example/", 16 }, SLICE("a.example")));
}

static void of_host(const char *origin, const char *host, bool expected)
{
	if (origin_is_of_host(slice_of(origin), slice_of(host)) != expected)
		fail_msg("%s should%s be of %s", origin, expected ? "" : " not", host);
}

static void an_origin_is_of_its_host_and_port(void **state)
{
	(void)state;
	of_host("http://a:3001", "a:3001", true);
	of_host("https://A", "a:443", true);
	of_host("http://a:80", "a", true);
	of_host("http://[::1]:1", "[::1]:1", true);
	of_host("http://a", "a:3001", false);
	of_host("http://a:443", "a", false);
	of_host("https://a:80", "a", false);
	of_host("http://a.", "a", false);
	of_host("ws://a", "a", false);
	of_host("null", "a", false);
	of_host("://a", "a", false);
	of_host("http://", "", false);
	of_host("http://a@b", "b", false);
}

static void listed_origins_have_the_same_scheme_name_and_port(void **state)
{
	static const struct slices listed = {
		{ { "https://a.example", 17 }, { "http://b:8080", 13 }, { "app://x", 7 } }, 3
	};

	(void)state;
	assert_true(origin_is_listed(&listed, SLICE("HTTPS://A.example:443")));
	assert_true(origin_is_listed(&listed, SLICE("http://b:8080")));
	assert_true(origin_is_listed(&listed, SLICE("app://x")));
	assert_false(origin_is_listed(&listed, SLICE("http://a.example")));
	assert_false(origin_is_listed(&listed, SLICE("http://b")));
	assert_false(origin_is_listed(&listed, SLICE("https://a.example.")));
	assert_false(origin_is_listed(&listed, SLICE("null")));
	assert_false(origin_is_listed(&listed, (struct slice){ 0 }));
	assert_false(origin_is_listed(&none, SLICE("https://a.example")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(addresses_and_localhost_are_served_without_a_list),
		TEST(listed_names_are_served_in_any_case),
		TEST(what_is_no_authority_is_not_served),
		TEST(nothing_behind_the_text_is_read),
		TEST(an_origin_is_of_its_host_and_port),
		TEST(listed_origins_have_the_same_scheme_name_and_port),
	};

	return RUN("origin", tests);
}
