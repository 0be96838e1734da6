#include <stdio.h>
#include <string.h>

#include "setting_text.h"

#define LINE_COLUMNS 79
#define INDENT 24

/* Writes the words in lines that begin at INDENT.  `column` is where the cursor is. */
static void write_wrapped(FILE *out, const char *text, int column)
{
	if (column >= INDENT) {
		fputc('\n', out);
		column = 0;
	}
	fprintf(out, "%*s", INDENT - column, "");
	for (column = INDENT; *text; text += strspn(text, " ")) {
		int len = (int)strcspn(text, " ");
		if (column > INDENT && column + 1 + len > LINE_COLUMNS) {
			fprintf(out, "\n%*s", INDENT, "");
			column = INDENT;
		}
		column += fprintf(out, "%s%.*s", column > INDENT ? " " : "", len, text);
		text += len;
	}
	fputc('\n', out);
}

static void write_row(void *context, const struct setting *s)
{
	FILE *out = context;
	const char *argument = setting_argument(s);
	struct buf text = { 0 }, value = { 0 };

	buf_text(&text, s->help);
	if (setting_add_default(&value, s))
		buf_format(&text, " (%s)", buf_string(&value));
	int column = fprintf(out, "  --%s%s%s%s", s->flag, *argument ? " " : "", argument,
	                     s->live ? " *" : "");
	write_wrapped(out, buf_string(&text), column);
	buf_finish(&text);
	buf_finish(&value);
}

static void write_common_row(void *context, const struct setting *s)
{
	if (s->common)
		write_row(context, s);
}

static void write_section(void *context, const char *title)
{
	fprintf(context, "\n%s\n", title);
}

static void write_no_section(void *context, const char *title)
{
	(void)context;
	(void)title;
}

void config_help(FILE *out)
{
	const struct setting_visitor v = { write_no_section, write_common_row, out };

	setting_visit(&v);
	fputs("\n  --help-all lists all settings; so do docs/settings.md and man joblight.conf.\n"
	      "  Each is a flag, JOBLIGHT_NAME in the environment, or a line of --config FILE.\n"
	      "  Those with * change without a restart: joblight reload.\n",
	      out);
}

void config_help_all(FILE *out)
{
	const struct setting_visitor v = { write_section, write_row, out };

	fputs("Each setting is a flag, JOBLIGHT_NAME in the environment, or a line\n"
	      "`name = value` of the file of --config.  Flags override the environment, which\n"
	      "overrides the file.  A SIZE is in bytes, or has a unit: KiB, MiB, GiB, kB, MB,\n"
	      "GB; a TIME in milliseconds, or with ms, s, min, h, d.  Settings with * change\n"
	      "without a restart: joblight reload.\n",
	      out);
	setting_visit(&v);
}
