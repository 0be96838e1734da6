/* Rights, patterns of job ids, access keys and keyrings. */
#include "store_kit.h"

#include "many.h"

#include "joblight/core/keyring.h"

static bool covers(const char *patterns, const char *id)
{
	struct access_key_row row = { .name = xstrdup(""), .jobs = xstrdup(patterns) };
	struct credential *c = credential_create(&row);
	bool found = credential_covers(c, id);

	credential_release(c);
	return found;
}

static void a_pattern_covers_the_ids_that_it_matches(void **state)
{
	(void)state;
	assert_true(covers("*", "anything"));
	assert_true(covers("a", "a"));
	assert_true(covers("render-*", "render-"));
	assert_true(covers("render-*", "render-1"));
	assert_true(covers("x y*z", "yz") && covers("x y*z", "y.~_-z"));
	assert_true(covers("a *", "b"));
	assert_false(covers("a", "A") || covers("a", "ab") || covers("a", "ba") || covers("a", ""));
	assert_false(covers("render-*", "xrender-1") || covers("render-*", "render"));
	assert_false(covers("", "a") || covers("", ""));
	assert_false(covers("a.c", "abc"));
}

static void a_pattern_as_long_as_an_id_is_compared_whole(void **state)
{
	char pattern[ID_MAX + 1], other[ID_MAX + 1];

	(void)state;
	memset(pattern, 'a', ID_MAX);
	pattern[ID_MAX] = '\0';
	memcpy(other, pattern, sizeof(other));
	assert_true(covers(pattern, other));
	other[ID_MAX - 1] = 'b';
	assert_false(covers(pattern, other));
}

static void a_concealed_id_is_covered_only_by_a_star(void **state)
{
	char id[ID_MAX + 1] = "job-1", shown[ID_MAX + 1];

	(void)state;
	id_conceal(id);
	assert_false(id_valid(slice_of(id)));
	assert_false(covers("job-1", id) || covers("job-*", id));
	id_reveal(shown, id);
	assert_string_equal(shown, "job-1");
	id_reveal(shown, "job-2");
	assert_string_equal(shown, "job-2");
	id_reveal(shown, "");
	assert_string_equal(shown, "");
}

static void a_pattern_has_the_characters_of_an_id_and_stars(void **state)
{
	char text[ID_MAX + 2];

	(void)state;
	assert_true(job_pattern_valid(SLICE("a")) && job_pattern_valid(SLICE("*")) &&
	            job_pattern_valid(SLICE("*-a.*~_")));
	assert_false(job_pattern_valid(SLICE("")) || job_pattern_valid(SLICE("a b")) ||
	             job_pattern_valid(SLICE("a/b")) || job_pattern_valid(SLICE("[a]")) ||
	             job_pattern_valid(SLICE("a?")) || job_pattern_valid(SLICE("-a")) ||
	             job_pattern_valid((struct slice){ "a\0b", 3 }));
	memset(text, '*', sizeof(text));
	assert_true(job_pattern_valid((struct slice){ text, ID_MAX }));
	assert_false(job_pattern_valid((struct slice){ text, ID_MAX + 1 }));
}

static void a_right_has_one_name(void **state)
{
	enum right right;
	struct buf names = { 0 };

	(void)state;
	assert_true(right_parse(SLICE("watch"), &right) && right == RIGHT_WATCH);
	assert_true(right_parse(SLICE("admin"), &right) && right == RIGHT_ADMIN);
	assert_false(right_parse(SLICE("Watch"), &right) || right_parse(SLICE(""), &right) ||
	             right_parse(SLICE("watc"), &right) || right_parse(SLICE("watch "), &right));
	right_encode(&names, RIGHT_ALL);
	assert_string_equal(buf_string(&names),
	                    "\"watch\",\"report\",\"create\",\"control\",\"admin\"");
	names.len = 0;
	right_describe(&names, RIGHT_CREATE | RIGHT_CONTROL);
	assert_string_equal(buf_string(&names), "create or control");
	buf_finish(&names);
}

static uint8_t next_byte;

static void counted(void *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = next_byte++;
}

