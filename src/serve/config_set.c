#include "config_set.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "credential_file.h"
#include "environment.h"
#include "joblight/base/xalloc.h"
#include "shown_text.h"

struct config_text {
	struct config_text *next;
	int line;
	size_t size;
	char bytes[];
};

/* Texts that the configuration owns. */

static const char *keep_text(struct config *c, struct slice text, int line)
{
	struct config_text *kept = xmalloc(sizeof(*kept) + text.len + 1);

	*kept = (struct config_text){ c->texts, line, text.len + 1 };
	memcpy(kept->bytes, text.ptr, text.len);
	kept->bytes[text.len] = '\0';
	c->texts = kept;
	return kept->bytes;
}

static void own_list(struct config *c, struct slices *list)
{
	for (size_t i = 0; i < list->count; i++)
		list->items[i].ptr = keep_text(c, list->items[i], 0);
}

void config_own_texts(struct config *c)
{
	c->texts = NULL;
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		void *field = setting_field(&settings[i], c);
		const char **text = field;
		if (settings[i].type == SETTING_LIST)
			own_list(c, field);
		else if (settings[i].type == SETTING_TEXT && *text)
			*text = keep_text(c, slice_of(*text), 0);
	}
}

int config_line_of(const struct config *c, const char *text)
{
	for (const struct config_text *t = c->texts; t; t = t->next)
		if (text >= t->bytes && text < t->bytes + t->size)
			return t->line;
	return 0;
}

void config_finish(struct config *c)
{
	for (struct config_text *t = c->texts, *next; t; t = next) {
		next = t->next;
		free(t);
	}
	c->texts = NULL;
}

/* Messages. */

static void name_setting(const struct config_source *from, const struct setting *s)
{
	char name[ENVIRONMENT_NAME_MAX];

	environment_name(s->flag, name, sizeof(name));
	if (from->from == FROM_FILE)
		fprintf(from->errors, "joblight: %s:%d: %s", from->file, from->line, s->flag);
	else if (from->from == FROM_ENVIRONMENT)
		fprintf(from->errors, "joblight: %s in the environment", name);
	else
		fprintf(from->errors, "joblight: --%s", s->flag);
}

static bool refuse(const struct config_source *from, const struct setting *s, const char *must,
                   const char *value)
{
	name_setting(from, s);
	fprintf(from->errors, " must be %s, not \"", must);
	shown_text_write(from->errors, slice_of(value));
	fputs("\"\n", from->errors);
	return false;
}

/* Numbers and switches. */

static bool refuse_number(const struct config_source *from, const struct setting *s,
                          const char *value)
{
	const char *forms = quantity_forms(s->unit, setting_takes_plain(s));
	char min[QUANTITY_TEXT], max[QUANTITY_TEXT], must[160];

	quantity_format(s->min, s->unit, min);
	quantity_format(s->max, s->unit, max);
	snprintf(must, sizeof(must), "%s from %s to %s%s%s%s", quantity_name(s->unit), min, max,
	         *forms ? " (" : "", forms, *forms ? ")" : "");
	return refuse(from, s, must, value);
}

static bool set_number(const struct config_source *from, const struct setting *s, const char *value)
{
	uint64_t number;

	if (!quantity_parse(value, s->unit, setting_takes_plain(s), &number) || number < s->min ||
	    number > s->max)
		return refuse_number(from, s, value);
	if (s->type == SETTING_LIMIT)
		*(uint64_t *)setting_field(s, from->config) = number;
	else
		*(unsigned *)setting_field(s, from->config) = (unsigned)number;
	return true;
}

static bool set_switch(const struct config_source *from, const struct setting *s, const char *value)
{
	bool on = !value || strcmp(value, "1") == 0 || strcmp(value, "true") == 0;

	if (!on && strcmp(value, "0") != 0 && strcmp(value, "false") != 0)
		return refuse(from, s, "1, 0, true or false", value);
	*(bool *)setting_field(s, from->config) = on;
	return true;
}

/* Texts and lists. */

