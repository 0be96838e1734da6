/* Which clients get a compressed page: Accept-Encoding by RFC 9110 section 12.5.3. */
#include "kit.h"

#include "api/content_coding.h"

static void gzip_is_taken_when_its_item_says_so(void **state)
{
	static const struct {
		const char *list;
		bool taken;
	} rows[] = {
		{ "gzip", true },         { "GZip", true },       { "br, gzip;q=0.001", true },
		{ "gzip;q=1", true },     { "gzip;Q=0.5", true }, { " gzip ; q=0.8 ", true },
		{ ",gzip,", true },       { "gzip;q=0", false },  { "gzip;Q=0.000", false },
		{ "gzip;q=0.010", true }, { "gzip;q=", true }, /* no weight that can be read */
		{ "gzip;x=0", true },     { "gzip;=0", true },    { "gzi", false },
		{ "gzipp", false },       { "zzip", false },      { "x-gzip", false },
		{ "br, deflate", false }, { "identity", false },  { "", false },
		{ ",", false },           { "*", true },          { "*;q=0", false },
		{ "gzip;q=0, *", false }, /* its own item counts */
		{ "*;q=0, gzip", true },  { "=0", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (coding_takes_gzip(slice_of(rows[i].list)) != rows[i].taken)
			fail_msg("\"%s\" is not read as it should be", rows[i].list);
	assert_false(coding_takes_gzip((struct slice){ 0 }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(gzip_is_taken_when_its_item_says_so),
	};

	return RUN("content_coding", tests);
}
