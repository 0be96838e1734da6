#include "kit.h"

#include "joblight/base/buf.h"
#include "serve/name_distance.h"
#include "serve/setting.h"
#include "serve/setting_text.h"
#include "serve/shown_text.h"

static void the_nearest_name_is_the_one_with_the_fewest_changes(void **state)
{
	static const struct {
		const char *name, *nearest;
	} rows[] = {
		{ "lisen", "listen" },
		{ "listenn", "listen" },
		{ "max-nite", "max-note" },
		{ "maxnote", "max-note" },
		{ "DB", "db" },
		{ "hosts", "host" },
		{ "retention", "retention-ms" },
		{ "tls-crt", "tls-cert" },
	};
	const char *nearest;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_null(setting_find(rows[i].name, &nearest));
		assert_string_equal(nearest, rows[i].nearest);
	}
}

static void every_setting_is_found_by_its_name_and_named_once(void **state)
{
	const char *nearest;

	(void)state;
	for (size_t i = 0; i < SETTING_COUNT; i++)
		assert_ptr_equal(setting_find(settings[i].flag, &nearest), &settings[i]);
}

static void the_distance_is_the_number_of_changed_characters(void **state)
{
	char longer[NAME_MAX_LEN + 2];

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(name_distance("", ""), 0);
	assert_int_equal(name_distance("abc", ""), 3);
	assert_int_equal(name_distance("", "abc"), 3);
	assert_int_equal(name_distance("abc", "abd"), 1);
	assert_int_equal(name_distance("abc", "xabc"), 1);
	assert_int_equal(name_distance("kitten", "sitting"), 3);
	assert_int_equal(name_distance("ab", longer), 2 + NAME_MAX_LEN + 1);
}

/* The tables, as a compiler cannot check them. */
static void rows_keep_their_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		const struct setting *s = &settings[i];
		size_t len = strlen(s->flag);
		bool number = s->type == SETTING_NUMBER || s->type == SETTING_LIMIT;

		assert_true(len < NAME_MAX_LEN - strlen("JOBLIGHT_"));
		assert_int_equal(strspn(s->flag, "abcdefghijklmnopqrstuvwxyz-"), len);
		assert_true(s->help && *s->help);
		if (number && (s->min > s->default_value || s->default_value > s->max))
			fail_msg("--%s: its default is out of range", s->flag);
		if (len > 3 && strcmp(s->flag + len - 3, "-ms") == 0)
			assert_int_equal(s->unit, QUANTITY_MS);
		if (s->type == SETTING_TEXT && s->default_text)
			assert_true(s->kind->is_valid(slice_of(s->default_text)));
		if (s->type == SETTING_TEXT || s->type == SETTING_LIST)
			assert_true(s->kind && s->argument);
	}
}

struct visits {
	size_t sections, rows;
	const char *last;
};

static void count_section(void *context, const char *title)
{
	struct visits *v = context;

	v->sections++;
	assert_true(!v->last || strcmp(v->last, title) != 0);
	v->last = title;
}

static void count_row(void *context, const struct setting *s)
{
	struct visits *v = context;

	assert_true(v->sections && s);
	v->rows++;
}

static void every_setting_is_in_one_section(void **state)
{
	struct visits visits = { 0 };
	const struct setting_visitor v = { count_section, count_row, &visits };

	(void)state;
	setting_visit(&v);
	assert_int_equal(visits.rows, SETTING_COUNT);
}

static void what_is_shown_has_no_secret_and_no_control_characters(void **state)
{
	static const struct {
		const char *value, *shown;
	} rows[] = {
		{ "", "" },
		{ "/var/lib/joblight.db", "/var/lib/joblight.db" },
		{ "a\nb\x1b[2J\x7f", "a?b?[2J?" },
		{ "caf\xc3\xa9", "caf\xc3\xa9" },
		{ "jl_4nQ0vB8sKx2M_9mQ7tVbE3RkzUuW5yXo1LcPhA0dGfJs8iNnTqZ2wCe4", "[hidden]" },
		{ "jl_4nQ0vB8sKx2M_9mQ7tVbE3RkzUuW5yXo1LcPhA0d", "[hidden]" },
		{ "eyJhbGciOiJub25lIn0.e30.", "[hidden]" },
		{ "jl_short", "jl_short" },
		{ "eyJ", "eyJ" },
		{ "postgres://joblight:s3cr:t@p@db.example/x",
		  "postgres://joblight:[hidden]@db.example/x" },
		{ "https://joblight@db.example:80/", "https://joblight@db.example:80/" },
		{ "https://db.example:80/", "https://db.example:80/" },
		{ "https://user:@db.example", "https://user:@db.example" },
		{ "redis://:s3cr@t@r.example:6379", "redis://:[hidden]@r.example:6379" },
		{ "redis:/:s3cret@r.example", "redis:[hidden]@r.example" },
		{ "me:s3cret@r.example", "me:[hidden]@r.example" },
		{ "admin@r.example", "admin@r.example" },
		{ "postgres://me@h/x?password=s3cr%40t&sslmode=require",
		  "postgres://me@h/x?password=[hidden]&sslmode=require" },
		{ "host=h password=s3cret dbname=x sslpassword=s3cret",
		  "host=h password=[hidden] dbname=x sslpassword=[hidden]" },
		{ "postgres://me:s3cret@h/x?password=s3cret",
		  "postgres://me:[hidden]@h/x?password=[hidden]" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out = { 0 };
		shown_text_add(&out, slice_of(rows[i].value));
		assert_string_equal(buf_string(&out), rows[i].shown);
		buf_finish(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_nearest_name_is_the_one_with_the_fewest_changes),
		TEST(every_setting_is_found_by_its_name_and_named_once),
		TEST(the_distance_is_the_number_of_changed_characters),
		TEST(rows_keep_their_rules),
		TEST(every_setting_is_in_one_section),
		TEST(what_is_shown_has_no_secret_and_no_control_characters),
	};

	return RUN("setting", tests);
}
