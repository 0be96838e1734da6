#include "config_document.h"

#include <ctype.h>
#include <string.h>

#include "setting_text.h"

static void write_escaped(FILE *out, const char *text, const char *special)
{
	for (; *text; text++)
		fprintf(out, "%s%c", strchr(special, *text) ? "\\" : "", *text);
}

/* Markdown. */

#define MARKDOWN_SPECIAL "|<>*_["

static const char introduction[] =
    "# Settings\n\n"
    "Every setting of `joblight serve`. This file is written by `joblight config docs`.\n\n"
    "A setting is a flag (`--max-body 1MiB`), a variable of the environment\n"
    "(`JOBLIGHT_MAX_BODY=1MiB`), or a line of the file of `--config` (`max-body = 1MiB`). Flags\n"
    "override the environment, which overrides the file. `joblight config print` shows the values\n"
    "and where each comes from, `joblight config check` whether they can be used.\n\n"
    "- A SIZE is in bytes, or has a unit: `KiB`, `MiB`, `GiB`, `TiB` are powers of 1024, `kB`,\n"
    "  `MB`, `GB`, `TB` powers of 1000.\n"
    "- A TIME is in milliseconds, or has a unit: `ms`, `s`, `min`, `h`, `d`.\n"
    "- A setting that is *live* changes while the server runs, by `joblight reload`, without\n"
    "  touching a connection. The others are read at the *start* only.\n"
    "- A setting that is *repeatable* takes a flag or a line for each value; in the environment "
    "they\n"
    "  are separated by commas, those of `JOBLIGHT_LISTEN` by spaces.\n\n"
    "[`operating.md`](operating.md) says more about those that a new server needs.\n";

static void write_section(void *context, const char *title)
{
	fprintf(context,
	        "\n## %s\n\n| setting | default | range | read | what it does |\n"
	        "|---|---|---|---|---|\n",
	        title);
}

static void write_cell(FILE *out, bool given, struct buf *text)
{
	if (given)
		fprintf(out, " `%s` |", buf_string(text));
	else
		fputs(" |", out);
	buf_finish(text);
}

static void write_row(void *context, const struct setting *s)
{
	FILE *out = context;
	struct buf value = { 0 }, range = { 0 };
	const char *argument = setting_argument(s);
	bool given = setting_add_default(&value, s);

	fprintf(out, "| `--%s%s", s->flag, *argument ? " " : "");
	write_escaped(out, argument, "|");
	fputs("` |", out);
	write_cell(out, given, &value);
	write_cell(out, setting_add_range(&range, s), &range);
	fprintf(out, " %s | ", s->live ? "live" : "start");
	write_escaped(out, s->help, MARKDOWN_SPECIAL);
	fputs(" |\n", out);
}

void config_document_markdown(FILE *out)
{
	const struct setting_visitor v = { write_section, write_row, out };

	fputs(introduction, out);
	setting_visit(&v);
}

/* scdoc(5). */

#define MANUAL_SPECIAL "\\*_"

static void write_manual_section(void *context, const char *title)
{
	fprintf(context, "## ");
	for (; *title; title++)
		fputc(toupper((unsigned char)*title), context);
	fputs("\n\n", context);
}

static void write_fact(FILE *out, const char *what, bool given, struct buf *text)
{
	if (given) {
		fprintf(out, " %s: ", what);
		write_escaped(out, buf_string(text), MANUAL_SPECIAL);
		fputc('.', out);
	}
	buf_finish(text);
}

static void write_manual_row(void *context, const struct setting *s)
{
	FILE *out = context;
	struct buf value = { 0 }, range = { 0 };
	bool given = setting_add_default(&value, s);
	const char *argument = setting_argument(s);

	fprintf(out, "*%s* = _", s->flag);
	write_escaped(out, *argument ? argument : "true|false", MANUAL_SPECIAL);
	fputs("_\n\t", out);
	write_escaped(out, s->help, MANUAL_SPECIAL);
	fputc('.', out);
	write_fact(out, "Default", given, &value);
	write_fact(out, "Range", setting_add_range(&range, s), &range);
	fprintf(out, " Read %s.\n\n", s->live ? "again by joblight reload" : "at the start only");
}

void config_document_manual(FILE *out)
{
	const struct setting_visitor v = { write_manual_section, write_manual_row, out };

	setting_visit(&v);
}