static void a_generated_key_is_parsed_and_another_text_is_not(void **state)
{
	struct access_key_row row;
	char text[ACCESS_KEY_LEN + 1];
	uint8_t hash[DIGEST_LEN];
	struct slice id;

	(void)state;
	access_key_generate(&row, counted, text);
	assert_int_equal(strlen(text), ACCESS_KEY_LEN);
	assert_true(access_key_parse(slice_of(text), &id));
	assert_memory_equal(id.ptr, row.id, ACCESS_KEY_ID_LEN);
	access_key_hash(slice_of(text), hash);
	assert_true(digest_equal(hash, row.hash));
	for (size_t i = 0; i < ACCESS_KEY_LEN; i++) {
		char before = text[i];
		text[i] = '-';
		assert_false(access_key_parse(slice_of(text), &id));
		text[i] = '\0';
		assert_false(access_key_parse((struct slice){ text, ACCESS_KEY_LEN }, &id));
		text[i] = before;
	}
	assert_false(access_key_parse((struct slice){ text, ACCESS_KEY_LEN - 1 }, &id));
	assert_false(access_key_parse((struct slice){ 0 }, &id));
}

static void digits_of_a_key_are_equally_likely(void **state)
{
	struct access_key_row row;
	char text[ACCESS_KEY_LEN + 1];
	unsigned counts[256] = { 0 };

	(void)state;
	next_byte = 0;
	for (int i = 0; i < 248; i++) { /* 248 * 55 digits: each of the 62 comes 220 times */
		access_key_generate(&row, counted, text);
		for (size_t k = 3; k < ACCESS_KEY_LEN; k++)
			counts[(unsigned char)text[k]]++;
	}
	assert_int_equal(counts['0'], 220);
	assert_int_equal(counts['z'], 220);
	assert_int_equal(counts['_'], 248);
}

static struct access_key_row a_key(const char *jobs, int64_t expires, char text[ACCESS_KEY_LEN + 1])
{
	struct access_key_row row = { .rights = RIGHT_WATCH,
		                      .created = 5,
		                      .expires = expires,
		                      .name = xstrdup("n\"1"),
		                      .jobs = xstrdup(jobs) };

	access_key_generate(&row, counted, text);
	return row;
}

static struct keyring *read_ring(struct bench *b, struct credential *first)
{
	struct keyring *ring = NULL;

	OK(keyring_read(b->reader, first, &ring));
	return ring;
}

static void put(struct bench *b, const struct access_key_row *row)
{
	OK(b->writer->ops->begin(b->writer));
	OK(b->writer->ops->access_key_put(b->writer, row));
	OK(b->writer->ops->commit(b->writer));
}

static void keys_are_found_until_they_are_over(void **state)
{
	struct bench *b = *state;
	char text[2][ACCESS_KEY_LEN + 1];
	struct access_key_row keys[2] = { a_key("a b-*", 0, text[0]), a_key("*", 1000, text[1]) };
	struct keyring *ring = read_ring(b, NULL);

	assert_true(keyring_is_open(NULL) && keyring_is_open(ring));
	keyring_release(ring);
	put(b, &keys[0]);
	put(b, &keys[1]);
	ring = read_ring(b, NULL);
	assert_false(keyring_is_open(ring));
	const struct credential *c = keyring_find(ring, slice_of(text[0]), 999);
	assert_non_null(c);
	assert_string_equal(c->key.jobs, "a b-*");
	assert_string_equal(c->key.name, "n\"1");
	assert_true(c->key.rights == RIGHT_WATCH && c->key.created == 5 && !c->key.expires);
	assert_non_null(keyring_find(ring, slice_of(text[1]), 999));
	assert_null(keyring_find(ring, slice_of(text[1]), 1000));
	text[0][ACCESS_KEY_LEN - 1] = text[0][ACCESS_KEY_LEN - 1] == 'a' ? 'b' : 'a';
	assert_null(keyring_find(ring, slice_of(text[0]), 999));
	keyring_release(ring);
	keys[0].revoked = 7;
	put(b, &keys[0]);
	ring = read_ring(b, NULL);
	assert_null(keyring_find(ring, slice_of(text[0]), 999));
	assert_int_equal(keyring_get(ring, keys[0].id)->key.revoked, 7);
	assert_false(keyring_is_open(ring));
	keyring_release(ring);
	access_key_row_finish(&keys[0]);
	access_key_row_finish(&keys[1]);
}

