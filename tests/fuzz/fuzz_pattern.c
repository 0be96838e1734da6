/*
 * Patterns of job ids, and ids that they match.
 *
 * covers: src/core/right.c
 *
 * Compared with a second matcher, which is written for the form "characters of an id, and stars".
 * The first line is the list of patterns, the second one the id.
 */
#include "fuzz.h"

#include "joblight/base/xalloc.h"
#include "joblight/core/json.h"
#include "joblight/core/credential.h"
#include "joblight/core/model.h"

#define INPUT_MAX 400 /* the second matcher tries every length of every star */

static bool matches(struct slice pattern, const char *id)
{
	const char *star = NULL, *resume = NULL;

	while (*id) {
		if (pattern.len && *pattern.ptr == '*') {
			star = pattern.ptr;
			resume = id;
		} else if (pattern.len && *pattern.ptr == *id) {
			id++;
		} else if (star) {
			pattern.len += (size_t)(pattern.ptr - star);
			pattern.ptr = star;
			id = ++resume;
		} else {
			return false;
		}
		pattern.ptr++;
		pattern.len--;
	}
	while (pattern.len && *pattern.ptr == '*') {
		pattern.ptr++;
		pattern.len--;
	}
	return !pattern.len;
}

static bool covers(struct slice list, const char *id, bool *valid)
{
	bool any = false;

	*valid = true;
	while (list.len) {
		const char *end = memchr(list.ptr, ' ', list.len);
		struct slice one = { list.ptr, end ? (size_t)(end - list.ptr) : list.len };
		size_t used = one.len + (end != NULL);
		*valid &= job_pattern_valid(one);
		any |= matches(one, id);
		list.ptr += used;
		list.len -= used;
	}
	return any;
}

static void check_encoding(const struct access_key_row *row)
{
	struct buf text = { 0 };
	size_t at;

	buf_char(&text, '{');
	access_key_encode(&text, row);
	buf_char(&text, '}');
	PROMISE(!json_check(buf_as_slice(&text), JSON_DEPTH_MAX, &at));
	text.len = 0;
	right_describe(&text, (enum right)row->rights);
	buf_finish(&text);
}

static void check(struct slice list, struct slice id, enum right rights)
{
	char name[ID_MAX + 1];
	struct access_key_row row = { .id = "0123456789AB", .rights = rights, .created = 1 };
	bool valid, any;

	if (!id_valid(id))
		return;
	id_copy(name, id);
	any = covers(list, name, &valid);
	if (!valid)
		return;
	row.name = xstrdup("a key");
	row.jobs = xmemdup(list.ptr, list.len);
	row.expires = rights & 1 ? 5 : 0;
	PROMISE(access_key_covers(&row, name) == any);
	check_encoding(&row);
	struct credential *c = credential_create(&row);
	PROMISE(credential_is_over(c, 10) == (c->key.expires == 5));
	credential_release(c);
}

void fuzz_one(struct slice input)
{
	enum right rights = (enum right)(fuzz_byte(&input) & RIGHT_ALL), parsed;
	const char *end = input.len ? memchr(input.ptr, '\n', input.len) : NULL;

	if (!end || input.len > INPUT_MAX)
		return;
	struct slice list = { input.ptr, (size_t)(end - input.ptr) };
	struct slice id = { end + 1, input.len - list.len - 1 };
	if (right_parse(id, &parsed))
		PROMISE(strstr(right_names(), slice_is(id, "watch") ? "watch" : ""));
	check(list, id, rights);
}
