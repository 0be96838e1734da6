/* What is sent to PostgreSQL: names of channels, notifications, and what is sent together. */
#include "kit.h"

#include "bus/postgres_rounds.h"

static const char *name_after(const char *text)
{
	return strchr(text, '"') + 1;
}

static struct postgres_round *only(struct postgres_rounds *r)
{
	struct postgres_round *round = postgres_rounds_take(r);

	assert_non_null(round);
	assert_null(postgres_rounds_take(r));
	assert_int_equal(r->bytes, 0);
	return round;
}

static void statements_of_one_kind_are_one_round(void **state)
{
	struct postgres_rounds r;
	struct postgres_round *round;

	(void)state;
	postgres_rounds_init(&r);
	postgres_rounds_listen(&r, SLICE("a:b"));
	postgres_rounds_unlisten(&r, SLICE("A:b"));
	postgres_rounds_notify(&r, SLICE("c"), SLICE("\x01\xff"));
	postgres_rounds_notify(&r, SLICE("d"), SLICE(""));
	postgres_rounds_listen(&r, SLICE("e"));
	round = postgres_rounds_take(&r);
	assert_string_equal(round->text.ptr, "LISTEN \"a:b\";UNLISTEN \"A:b\";");
	assert_int_equal(round->names.len, 4);
	assert_memory_equal(round->names.ptr, "a:b", 4);
	postgres_round_free(round);
	round = postgres_rounds_take(&r);
	assert_string_equal(round->text.ptr, "{\"c\",\"d\"}");
	assert_string_equal(round->payloads.ptr, "{\"Af8\",\"\"}");
	postgres_round_free(round);
	round = only(&r);
	assert_string_equal(round->text.ptr, "LISTEN \"e\";");
	postgres_round_free(round);
}

static void a_round_has_an_end(void **state)
{
	static const char bytes[POSTGRES_MESSAGE_MAX];
	struct slice message = { bytes, sizeof(bytes) };
	struct postgres_rounds r;
	unsigned rounds = 0, count = 0;

	(void)state;
	postgres_rounds_init(&r);
	for (unsigned i = 0; i < 1000; i++)
		postgres_rounds_notify(&r, SLICE("c"), message);
	for (struct postgres_round *round; (round = postgres_rounds_take(&r)); rounds++) {
		count += round->count;
		assert_true(round->payloads.len < 300000);
		postgres_round_free(round);
	}
	assert_int_equal(count, 1000);
	assert_in_range(rounds, 20, 40);
	assert_int_equal(r.bytes, 0);
	postgres_rounds_listen(&r, SLICE("c"));
	postgres_rounds_clear(&r);
	assert_null(postgres_rounds_take(&r));
}

/* A channel of `len` bytes that ends with this character, and a message of `size` bytes. */
static void comes_back(size_t len, char last, size_t size)
{
	static char channel[POSTGRES_NAME_MAX], bytes[POSTGRES_MESSAGE_MAX];
	struct slice name = { channel, len }, message = { bytes, size }, read;
	struct postgres_rounds r;
	struct buf out = { 0 };

	memset(channel, 'j', sizeof(channel));
	memset(bytes, '\xee', sizeof(bytes));
	channel[len - 1] = last;
	postgres_rounds_init(&r);
	postgres_rounds_notify(&r, name, message);
	struct postgres_round *round = only(&r);
	char *at = round->text.ptr + 2, *payload = round->payloads.ptr + 2;
	at[strcspn(at, "\"")] = '\0';
	payload[strcspn(payload, "\"")] = '\0';
	assert_true(strlen(at) <= POSTGRES_CHANNEL_MAX && strlen(payload) <= POSTGRES_PAYLOAD_MAX);
	assert_true(postgres_payload_read(at, payload, &read, &out));
	assert_int_equal(read.len, len);
	assert_memory_equal(read.ptr, channel, len);
	assert_int_equal(out.len, size);
	assert_memory_equal(out.len ? out.ptr : "", bytes, size);
	buf_finish(&out);
	postgres_round_free(round);
}

static void channels_and_messages_of_any_length_come_back(void **state)
{
	static const size_t lengths[] = { 1, 62, 63, 64, 65, 200, POSTGRES_NAME_MAX };
	static const size_t sizes[] = { 0, 1, 2, 3, 4, 5000, POSTGRES_MESSAGE_MAX };

	(void)state;
	for (size_t i = 0; i < COUNT(lengths); i++)
		for (size_t k = 0; k < COUNT(sizes); k++)
			comes_back(lengths[i], 'x', sizes[k]);
}

static void long_channels_have_different_names(void **state)
{
	char a[] = "joblight:job:a-job-with-an-id-that-is-longer-than-an-identifier-1",
	     b[sizeof(a)];
	struct postgres_rounds r;

	(void)state;
	memcpy(b, a, sizeof(a));
	b[sizeof(b) - 2] = '2';
	postgres_rounds_init(&r);
	postgres_rounds_listen(&r, slice_of(a));
	postgres_rounds_listen(&r, slice_of(b));
	struct postgres_round *round = only(&r);
	const char *first = name_after(round->text.ptr), *second = strchr(first, ';') + 1;
	assert_memory_not_equal(first, name_after(second), POSTGRES_CHANNEL_MAX);
	postgres_round_free(round);
}

static void what_others_notify_is_not_ours(void **state)
{
	static const char *const payloads[] = { "hello world", "!",   "A",   "a\"b AA",
		                                "c  AA",       " AA", "c AA" };
	struct slice channel;
	struct buf out = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(payloads); i++)
		assert_false(postgres_payload_read("channel", payloads[i], &channel, &out));
	assert_true(postgres_payload_read("channel", "AA", &channel, &out));
	assert_true(slice_is(channel, "channel"));
	buf_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(statements_of_one_kind_are_one_round),
		TEST(a_round_has_an_end),
		TEST(channels_and_messages_of_any_length_come_back),
		TEST(long_channels_have_different_names),
		TEST(what_others_notify_is_not_ours),
	};

	return RUN("postgres_rounds", tests);
}
