#include "shown_text.h"

#include "joblight/core/access_key.h"

#define HIDDEN "[hidden]"

static bool starts_with(struct slice value, struct slice start)
{
	return value.len >= start.len && memcmp(value.ptr, start.ptr, start.len) == 0;
}

/* The header of a JSON Web Token begins with {" in base 64. */
bool shown_text_is_key(struct slice value)
{
	return (starts_with(value, SLICE("jl_")) && value.len >= ACCESS_KEY_LEN / 2) ||
	       (starts_with(value, SLICE("eyJ")) && memchr(value.ptr, '.', value.len));
}

/*
 * The password in SCHEME://USER:PASSWORD@HOST, also when there is a slip in the part before USER;
 * of length 0: there is none.
 */
static struct slice password_of(struct slice value)
{
	const char *end = value.ptr + value.len;
	const char *scheme = memmem(value.ptr, value.len, "://", 3);
	const char *user = scheme ? scheme + 3 : value.ptr;
	const char *at = value.len ? memrchr(user, '@', (size_t)(end - user)) : NULL;
	const char *colon = at ? memchr(user, ':', (size_t)(at - user)) : NULL;

	return colon ? (struct slice){ colon + 1, (size_t)(at - colon - 1) }
	             : (struct slice){ end, 0 };
}

static void add_visible(struct buf *out, const char *from, const char *end)
{
	for (; from < end; from++)
		buf_char(out, (unsigned char)*from < ' ' || *from == 0x7f ? '?' : *from);
}

/* The address of a database may have a password as an option, too. */
static void add_options(struct buf *out, const char *from, const char *end)
{
	const struct slice option = SLICE("password=");
	const char *found;

	while ((found = memmem(from, (size_t)(end - from), option.ptr, option.len))) {
		add_visible(out, from, found + option.len);
		buf_text(out, HIDDEN);
		for (from = found + option.len; from < end && !strchr("& ", *from);)
			from++;
	}
	add_visible(out, from, end);
}

void shown_text_add(struct buf *out, struct slice value)
{
	struct slice password;

	if (shown_text_is_key(value)) {
		buf_text(out, HIDDEN);
		return;
	}
	password = password_of(value);
	if (!password.len) {
		add_options(out, value.ptr, value.ptr + value.len);
		return;
	}
	add_visible(out, value.ptr, password.ptr);
	buf_text(out, HIDDEN);
	add_options(out, password.ptr + password.len, value.ptr + value.len);
}

void shown_text_write(FILE *out, struct slice value)
{
	struct buf shown = { 0 };

	shown_text_add(&shown, value);
	fputs(buf_string(&shown), out);
	buf_finish(&shown);
}
