/* What a kept connection has shown; the clock is a number. */
#include "kit.h"

#include "joblight/base/xalloc.h"
#include "net/shown.h"

#define GENERATION 7

static const struct slice key = SLICE("jl_key"), longer = SLICE("jl_keys"), other = SLICE("jl_kez");

static struct credential *credential(int64_t expires)
{
	struct access_key_row row = { .rights = RIGHT_WATCH, .expires = expires };

	row.name = xstrdup("n");
	row.jobs = xstrdup("*");
	return credential_create(&row);
}

static bool finds(const struct shown *s, struct slice text, uint64_t generation, int64_t now)
{
	struct credential *c = shown_find(s, text, generation, now);
	bool found = c != NULL;

	credential_release(c);
	return found;
}

static void the_same_text_is_found_and_no_other(void **state)
{
	struct credential *c = credential(0);
	struct shown s = { 0 };

	(void)state;
	assert_false(finds(&s, key, GENERATION, 1));
	assert_false(finds(&s, (struct slice){ 0 }, 0, 1));
	shown_keep(&s, key, GENERATION, c);
	assert_true(finds(&s, key, GENERATION, 1));
	assert_false(finds(&s, other, GENERATION, 1));
	assert_false(finds(&s, longer, GENERATION, 1));
	assert_false(finds(&s, (struct slice){ key.ptr, key.len - 1 }, GENERATION, 1));
	assert_false(finds(&s, (struct slice){ 0 }, GENERATION, 1));
	shown_keep(&s, other, GENERATION, c);
	assert_true(finds(&s, other, GENERATION, 1));
	assert_false(finds(&s, key, GENERATION, 1));
	shown_forget(&s);
	assert_false(finds(&s, other, GENERATION, 1));
	credential_release(c);
}

static void other_keys_end_it(void **state)
{
	struct credential *c = credential(0);
	struct shown s = { 0 };

	(void)state;
	shown_keep(&s, key, GENERATION, c);
	assert_false(finds(&s, key, GENERATION + 1, 1));
	assert_true(finds(&s, key, GENERATION, 1));
	shown_forget(&s);
	credential_release(c);
}

static void it_expires_with_the_credential(void **state)
{
	struct credential *c = credential(1000);
	struct shown s = { 0 };

	(void)state;
	shown_keep(&s, key, GENERATION, c);
	assert_true(finds(&s, key, GENERATION, 999));
	assert_false(finds(&s, key, GENERATION, 1000));
	shown_forget(&s);
	credential_release(c);
}

/* The sanitizers see a reference too few or too many. */
static void it_holds_the_credential(void **state)
{
	struct credential *c = credential(0);
	struct shown s = { 0 };

	(void)state;
	shown_keep(&s, key, GENERATION, c);
	assert_int_equal(atomic_load(&c->references), 2);
	shown_keep(&s, key, GENERATION, c);
	assert_int_equal(atomic_load(&c->references), 2);
	shown_forget(&s);
	shown_forget(&s);
	assert_int_equal(atomic_load(&c->references), 1);
	credential_release(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_same_text_is_found_and_no_other),
		TEST(other_keys_end_it),
		TEST(it_expires_with_the_credential),
		TEST(it_holds_the_credential),
	};

	return RUN("shown", tests);
}
