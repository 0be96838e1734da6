/* The keyrings of a loop, which come from the bus, the store thread and the watch of the keys. */
#include "kit.h"

#include "joblight/core/keyring.h"
#include "joblight/store/backend.h"
#include "net/access.h"
#include "net/loop_private.h"

#define KEY "000000000001"

struct bench {
	struct database *db;
	struct store *store;
	struct store_ops ops; /* of the database of several nodes */
	struct loop loop;
};

static int64_t version;

static enum store_result tell_version(struct store *s, int64_t *out)
{
	(void)s;
	*out = version;
	return STORE_OK;
}

static int open_bench(void **state)
{
	struct bench *b = xcalloc(1, sizeof(*b));
	char error[256];

	b->db = database_open(":memory:", DURABILITY_FULL, error, sizeof(error));
	assert_non_null(b->db);
	b->store = database_writer(b->db);
	b->ops = *b->store->ops;
	b->ops.keys_version = tell_version;
	*state = b;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *b = *state;

	keyring_release(b->loop.keyring);
	database_close(b->db);
	free(b);
	return 0;
}

/* The keyring at this version of the database. */
static struct keyring *keyring_at(struct bench *b, int64_t at, bool revoked)
{
	const struct store_ops *own = b->store->ops;
	struct access_key_row row = { .id = KEY,
		                      .name = (char *)(uintptr_t) "n",
		                      .jobs = (char *)(uintptr_t) "*",
		                      .rights = RIGHT_ALL,
		                      .revoked = revoked };
	struct keyring *ring = NULL;

	assert_int_equal(own->begin(b->store), STORE_OK);
	assert_int_equal(own->access_key_put(b->store, &row), STORE_OK);
	assert_int_equal(own->commit(b->store), STORE_OK);
	version = at;
	b->store->ops = &b->ops;
	assert_int_equal(keyring_read(b->store, NULL, &ring), STORE_OK);
	b->store->ops = own;
	assert_true(keyring_version(ring) == at);
	return ring;
}

static void take(struct bench *b, struct keyring *ring, bool is_taken)
{
	access_take_keyring(&b->loop, ring);
	assert_true((b->loop.keyring == ring) == is_taken);
	keyring_release(ring); /* the loop has its own reference */
}

/* It would make a revoked key valid again. */
static void a_keyring_that_was_overtaken_is_dropped(void **state)
{
	struct bench *b = *state;
	struct keyring *before = keyring_at(b, 7, false), *after = keyring_at(b, 8, true);

	take(b, after, true);
	uint64_t generation = b->loop.keys_generation;
	take(b, before, false);
	take(b, keyring_at(b, 8, true), false);
	assert_true(b->loop.keys_generation == generation);
	take(b, keyring_at(b, 9, false), true);
	assert_true(b->loop.keys_generation > generation);
}

static void keyrings_of_the_only_node_come_in_order(void **state)
{
	struct bench *b = *state;

	take(b, keyring_at(b, 0, false), true);
	take(b, keyring_at(b, 0, true), true);
}

#define ACCESS_TEST(f) cmocka_unit_test_setup_teardown(f, open_bench, close_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ACCESS_TEST(a_keyring_that_was_overtaken_is_dropped),
		ACCESS_TEST(keyrings_of_the_only_node_come_in_order),
	};

	return RUN("access", tests);
}
