#include "help.h"

#include <string.h>

#define COLUMNS 80

void help_all(FILE *out, const struct verb *table)
{
	fputs("joblight: workers report their tasks over HTTP, and everybody sees them live.\n"
	      "usage: joblight VERB [--help] [FLAG …]\n\n",
	      out);
	for (const struct verb *v = table; v->name; v++)
		fprintf(out, "  %-11s %s\n", v->name, v->help);
	fputs("\nexit status:", out);
#define EXIT_ROW(name, number, word, meaning)                                                      \
	fprintf(out, "%s %d %s", EXIT_##name == EXIT_REFUSED ? ",\n            " : &","[!number],  \
	        number, word);
#include "exit_status.def"
#undef EXIT_ROW
	fputs("\n", out);
}

static void print_flag(void *context, const struct flag *f)
{
	char left[40];

	snprintf(left, sizeof(left), "--%s%s%s", f->name, f->argument ? " " : "",
	         f->argument ? f->argument : "");
	fprintf(context, "  %-22s %s\n", left, f->help);
}

/* The flags of all parts, each of them once. */
struct flags_seen {
	FILE *out;
	const char *names[64];
	size_t count;
};

static void print_new_flag(void *context, const struct flag *f)
{
	struct flags_seen *seen = context;

	for (size_t i = 0; i < seen->count; i++)
		if (strcmp(seen->names[i], f->name) == 0)
			return;
	if (seen->count < sizeof(seen->names) / sizeof(seen->names[0]))
		seen->names[seen->count++] = f->name;
	print_flag(seen->out, f);
}

static size_t width_of(const struct verb *v, const struct verb *part)
{
	return strlen(v->name) + strlen(part->name) + strlen(part->operands) + 13;
}

/* A line for each part, or two when one of them does not fit. */
static void help_part_names(FILE *out, const struct verb *v)
{
	size_t left = 0;
	bool fits = true;
	char words[COLUMNS];

	for (const struct verb *part = v->parts; part->name; part++)
		left = width_of(v, part) > left ? width_of(v, part) : left;
	for (const struct verb *part = v->parts; part->name; part++)
		fits &= left + 2 + strlen(part->help) <= COLUMNS;
	for (const struct verb *part = v->parts; part->name; part++) {
		snprintf(words, sizeof(words), "  joblight %s %s%s%s", v->name, part->name,
		         part->operands[0] ? " " : "", part->operands);
		if (fits)
			fprintf(out, "%-*s  %s\n", (int)left, words, part->help);
		else
			fprintf(out, "%s\n      %s\n", words, part->help);
	}
}

static void help_parts(FILE *out, const struct verb *v)
{
	struct flags_seen seen = { .out = out };

	fprintf(out, "joblight %s: %s\n\n", v->name, v->help);
	help_part_names(out, v);
	fputs("\n", out);
	for (const struct verb *part = v->parts; part->name; part++)
		verb_visit_flags(part, print_new_flag, &seen);
}

void help_verb(FILE *out, const struct verb *v, const char *name)
{
	if (v->parts) {
		help_parts(out, v);
		return;
	}
	const char *flags = v->flags || v->prints || v->timeout || v->own ? " [FLAG …]" : "";

	fprintf(out, "usage: joblight %s%s%s%s%s\n\n%s.\n\n", name, v->own ? "" : flags,
	        v->operands[0] ? " " : "", v->operands, v->own ? flags : "", v->help);
	if (v->own)
		fputs("The flags are those of `joblight serve`, such as --db FILE (joblight.db).\n",
		      out);
	verb_visit_flags(v, print_flag, out);
	if (v->timeout)
		fprintf(out, "\nTime: 500ms, 30s, 5min, 2h; --timeout is %s by default.\n",
		        v->timeout);
	fprintf(out, "\nexample: %s\n", v->example);
}
