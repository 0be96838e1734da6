/* Progress in the output of programs. */
#include "kit.h"

#include "cli/progress.h"

#define NONE (-1)

/* In pieces of `size` bytes. */
static double found_in(const char *output, size_t size)
{
	struct progress p;
	size_t len = strlen(output);

	progress_init(&p);
	for (size_t at = 0; at < len; at += size)
		progress_take(&p, (struct slice){ output + at, len - at < size ? len - at : size });
	progress_pause(&p);
	return p.percent;
}

static const struct {
	const char *output;
	double percent;
} cases[] = {
	{ "", NONE },
	{ "42%", 42 },
	{ "42%\n", 42 },
	{ "0%\n", 0 },
	{ "100%\n", 100 },
	{ "101%\n", NONE },
	{ "-5%\n", NONE },
	{ "12.5%\n", 12.5 },
	{ "33.3333333333%\n", 33.3 },
	{ "[ 42%] Building C object\n", 42 },
	{ "[100%] Built target\n", 100 },
	{ "progress:42%\n", 42 },
	{ "progress=42%\n", 42 },
	{ "42 %\n", 42 },
	{ "(42%)\n", 42 },
	{ "\xe2\x96\x88\xe2\x96\x88"
	  "42%\n",
	  42 },
	{ "[3/10] cc -o a.o\n", 30 },
	{ "[03/10]\n", 30 },
	{ "3/10\n", 30 },
	{ "step 3/10: link\n", 30 },
	{ "3/10, next\n", 30 },
	{ "(3/10)\n", 30 },
	{ "3 / 10\n", 30 },
	{ "3 of 10\n", 30 },
	{ "file 3 of 7\n", 42.8 },
	{ "7 3/10\n", 30 },
	{ "#12 [3/10] RUN make\n", 30 },
	{ "[1/1]\n", 100 },
	{ "1/1\n", NONE },
	{ "[0/0]\n", NONE },
	{ "10/3\n", NONE },
	{ "2026/02/05\n", NONE },
	{ "02/05/2026\n", NONE },
	{ "src/3/10\n", NONE },
	{ "src/3/10.c\n", NONE },
	{ "3/10.c\n", NONE },
	{ "3/10x\n", NONE },
	{ "1.3/10\n", NONE },
	{ "v3/10\n", NONE },
	{ "http://127.0.0.1:3/10\n", NONE },
	{ "a%20b 20%2C x=20%2F\n", NONE },
	{ "foo42%\n", NONE },
	{ "3 off 10\n", NONE },
	{ "1234567890123/12345678901234\n", NONE },
	{ "99999999999%\n", NONE },
	/* bars that are redrawn, and colours */
	{ "\r 10%\r 20%\r 30%", 30 },
	{ "\r[##   ] 1/4\r[###  ] 2/4\r", 50 },
	{ "\033[32m4\033[1m2\033[0m%\n", 42 },
	{ "\033[2K\033[1G3/10\033[K", 30 },
	{ "\033]0;make 77%\a 12%\n", 12 },
	{ "\033]0;make 77%\033\\ 12%\n", 12 },
	{ "\033[3;4H3/10\033[3;4H", 30 },
	{ "10%\b\b\b20%\b\b\b", 20 },
	/* only forward */
	{ "50%\n20%\n", 50 },
	{ "[5/10]\n[4/10]\n", 50 },
	{ "[1/10]\nunpacked 100%\n[2/10]\n", 20 },
	{ "5%\n[1/10]\n", 10 },
};

static void it_is_found_however_the_output_is_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t size = 1; size < 5; size++) {
			double percent = found_in(cases[i].output, size == 4 ? 4096 : size);
			if (percent < cases[i].percent - 0.001 ||
			    percent > cases[i].percent + 0.001)
				fail_msg("%s, in pieces of %zu: %f, not %f", cases[i].output, size,
				         percent, cases[i].percent);
		}
}

static void it_tells_when_it_has_grown(void **state)
{
	struct progress p;

	(void)state;
	progress_init(&p);
	assert_false(progress_take(&p, SLICE("42%")));
	assert_true(progress_pause(&p));
	assert_false(progress_pause(&p));
	assert_false(progress_take(&p, SLICE(" 41% 42% ")));
	assert_true(progress_take(&p, SLICE("43% 1% ")));
	assert_false(progress_take(&p, SLICE("3/")));
	assert_false(progress_pause(&p));
	assert_true(progress_take(&p, SLICE("4\n")));
}

static void binary_output_is_harmless(void **state)
{
	struct progress p;
	unsigned char bytes[4096];

	(void)state;
	progress_init(&p);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 2654435761u >> 13);
	for (int i = 0; i < 64; i++)
		progress_take(&p, (struct slice){ (char *)bytes + i, sizeof(bytes) - 64 });
	assert_true(p.percent <= 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_found_however_the_output_is_cut),
		TEST(it_tells_when_it_has_grown),
		TEST(binary_output_is_harmless),
	};

	return RUN("progress", tests);
}