static void a_key_that_was_rolled_back_is_none(void **state)
{
	struct bench *b = *state;
	char text[ACCESS_KEY_LEN + 1];
	struct access_key_row row = a_key("*", 0, text);

	OK(b->writer->ops->begin(b->writer));
	OK(b->writer->ops->access_key_put(b->writer, &row));
	b->writer->ops->rollback(b->writer);
	struct keyring *ring = read_ring(b, NULL);
	assert_true(keyring_is_open(ring));
	keyring_release(ring);
	access_key_row_finish(&row);
}

static void the_first_key_is_in_every_ring(void **state)
{
	struct bench *b = *state;
	char text[ACCESS_KEY_LEN + 1];
	struct access_key_row row = a_key("*", 0, text);
	struct credential *first = credential_create(&row);
	struct keyring *ring = read_ring(b, first);

	credential_release(first);
	assert_non_null(keyring_find(ring, slice_of(text), 0));
	keyring_release(ring);
}

static void put_many(struct bench *b, char (*texts)[ACCESS_KEY_LEN + 1])
{
	OK(b->writer->ops->begin(b->writer));
	for (unsigned i = 0; i < NAMES; i++) {
		struct access_key_row row = a_key("*", i % 2 ? 1000 : 2000, texts[i]);
		OK(b->writer->ops->access_key_put(b->writer, &row));
		access_key_row_finish(&row);
	}
	OK(b->writer->ops->commit(b->writer));
}

static void every_key_of_thousands_is_found(void **state)
{
	struct bench *b = *state;
	char(*texts)[ACCESS_KEY_LEN + 1] = xcalloc(NAMES, sizeof(*texts));

	put_many(b, texts);
	struct keyring *ring = read_ring(b, NULL);
	for (unsigned i = 0; i < NAMES; i++) {
		assert_non_null(keyring_find(ring, slice_of(texts[i]), 999));
		assert_true(!keyring_find(ring, slice_of(texts[i]), 1000) == (i % 2 == 1));
	}
	assert_null(keyring_get(NULL, texts[0] + 3));
	assert_null(keyring_get(ring, "no such key!"));
	keyring_release(ring);
	free(texts);
}

/* The database may have it too, when the key file is an older one. */
static void a_first_key_that_is_stored_is_the_stored_one(void **state)
{
	struct bench *b = *state;
	char text[ACCESS_KEY_LEN + 1];
	struct access_key_row row = a_key("*", 0, text);

	row.revoked = 5;
	put(b, &row);
	row.revoked = 0;
	struct credential *first = credential_create(&row);
	struct keyring *ring = read_ring(b, first);
	credential_release(first);
	assert_null(keyring_find(ring, slice_of(text), 10));
	keyring_release(ring);
}

int main(void)
{
	const struct CMUnitTest stored[] = {
		STORE_TEST(keys_are_found_until_they_are_over),
		STORE_TEST(a_key_that_was_rolled_back_is_none),
		STORE_TEST(the_first_key_is_in_every_ring),
		STORE_TEST(every_key_of_thousands_is_found),
		STORE_TEST(a_first_key_that_is_stored_is_the_stored_one),
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pattern_covers_the_ids_that_it_matches),
		cmocka_unit_test(a_pattern_as_long_as_an_id_is_compared_whole),
		cmocka_unit_test(a_concealed_id_is_covered_only_by_a_star),
		cmocka_unit_test(a_pattern_has_the_characters_of_an_id_and_stars),
		cmocka_unit_test(a_right_has_one_name),
		cmocka_unit_test(a_generated_key_is_parsed_and_another_text_is_not),
		cmocka_unit_test(digits_of_a_key_are_equally_likely),
	};

	int failed = cmocka_run_group_tests_name("right", tests, NULL, NULL);
	store_location = ":memory:";
	failed += cmocka_run_group_tests_name("keyring of memory", stored, NULL, NULL);
	store_location = NULL;
	return failed + cmocka_run_group_tests_name("keyring of sqlite", stored, NULL, NULL);
}
