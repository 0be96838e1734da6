#include "setting_text.h"

#include <assert.h>
#include <string.h>

#include "shown_text.h"

const char *setting_argument(const struct setting *s)
{
	static const char *const names[] = {
		[QUANTITY_COUNT] = "N",          [QUANTITY_BYTES] = "SIZE",
		[QUANTITY_MS] = "TIME",          [QUANTITY_PER_SECOND] = "N/s",
		[QUANTITY_PER_MINUTE] = "N/min",
	};

	if (s->type == SETTING_SWITCH)
		return "";
	return s->argument ? s->argument : names[s->unit];
}

static void add_quantity(struct buf *out, const struct setting *s, uint64_t value)
{
	char text[QUANTITY_TEXT];

	quantity_format(value, s->unit, text);
	buf_text(out, text);
}

static bool is_number(const struct setting *s)
{
	return s->type == SETTING_NUMBER || s->type == SETTING_LIMIT;
}

bool setting_add_default(struct buf *out, const struct setting *s)
{
	if (is_number(s))
		add_quantity(out, s, s->default_value);
	else if (s->default_text)
		buf_text(out, s->default_text);
	return is_number(s) || s->default_text;
}

bool setting_add_range(struct buf *out, const struct setting *s)
{
	if (!is_number(s))
		return false;
	add_quantity(out, s, s->min);
	buf_text(out, " to ");
	add_quantity(out, s, s->max);
	return true;
}

bool setting_add_value(struct buf *out, const struct setting *s, const struct config *c)
{
	const void *value = setting_value(s, c);
	const char *text;

	switch (s->type) {
	case SETTING_SWITCH:
		buf_text(out, *(const bool *)value ? "true" : "false");
		return true;
	case SETTING_NUMBER:
		add_quantity(out, s, *(const unsigned *)value);
		return true;
	case SETTING_LIMIT:
		add_quantity(out, s, *(const uint64_t *)value);
		return true;
	default:
		text = *(const char *const *)value;
		if (text)
			shown_text_add(out, slice_of(text));
		return text != NULL;
	}
}

/* The rows of both tables in their order: a title, or a flag. */
static const struct place {
	const char *title, *flag;
} places[] = {
#define SECTION(title) { title, NULL },
#define TEXT(field, flag, ...) { NULL, flag },
#define NUMBER TEXT
#define SWITCH TEXT
#define LIST TEXT
#include "config.def"
#undef NUMBER
#undef SWITCH
#undef LIST
#define SECTION(title) { title, NULL },
#define LIMIT TEXT
#include "joblight/core/limits.def"
#undef LIMIT
#undef TEXT
};

#define PLACE_COUNT (sizeof(places) / sizeof(places[0]))

static bool is_first(size_t place)
{
	assert(places[place].title);
	for (size_t i = 0; i < place; i++)
		if (places[i].title && strcmp(places[i].title, places[place].title) == 0)
			return false;
	return true;
}

static void visit_rows(const struct setting_visitor *v, const char *title)
{
	bool inside = false;
	const char *nearest;

	assert(title);
	for (size_t i = 0; i < PLACE_COUNT; i++)
		if (places[i].title)
			inside = strcmp(places[i].title, title) == 0;
		else if (inside)
			v->row(v->context, setting_find(places[i].flag, &nearest));
}

void setting_visit(const struct setting_visitor *v)
{
	for (size_t i = 0; i < PLACE_COUNT; i++) {
		if (!places[i].title || !is_first(i))
			continue;
		v->section(v->context, places[i].title);
		visit_rows(v, places[i].title);
	}
}
