#include "config_print.h"

#include <string.h>

#include "config_set.h"
#include "environment.h"
#include "setting_text.h"
#include "shown_text.h"

#define SOURCE_COLUMN 44

struct printing {
	const struct config *config;
	FILE *out;
};

static void add_source(struct buf *out, const struct config *c, const struct setting *s, int line)
{
	char name[ENVIRONMENT_NAME_MAX];

	switch (c->from[s - settings]) {
	case FROM_FILE:
		buf_format(out, "%s:%d", c->file, line);
		return;
	case FROM_ENVIRONMENT:
		environment_name(s->flag, name, sizeof(name));
		buf_text(out, name);
		return;
	case FROM_FLAG:
		buf_format(out, "--%s", s->flag);
		return;
	default:
		buf_text(out, "default");
	}
}

/* `value` is NULL when there is none. */
static void print_line(const struct printing *p, const struct setting *s, struct buf *value,
                       int line)
{
	struct buf text = { 0 }, source = { 0 };
	bool is_file = s->offset == offsetof(struct config, file); /* not in a file itself */

	buf_format(&text, "%s%s =%s", value && !is_file ? "" : "; ", s->flag, value ? " " : "");
	if (value)
		buf_slice(&text, buf_as_slice(value));
	add_source(&source, p->config, s, line);
	fprintf(p->out, "%-*s ; %s\n", SOURCE_COLUMN, buf_string(&text), buf_string(&source));
	buf_finish(&text);
	buf_finish(&source);
}

static void print_list(const struct printing *p, const struct setting *s)
{
	const struct slices *list = setting_value(s, p->config);

	if (!list->count)
		print_line(p, s, NULL, p->config->lines[s - settings]);
	for (size_t i = 0; i < list->count; i++) {
		struct buf value = { 0 };
		shown_text_add(&value, list->items[i]);
		print_line(p, s, &value, config_line_of(p->config, list->items[i].ptr));
		buf_finish(&value);
	}
}

static void print_row(void *context, const struct setting *s)
{
	const struct printing *p = context;
	struct buf value = { 0 };

	if (s->type == SETTING_LIST) {
		print_list(p, s);
		return;
	}
	bool given = setting_add_value(&value, s, p->config);
	print_line(p, s, given ? &value : NULL, p->config->lines[s - settings]);
	buf_finish(&value);
}

static void print_section(void *context, const char *title)
{
	const struct printing *p = context;

	fprintf(p->out, "\n; %s\n", title);
}

void config_print(const struct config *c, FILE *out)
{
	struct printing p = { c, out };
	const struct setting_visitor v = { print_section, print_row, &p };

	setting_visit(&v);
}
