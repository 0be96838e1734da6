#include "kit.h"

#include "joblight/base/quantity.h"

#define BYTES QUANTITY_BYTES
#define MS QUANTITY_MS

static void a_quantity_is_a_whole_number_and_a_unit_of_its_kind(void **state)
{
	static const struct {
		const char *text;
		enum quantity kind;
		uint64_t value;
	} rows[] = {
		{ "0", BYTES, 0 },
		{ "17", BYTES, 17 },
		{ "17B", BYTES, 17 },
		{ "16KiB", BYTES, 16384 },
		{ "16 KiB", BYTES, 16384 },
		{ "16kB", BYTES, 16000 },
		{ "64MiB", BYTES, 67108864 },
		{ "64MB", BYTES, 64000000 },
		{ "1GiB", BYTES, 1073741824 },
		{ "1GB", BYTES, 1000000000 },
		{ "1TiB", BYTES, 1099511627776 },
		{ "1TB", BYTES, 1000000000000 },
		{ "16777215TiB", BYTES, UINT64_MAX - 1099511627775 },
		{ "250", MS, 250 },
		{ "250ms", MS, 250 },
		{ "30s", MS, 30000 },
		{ "5min", MS, 300000 },
		{ "12h", MS, 43200000 },
		{ "7d", MS, 604800000 },
		{ "100", QUANTITY_PER_SECOND, 100 },
		{ "100/s", QUANTITY_PER_SECOND, 100 },
		{ "20/min", QUANTITY_PER_MINUTE, 20 },
		{ "007", QUANTITY_COUNT, 7 },
		{ "9999999999999999999", QUANTITY_COUNT, 9999999999999999999u },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t value = 1;
		if (!quantity_parse(rows[i].text, rows[i].kind, true, &value) ||
		    value != rows[i].value)
			fail_msg("%s: %llu", rows[i].text, (unsigned long long)value);
	}
}

static void what_is_no_quantity_of_its_kind_is_refused(void **state)
{
	static const struct {
		const char *text;
		enum quantity kind;
	} rows[] = {
		{ "", BYTES },
		{ "KiB", BYTES },
		{ "-1", BYTES },
		{ "+1", BYTES },
		{ " 1", BYTES },
		{ "1 ", BYTES },
		{ "1\t", BYTES },
		{ "1.5MiB", BYTES },
		{ "1,5", BYTES },
		{ "1e3", BYTES },
		{ "0x10", BYTES },
		{ "1KB", BYTES },
		{ "1kib", BYTES },
		{ "1K", BYTES },
		{ "1KiBs", BYTES },
		{ "1KiB ", BYTES },
		{ "1s", BYTES },
		{ "16777216TiB", BYTES },
		{ "9999999999999999999TiB", BYTES },
		{ "18446744073709551616", BYTES },
		{ "99999999999999999999", BYTES },
		{ "1m", MS },
		{ "1S", MS },
		{ "1KiB", MS },
		{ "1 day", MS },
		{ "9999999999999999999d", MS },
		{ "1/min", QUANTITY_PER_SECOND },
		{ "1/s", QUANTITY_PER_MINUTE },
		{ "1/s", QUANTITY_COUNT },
		{ "1k", QUANTITY_COUNT },
		{ "many", QUANTITY_COUNT },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t value = 7;
		if (quantity_parse(rows[i].text, rows[i].kind, true, &value) || value != 7)
			fail_msg("taken: %s", rows[i].text);
	}
}

static void a_time_that_is_not_plain_needs_its_unit(void **state)
{
	uint64_t value = 7;

	(void)state;
	assert_false(quantity_parse("5", MS, false, &value));
	assert_int_equal(value, 7);
	assert_true(quantity_parse("5ms", MS, false, &value));
	assert_int_equal(value, 5);
	assert_true(quantity_parse("0", MS, false, &value));
	assert_int_equal(value, 0);
	assert_true(quantity_parse("5", BYTES, false, &value));
	assert_true(quantity_parse("6", QUANTITY_COUNT, false, &value));
	assert_true(quantity_parse("8", QUANTITY_PER_SECOND, false, &value));
	assert_int_equal(value, 8);
}

static void the_text_of_a_quantity_is_short_and_is_read_as_the_same(void **state)
{
	static const struct {
		uint64_t value;
		enum quantity kind;
		const char *text;
	} rows[] = {
		{ 0, BYTES, "0" },
		{ 512, BYTES, "512B" },
		{ 1000, BYTES, "1000B" },
		{ 1024, BYTES, "1KiB" },
		{ 1025, BYTES, "1025B" },
		{ 7168, BYTES, "7KiB" },
		{ 16777216, BYTES, "16MiB" },
		{ 10737418240, BYTES, "10GiB" },
		{ 1099511627776, BYTES, "1TiB" },
		{ UINT64_MAX, BYTES, "18446744073709551615B" },
		{ 0, MS, "0" },
		{ 4, MS, "4ms" },
		{ 1500, MS, "1500ms" },
		{ 90000, MS, "90s" },
		{ 60000, MS, "1min" },
		{ 43200000, MS, "12h" },
		{ 86400000, MS, "1d" },
		{ 3153600000000, MS, "36500d" },
		{ 5000, QUANTITY_PER_SECOND, "5000/s" },
		{ 20, QUANTITY_PER_MINUTE, "20/min" },
		{ 512, QUANTITY_COUNT, "512" },
	};
	char text[QUANTITY_TEXT];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t again = 1;
		quantity_format(rows[i].value, rows[i].kind, text);
		assert_string_equal(text, rows[i].text);
		if (rows[i].value < UINT64_MAX) {
			assert_true(quantity_parse(text, rows[i].kind, false, &again));
			assert_true(again == rows[i].value);
		}
	}
}

static void it_has_a_name_and_says_how_it_is_written(void **state)
{
	(void)state;
	assert_string_equal(quantity_name(BYTES), "a size");
	assert_string_equal(quantity_forms(QUANTITY_COUNT, true), "");
	assert_non_null(strstr(quantity_forms(BYTES, false), "bytes, or with KiB"));
	assert_non_null(strstr(quantity_forms(MS, true), "milliseconds, or with ms"));
	assert_null(strstr(quantity_forms(MS, false), "milliseconds"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_quantity_is_a_whole_number_and_a_unit_of_its_kind),
		TEST(what_is_no_quantity_of_its_kind_is_refused),
		TEST(a_time_that_is_not_plain_needs_its_unit),
		TEST(the_text_of_a_quantity_is_short_and_is_read_as_the_same),
		TEST(it_has_a_name_and_says_how_it_is_written),
	};

	return RUN("quantity", tests);
}
