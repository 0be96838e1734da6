/* The URL of a Redis: what is taken, and what is said of the rest, without the password. */
#include "kit.h"

#include "bus/redis_url.h"

static void parses(const char *text, const char *host, const char *port, const char *user,
                   const char *password)
{
	struct redis_url url;
	char error[512] = "";

	if (!redis_url_parse(&url, text, NULL, error, sizeof(error)))
		fail_msg("%s: %s", text, error);
	assert_string_equal(url.host, host);
	assert_string_equal(url.port, port);
	assert_string_equal(url.user ? url.user : "-", user);
	assert_string_equal(url.password ? url.password : "-", password);
	redis_url_finish(&url);
}

static void hosts_and_ports_are_taken(void **state)
{
	(void)state;
	parses("redis://redis.example", "redis.example", "6379", "-", "-");
	parses("redis://10.0.0.1:7000", "10.0.0.1", "7000", "-", "-");
	parses("redis://10.0.0.1:7000/", "10.0.0.1", "7000", "-", "-");
	parses("redis://h/0", "h", "6379", "-", "-");
	parses("redis://[::1]", "::1", "6379", "-", "-");
	parses("redis://[fe80::1]:7000/15", "fe80::1", "7000", "-", "-");
}

static void users_and_passwords_are_decoded(void **state)
{
	(void)state;
	parses("redis://:word@h", "h", "6379", "-", "word");
	parses("redis://me:word@h:1", "h", "1", "me", "word");
	parses("redis://m%40e:p%40s%3As%2Fw%25rd%3f%23@h", "h", "6379", "m@e", "p@s:s/w%rd?#");
	parses("redis://:%20%e2%82%ac+&=@h", "h", "6379", "-", " \xe2\x82\xac+&=");
}

static void the_password_of_a_file_is_used(void **state)
{
	struct redis_url url;
	char error[512];

	(void)state;
	assert_true(redis_url_parse(&url, "redis://me@h", "p@:/%", error, sizeof(error)));
	assert_string_equal(url.user, "me");
	assert_string_equal(url.password, "p@:/%");
	redis_url_finish(&url);
	assert_true(redis_url_parse(&url, "redis://me:old@h", "new", error, sizeof(error)));
	assert_string_equal(url.password, "new");
	redis_url_finish(&url);
}

static void refuses(const char *text, const char *why)
{
	struct redis_url url;
	char error[512] = "";

	if (redis_url_parse(&url, text, NULL, error, sizeof(error)))
		fail_msg("%s is taken", text);
	if (!strstr(error, why))
		fail_msg("%s: %s", text, error);
	assert_null(strstr(error, "secret"));
	redis_url_finish(&url);
}

static void what_is_refused_does_not_show_the_password(void **state)
{
	static const char *const encode[] = {
		"redis://:sec@ret@h",   "redis://:sec:secret@h", "redis://:sec/secret@h",
		"redis://:secret%@h",   "redis://:secret%4@h",   "redis://:secret%zz@h",
		"redis://:secret%00@h", "redis://:sec?secret@h", "redis://:sec#secret@h",
		"redis://a@b:secret@h", "redis:///secret@h",
	};
	static const char *const forms[] = {
		"redis://",      "redis://:secret@",   "redis://h:0",    "redis://h:65536",
		"redis://h:x",   "redis://[::1",       "redis://[::1]x", "redis://h/path",
		"redis://h:1:2", "redis://:secret@h%", "redis://h?db=1", "redis://h:",
		"redis://[]:1",  "redis://.h",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(encode); i++)
		refuses(encode[i], "%40 for @");
	for (size_t i = 0; i < COUNT(forms); i++)
		refuses(forms[i], "redis://[USER[:PASSWORD]@]HOST[:PORT]");
	refuses("redis://secret@h", "there is a user and no password");
	refuses("http://:secret@h", "must begin with redis://");
}

static bool has_tls(const char *text)
{
	struct redis_url url;
	char error[512];

	assert_true(redis_url_parse(&url, text, NULL, error, sizeof(error)));
	bool tls = url.tls;
	redis_url_finish(&url);
	return tls;
}

static void rediss_is_with_tls(void **state)
{
	struct redis_url url;
	char error[512];

	(void)state;
	assert_false(has_tls("redis://rediss"));
	assert_true(has_tls("rediss://redis"));
	assert_true(redis_url_parse(&url, "rediss://me:word@h:7000/1", NULL, error, sizeof(error)));
	assert_true(url.tls);
	assert_string_equal(url.host, "h");
	assert_string_equal(url.port, "7000");
	redis_url_finish(&url);
	refuses("rediss:/h", "must begin with redis:// or rediss://");
	refuses("redisss://:secret@h", "must begin with redis:// or rediss://");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(hosts_and_ports_are_taken),
		TEST(users_and_passwords_are_decoded),
		TEST(the_password_of_a_file_is_used),
		TEST(what_is_refused_does_not_show_the_password),
		TEST(rediss_is_with_tls),
	};

	return RUN("redis_url", tests);
}
