/* The keys that are in force: read from the store, found by their text, shared by the loops. */
#include "store_kit.h"

#include "faulty_store.h"
#include "joblight/core/keyring.h"

#define NOW 1700000000000LL
#define MANY 1500

static uint64_t drawn;

/* Every key gets other bytes. */
static void counted(void *out, size_t len)
{
	uint64_t x = ++drawn * 0x9e3779b97f4a7c15;

	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		((uint8_t *)out)[i] = (uint8_t)(x >> 32);
	}
}

static struct access_key_row a_key(int number, char text[ACCESS_KEY_LEN + 1])
{
	char name[16];

	snprintf(name, sizeof(name), "key %d", number);
	struct access_key_row row = {
		.rights = RIGHT_WATCH, .created = 5, .name = xstrdup(name), .jobs = xstrdup("*")
	};
	access_key_generate(&row, counted, text);
	return row;
}

static struct revoked_token_row a_token(int number)
{
	struct revoked_token_row row = { .expires = NOW };

	snprintf(row.id, sizeof(row.id), "%022d", number);
	return row;
}

static void put_key(struct store *w, const struct access_key_row *row)
{
	OK(w->ops->begin(w));
	OK(w->ops->access_key_put(w, row));
	OK(w->ops->commit(w));
}

static struct keyring *ring_of(struct bench *b)
{
	struct keyring *ring = NULL;

	OK(keyring_read(b->reader, NULL, &ring));
	return ring;
}

/* ---- finding ---- */

struct order {
	int next;
};

static void is_next(void *context, const struct credential *c)
{
	char name[16];

	snprintf(name, sizeof(name), "key %d", ((struct order *)context)->next++);
	assert_string_equal(c->key.name, name);
}

static void every_one_of_many_keys_is_found_by_its_text(void **state)
{
	static char texts[MANY][ACCESS_KEY_LEN + 1];
	struct bench *b = *state;
	struct store *w = b->writer;
	struct order order = { 0 };

	OK(w->ops->begin(w));
	for (int i = 0; i < MANY; i++) {
		struct access_key_row row = a_key(i, texts[i]);
		OK(w->ops->access_key_put(w, &row));
		access_key_row_finish(&row);
	}
	OK(w->ops->commit(w));
	struct keyring *ring = ring_of(b);
	for (int i = 0; i < MANY; i++) {
		struct order one = { i };
		struct credential *c = keyring_find(ring, slice_of(texts[i]), NOW);
		assert_non_null(c);
		is_next(&one, c);
		texts[i][ACCESS_KEY_LEN - 1] ^= 1; /* another secret, or no character of one */
		assert_null(keyring_find(ring, slice_of(texts[i]), NOW));
	}
	keyring_each(ring, is_next, &order);
	assert_int_equal(order.next, MANY);
	keyring_release(ring);
}

static void every_one_of_many_revoked_tokens_is_known(void **state)
{
	struct bench *b = *state;
	struct store *w = b->writer;

	OK(w->ops->begin(w));
	for (int i = 0; i < MANY; i++) {
		struct revoked_token_row row = a_token(i);
		OK(w->ops->revoked_token_put(w, &row));
	}
	OK(w->ops->commit(w));
	struct keyring *ring = ring_of(b);
	for (int i = 0; i < 2 * MANY; i++)
		assert_int_equal(keyring_has_revoked(ring, a_token(i).id), i < MANY);
	assert_false(keyring_has_revoked(ring, "") || keyring_has_revoked(NULL, a_token(0).id));
	keyring_release(ring);
}

static void a_key_ends_at_its_millisecond_and_with_its_revocation(void **state)
{
	struct bench *b = *state;
	char text[ACCESS_KEY_LEN + 1];
	struct access_key_row row = a_key(0, text);

	row.expires = NOW;
	put_key(b->writer, &row);
	struct keyring *ring = ring_of(b);
	assert_non_null(keyring_find(ring, slice_of(text), NOW - 1));
	assert_null(keyring_find(ring, slice_of(text), NOW));
	keyring_release(ring);
	row.expires = 0;
	row.revoked = NOW;
	put_key(b->writer, &row);
	ring = ring_of(b);
	assert_null(keyring_find(ring, slice_of(text), NOW - 1));
	assert_non_null(keyring_get(ring, row.id)); /* it is still listed */
	assert_false(keyring_is_open(ring));
	keyring_release(ring);
	access_key_row_finish(&row);
}

static void a_server_without_keys_is_open(void **state)
{
	struct keyring *ring = ring_of(*state);
	char text[ACCESS_KEY_LEN + 1];
	struct access_key_row row = a_key(0, text);

	assert_true(keyring_is_open(ring) && keyring_is_open(NULL));
	assert_null(keyring_find(ring, slice_of(text), NOW));
	assert_null(keyring_find(NULL, slice_of(text), NOW));
	assert_null(keyring_signing_key(NULL));
	assert_null(keyring_signing_key(ring)); /* none was made */
	keyring_each(NULL, is_next, NULL);
	access_key_row_finish(&row);
	keyring_release(ring);
	keyring_release(NULL);
	assert_null(keyring_hold(NULL));
}

