/* The hash function of all tables. */
#include "kit.h"

#include "joblight/base/hash.h"

#define LONGEST 40

/* A table finds a key again wherever it lies in memory. */
static void a_hash_depends_on_the_bytes_alone(void **state)
{
	char room[LONGEST + 8], text[LONGEST];

	(void)state;
	for (size_t i = 0; i < LONGEST; i++)
		text[i] = (char)(i * 37);
	for (size_t len = 0; len <= LONGEST; len++)
		for (size_t shift = 0; shift < 8; shift++) {
			memset(room, (int)shift, sizeof(room));
			memcpy(room + shift, text, len);
			assert_int_equal(hash_bytes(room + shift, len), hash_bytes(text, len));
		}
}

/* Every byte counts, the last ones as much as the first. */
static void every_byte_and_the_length_count(void **state)
{
	char text[LONGEST] = { 0 };

	(void)state;
	for (size_t len = 1; len <= LONGEST; len++) {
		unsigned whole = hash_bytes(text, len);
		assert_int_not_equal(whole, hash_bytes(text, len - 1));
		for (size_t i = 0; i < len; i++) {
			text[i] = 1;
			assert_int_not_equal(hash_bytes(text, len), whole);
			text[i] = 0;
		}
	}
}

static int compare(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return (x > y) - (x < y);
}

/* Ids that are counted up must not fall into few buckets. */
static void ids_in_a_row_fill_the_buckets_evenly(void **state)
{
	enum { IDS = 4096, BUCKETS = 256 };
	unsigned counts[BUCKETS] = { 0 };
	char id[16];

	(void)state;
	for (unsigned i = 0; i < IDS; i++)
		counts[hash_bytes(id, (size_t)snprintf(id, sizeof(id), "job-%u", i)) % BUCKETS]++;
	qsort(counts, BUCKETS, sizeof(counts[0]), compare);
	assert_in_range(counts[0], 1, IDS / BUCKETS);
	assert_in_range(counts[BUCKETS - 1], IDS / BUCKETS, 3 * IDS / BUCKETS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_hash_depends_on_the_bytes_alone),
		TEST(every_byte_and_the_length_count),
		TEST(ids_in_a_row_fill_the_buckets_evenly),
	};

	return RUN("hash", tests);
}
