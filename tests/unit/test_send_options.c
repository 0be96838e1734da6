/* The configuration of the helper, and what is wrong with one. */
#include "kit.h"

#include "send/headers.h"
#include "send/options.h"

static const char *fault_of(const char *json)
{
	static char error[256];
	struct options o;

	error[0] = '\0';
	bool ok = options_read(&o, slice_of(json), error, sizeof(error));
	options_finish(&o);
	assert_int_equal(ok, error[0] == '\0');
	return ok ? NULL : error;
}

static void a_good_one_is_taken(void **state)
{
	(void)state;
	assert_null(fault_of("{\"url\":\"https://collector.example/v1/traces\"}"));
	assert_null(fault_of("{\"url\":\"HTTP://10.0.0.1:4318\",\"allow\":[\"10.0.0.0/8\"]}"));
	assert_null(fault_of("{\"url\":\"http://[fd00::1]:4318/x\",\"allow\":[\"fd00::/8\"]}"));
	assert_null(fault_of("{\"url\":\"https://8.8.8.8\",\"ca\":\"/dev/null\"}"));
	assert_null(fault_of("{\"url\":\"https://[2606:4700::1111]/\"}"));
}

static void a_bad_one_says_what_to_change(void **state)
{
	static const struct {
		const char *json, *fault;
	} rows[] = {
		{ "", "http:// or https://" },
		{ "{}", "http:// or https://" },
		{ "{\"url\":7}", "http:// or https://" },
		{ "{\"url\":\"gopher://a\"}", "http:// or https://" },
		{ "{\"url\":\"http://\"}", "" },
		{ "{\"url\":\"http://u@a\"}", "no user" },
		{ "{\"url\":\"http://:p@a\"}", "no user" },
		{ "{\"url\":\"http://a?b\"}", "no user" },
		{ "{\"url\":\"http://a#b\"}", "no user" },
		{ "{\"url\":\"http://10.0.0.1\"}", "--send-allow" },
		{ "{\"url\":\"http://[::1]\"}", "--send-allow" },
		{ "{\"url\":\"http://a\",\"allow\":[\"x\"]}", "\"x\" is no address or network" },
		{ "{\"url\":\"http://a\",\"allow\":[7]}", "is no address or network" },
		{ "{\"url\":\"http://a\",\"ca\":\"/nowhere/ca\"}", "/nowhere/ca cannot be read" },
		{ "{\"url\":\"http://a\",\"headers\":\"/nowhere/h\"}", "No such file" },
		{ "{\"url\":\"http://a\",\"headers\":\"/\"}", "no regular file" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *fault = fault_of(rows[i].json);
		assert_non_null(fault);
		if (!strstr(fault, rows[i].fault))
			fail_msg("%s: %s", rows[i].json, fault);
	}
}

/* Headers. */

static bool headers_of(const char *text, size_t len, struct curl_slist **list, char error[256])
{
	char path[] = "/tmp/joblight-headers-XXXXXX";
	FILE *file = fdopen(mkstemp(path), "w");

	assert_non_null(file);
	fwrite(text, 1, len, file);
	fclose(file);
	bool ok = headers_read(path, list, error, 256);
	remove(path);
	return ok;
}

static void the_lines_of_the_file_are_the_headers(void **state)
{
	static const char text[] = "# a comment\n\nAuthorization: Bearer x\r\n\t X-Y:z\n#\nLast: 1";
	struct curl_slist *list = NULL;
	char error[256];

	(void)state;
	assert_true(headers_of(text, sizeof(text) - 1, &list, error));
	assert_string_equal(list->data, "Authorization: Bearer x");
	assert_string_equal(list->next->data, "X-Y:z");
	assert_string_equal(list->next->next->data, "Last: 1");
	assert_null(list->next->next->next);
	headers_free(list);
	headers_free(NULL);
}

static void a_line_that_is_none_is_told_without_its_value(void **state)
{
	static const struct {
		const char *text, *fault;
	} rows[] = {
		{ "Bearer secret", ":1: the line must be a name, a colon and a value" },
		{ "A: b\n: secret", ":2: the line must be a name, a colon and a value" },
		{ "A :secret", ":1: the line must be" },
		{ "A:", ":1: the line has no value" },
		{ "A:   ", ":1: the line has no value" },
		{ "A: secret\x1b", ":1: the line has a control character" },
		{ "A: secret\x7f", ":1: the line has a control character" },
		{ "A: sec\rret", ":1: the line has a control character" },
		{ "HOST: secret", ":1: the line names a header that is set already" },
		{ "Content-Type: secret", ":1: the line names a header" },
		{ "Transfer-Encoding: secret", ":1: the line names a header" },
	};
	char error[256];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct curl_slist *list = NULL;
		error[0] = '\0';
		bool ok = headers_of(rows[i].text, strlen(rows[i].text), &list, error);
		assert_false(ok);
		if (!strstr(error, rows[i].fault))
			fail_msg("%s: %s", rows[i].text, error);
		assert_null(strstr(error, "secret"));
		headers_free(list);
	}
}

static void the_size_of_the_file_is_limited(void **state)
{
	static char text[HEADERS_FILE_MAX + 1];
	struct curl_slist *list = NULL;
	char error[256];

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "X: ", 3);
	assert_true(headers_of(text, HEADERS_FILE_MAX, &list, error));
	headers_free(list);
	list = NULL;
	assert_false(headers_of(text, HEADERS_FILE_MAX + 1, &list, error));
	assert_non_null(strstr(error, "at most 16384 bytes"));
	text[9] = '\0';
	assert_false(headers_of(text, 20, &list, error));
	assert_null(list);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_good_one_is_taken),
		TEST(a_bad_one_says_what_to_change),
		TEST(the_lines_of_the_file_are_the_headers),
		TEST(a_line_that_is_none_is_told_without_its_value),
		TEST(the_size_of_the_file_is_limited),
	};

	return RUN("send options", tests);
}