/* The key of --key-file stands beside those of the database, unless it is one of them. */
static void the_first_key_is_in_force_without_being_stored(void **state)
{
	struct bench *b = *state;
	struct keyring *ring = NULL;
	char text[ACCESS_KEY_LEN + 1];
	struct access_key_row row = a_key(0, text), same;

	same = row;
	same.name = xstrdup("of the file");
	same.jobs = xstrdup("*");
	struct credential *first = credential_create(&same);
	OK(keyring_read(b->reader, first, &ring));
	assert_ptr_equal(keyring_find(ring, slice_of(text), NOW), first);
	keyring_release(ring);
	put_key(b->writer, &row);
	OK(keyring_read(b->reader, first, &ring));
	assert_string_equal(keyring_find(ring, slice_of(text), NOW)->key.name, "key 0");
	keyring_release(ring);
	assert_int_equal(first->references, 1);
	credential_release(first);
	access_key_row_finish(&row);
}

/* ---- a store that fails ---- */

/* Each call of the store in turn; the ring that there was stays. */
static void a_ring_that_cannot_be_read_is_none(void **state)
{
	struct bench *b = *state;
	struct faulty_store faulty;
	struct store_ops ops;
	char text[ACCESS_KEY_LEN + 1];
	struct access_key_row row = a_key(0, text);
	struct keyring *kept = ring_of(b), *ring = kept;

	put_key(b->writer, &row);
	access_key_row_finish(&row);
	faulty_init(&faulty, b->reader, &ops, false);
	for (faulty.fails_at = 1; faulty.fails_at <= 4; faulty.fails_at++) {
		faulty.calls = 0;
		faulty.how = faulty.fails_at % 2 ? STORE_BROKEN : STORE_BUSY;
		assert_int_equal(keyring_read(&faulty.base, NULL, &ring), faulty.how);
		assert_ptr_equal(ring, kept);
	}
	faulty.fails_at = 0;
	OK(keyring_read(&faulty.base, NULL, &ring)); /* nothing is left open */
	assert_ptr_not_equal(ring, kept);
	keyring_release(ring);
	keyring_release(kept);
}

static void a_signing_key_that_cannot_be_stored_is_not_used(void **state)
{
	struct bench *b = *state;
	struct faulty_store faulty;
	struct store_ops ops;

	faulty_init(&faulty, b->writer, &ops, true);
	faulty.how = STORE_FULL;
	for (faulty.fails_at = 1; faulty.fails_at <= 4; faulty.fails_at++) {
		faulty.calls = 0;
		assert_int_equal(keyring_prepare(&faulty.base, counted), STORE_FULL);
		struct keyring *ring = ring_of(b);
		assert_null(keyring_signing_key(ring));
		keyring_release(ring);
	}
	faulty.fails_at = 0;
	OK(keyring_prepare(&faulty.base, counted));
	struct keyring *ring = ring_of(b);
	struct signing_key_row made = *keyring_signing_key(ring);
	keyring_release(ring);
	OK(keyring_prepare(&faulty.base, counted)); /* the same is kept */
	ring = ring_of(b);
	assert_memory_equal(keyring_signing_key(ring)->secret, made.secret, sizeof(made.secret));
	keyring_release(ring);
}

static void rings_are_equal_until_a_key_or_a_token_changes(void **state)
{
	struct bench *b = *state;
	char text[ACCESS_KEY_LEN + 1];
	struct access_key_row row = a_key(1, text);
	struct revoked_token_row token = a_token(1);
	struct keyring *rings[5];

	rings[0] = ring_of(b);
	put_key(b->writer, &row);
	rings[1] = ring_of(b);
	row.revoked = NOW;
	put_key(b->writer, &row);
	rings[2] = ring_of(b);
	OK(b->writer->ops->begin(b->writer));
	OK(b->writer->ops->revoked_token_put(b->writer, &token));
	OK(b->writer->ops->commit(b->writer));
	rings[3] = ring_of(b);
	OK(keyring_prepare(b->writer, counted));
	rings[4] = ring_of(b);
	for (size_t i = 0; i < 5; i++)
		for (size_t k = 0; k < 5; k++)
			assert_int_equal(keyring_equal(rings[i], rings[k]), i == k);
	struct keyring *again = ring_of(b);
	assert_true(keyring_equal(again, rings[4]));
	keyring_release(again);
	for (size_t i = 0; i < 5; i++)
		keyring_release(rings[i]);
	access_key_row_finish(&row);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(every_one_of_many_keys_is_found_by_its_text),
		STORE_TEST(every_one_of_many_revoked_tokens_is_known),
		STORE_TEST(a_key_ends_at_its_millisecond_and_with_its_revocation),
		STORE_TEST(a_server_without_keys_is_open),
		STORE_TEST(the_first_key_is_in_force_without_being_stored),
		STORE_TEST(a_ring_that_cannot_be_read_is_none),
		STORE_TEST(a_signing_key_that_cannot_be_stored_is_not_used),
		STORE_TEST(rings_are_equal_until_a_key_or_a_token_changes),
	};

	return cmocka_run_group_tests_name("keyring", tests, NULL, NULL);
}
