/* Random bytes, and a system that provides none. */
#include "kit.h"
#include "child.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "joblight/base/random.h"

static int failure; /* what the system returns */
static int interruptions;

/* Replaces the function of the system. */
ssize_t getrandom(void *out, size_t len, unsigned flags)
{
	(void)flags;
	if (interruptions && interruptions--) {
		errno = EINTR;
		return -1;
	}
	if (failure) {
		errno = failure;
		return -1;
	}
	memset(out, 0x5a, len < 3 ? len : 3);
	return len < 3 ? (ssize_t)len : 3;
}

static void all_bytes_come_however_they_are_given(void **state)
{
	unsigned char bytes[10] = { 0 };

	(void)state;
	interruptions = 2;
	random_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		assert_int_equal(bytes[i], 0x5a);
}

static void ask_in_vain(void)
{
	failure = ENOSYS;
	random_u64();
}

static void a_system_without_randomness_ends_the_start_with_a_line(void **state)
{
	char text[512];
	int status = run_to_its_end(ask_in_vain, text, sizeof(text));

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_non_null(strstr(text, "no random numbers"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_bytes_come_however_they_are_given),
		TEST(a_system_without_randomness_ends_the_start_with_a_line),
	};

	return RUN("random", tests);
}