static bool is_valid(const struct config_source *from, const struct setting *s, struct slice value)
{
	const char *fault = NULL;

	if (shown_text_is_key(value))
		fault = "no setting takes a key or a token itself; write it to a file that only "
		        "the server can read, and name the file";
	else if (!s->kind->is_valid(value))
		fault = s->kind->fault(value);
	if (!fault)
		return true;
	name_setting(from, s);
	fputs(": \"", from->errors);
	shown_text_write(from->errors, value);
	fprintf(from->errors, "\" is not valid: %s\n", fault);
	return false;
}

/* The path of a file that is named as a credential of systemd. */
static struct slice resolve(const struct config_source *from, const struct setting *s,
                            struct slice value)
{
	struct buf path = { 0 };

	if (s->kind->is_secret_file && credential_file_path(value, &path))
		value = slice_of(keep_text(from->config, buf_as_slice(&path), from->line));
	buf_finish(&path);
	return value;
}

static bool add_item(const struct config_source *from, const struct setting *s, struct slice value)
{
	struct slices *list = setting_field(s, from->config);

	if (!is_valid(from, s, value))
		return false;
	if (list->count == SLICES_MAX) {
		name_setting(from, s);
		fprintf(from->errors, " can be given at most %d times\n", SLICES_MAX);
		return false;
	}
	list->items[list->count++] = resolve(from, s, value);
	return true;
}

static bool add_items(const struct config_source *from, const struct setting *s, const char *value)
{
	for (size_t len; *(value += strspn(value, s->separators)); value += len) {
		len = strcspn(value, s->separators);
		if (!add_item(from, s, (struct slice){ value, len }))
			return false;
	}
	return true;
}

static bool set_text(const struct config_source *from, const struct setting *s, const char *value)
{
	if (!is_valid(from, s, slice_of(value)))
		return false;
	*(const char **)setting_field(s, from->config) = resolve(from, s, slice_of(value)).ptr;
	return true;
}

/* All of them. */

static bool set_value(const struct config_source *from, const struct setting *s, const char *value)
{
	switch (s->type) {
	case SETTING_LIST:
		return add_items(from, s, value);
	case SETTING_TEXT:
		return set_text(from, s, value);
	case SETTING_SWITCH:
		return set_switch(from, s, value);
	default:
		return set_number(from, s, value);
	}
}

/*
 * A setting may come again from one source when it is a list, or a number, as scripts do; for two
 * addresses or files it would be unclear which one is meant.
 */
static bool may_repeat(const struct config_source *from, const struct setting *s)
{
	if (s->type != SETTING_TEXT)
		return true;
	name_setting(from, s);
	fprintf(from->errors, " is given twice; it takes one %s\n", s->argument);
	return false;
}

bool config_set(struct config_source *from, const struct setting *s, const char *value)
{
	struct config *c = from->config;
	size_t index = (size_t)(s - settings);

	if (from->seen[index] && !may_repeat(from, s))
		return false;
	if (s->type == SETTING_LIST && !from->seen[index])
		((struct slices *)setting_field(s, c))->count = 0;
	from->seen[index] = true;
	c->from[index] = (unsigned char)from->from;
	c->lines[index] = from->line;
	if (from->from == FROM_FILE)
		value = keep_text(c, slice_of(value), from->line);
	return set_value(from, s, value);
}

static void set_default(struct config *c, const struct setting *s)
{
	void *field = setting_field(s, c);

	c->from[s - settings] = FROM_DEFAULT;
	switch (s->type) {
	case SETTING_LIST:
		((struct slices *)field)->count = 0;
		return;
	case SETTING_TEXT:
		*(const char **)field = s->default_text;
		return;
	case SETTING_SWITCH:
		*(bool *)field = false;
		return;
	case SETTING_NUMBER:
		*(unsigned *)field = (unsigned)s->default_value;
		return;
	case SETTING_LIMIT:
		*(uint64_t *)field = s->default_value;
	}
}

void config_set_defaults(struct config *c)
{
	for (size_t i = 0; i < SETTING_COUNT; i++)
		set_default(c, &settings[i]);
}
