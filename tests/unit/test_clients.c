/* The table of clients: it is bounded, and forgets. */
#include "kit.h"

#include "net/clients.h"

static struct client_name numbered(uint32_t number)
{
	const uint8_t bytes[4] = { 10, (uint8_t)(number >> 16), (uint8_t)(number >> 8),
		                   (uint8_t)number };
	struct client_address a = client_address_v4(bytes);

	return client_name_of_address(&a);
}

static void touch(struct clients *t, uint32_t number, uint64_t now)
{
	struct client_name name = numbered(number);

	clients_release(t, clients_hold(t, &name, now), now);
}

static int make(void **state)
{
	*state = clients_create();
	return 0;
}

static int finish(void **state)
{
	clients_free(*state);
	return 0;
}

static void one_name_is_one_entry(void **state)
{
	struct clients *t = *state;
	struct client_name a = numbered(1), b = numbered(2),
	                   key = client_name_of_key("aaaaaaaaaaaa");
	struct client *first = clients_hold(t, &a, 0), *again = clients_hold(t, &a, 0);
	struct client *other = clients_hold(t, &b, 0), *keyed = clients_hold(t, &key, 0);

	assert_ptr_equal(first, again);
	assert_ptr_not_equal(first, other);
	assert_ptr_not_equal(keyed, other);
	assert_int_equal(clients_count(t), 3);
	clients_release(t, first, 0);
	clients_release(t, again, 0);
	clients_release(t, other, 0);
	clients_release(t, keyed, 0);
	clients_release(t, NULL, 0);
}

static void a_key_is_never_an_address(void **state)
{
	struct client_name key = client_name_of_key(""), address = numbered(0);

	(void)state;
	assert_int_not_equal(key.kind, address.kind);
}

static void an_entry_lasts_for_a_while(void **state)
{
	struct clients *t = *state;

	touch(t, 1, 1000);
	clients_tick(t, 1000 + CLIENTS_IDLE_MS - 1);
	assert_int_equal(clients_count(t), 1);
	clients_tick(t, 1000 + CLIENTS_IDLE_MS);
	assert_int_equal(clients_count(t), 0);
}

static void what_is_held_is_not_forgotten(void **state)
{
	struct clients *t = *state;
	struct client_name name = numbered(1);
	struct client *held;

	touch(t, 1, 0);
	held = clients_hold(t, &name, 10);
	held->streams = 7;
	clients_tick(t, 100 * CLIENTS_IDLE_MS);
	assert_int_equal(clients_count(t), 1);
	clients_release(t, held, 100 * CLIENTS_IDLE_MS);
	assert_ptr_equal(clients_hold(t, &name, 100 * CLIENTS_IDLE_MS), held);
	clients_release(t, held, 100 * CLIENTS_IDLE_MS);
}

static void there_are_only_so_many(void **state)
{
	struct clients *t = *state;
	struct client_name first = numbered(0);
	struct client *held = clients_hold(t, &first, 0);

	for (uint32_t i = 1; i <= CLIENTS_IDLE_MAX; i++)
		touch(t, i, 0);
	assert_int_equal(clients_count(t), 1 + CLIENTS_IDLE_MAX);
	for (uint32_t i = 1; i <= 1000; i++)
		touch(t, CLIENTS_IDLE_MAX + i, 0);
	assert_int_equal(clients_count(t), 1 + CLIENTS_IDLE_MAX);
	clients_release(t, held, 0);
	assert_int_equal(clients_count(t), CLIENTS_IDLE_MAX);
}

static void the_clock_of_another_loop_may_be_a_little_behind(void **state)
{
	struct clients *t = *state;

	touch(t, 1, 1000);
	clients_tick(t, 998);
	assert_int_equal(clients_count(t), 1);
}

#define TABLE_TEST(f) cmocka_unit_test_setup_teardown(f, make, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TABLE_TEST(one_name_is_one_entry),
		TEST(a_key_is_never_an_address),
		TABLE_TEST(an_entry_lasts_for_a_while),
		TABLE_TEST(what_is_held_is_not_forgotten),
		TABLE_TEST(there_are_only_so_many),
		TABLE_TEST(the_clock_of_another_loop_may_be_a_little_behind),
	};

	return RUN("clients", tests);
}
