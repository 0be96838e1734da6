#include <stdio.h>
#include <string.h>

#include "help.h"
#include "interrupt.h"
#include "output.h"
#include "serve/process.h"
#include "serve/shown_text.h"
#include "verbs.h"

static int print_help(const struct verb *v, const char *name)
{
	help_verb(stdout, v, name);
	output_check();
	return EXIT_OK;
}

/* A verb that reads its arguments by its row. */
static int run_row(const struct verb *v, const char *name, int argc, char **argv)
{
	struct arguments a;

	interrupt_catch();
	if (!arguments_read(&a, v, name, argc, argv))
		return EXIT_USAGE;
	a.table = verbs;
	return a.help ? print_help(v, name) : v->run(&a);
}

static bool asks_for_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

/* A verb that reads its own arguments; its help is that of its row. */
static int run_own_part(const struct verb *part, const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return print_help(part, name);
	process_ignore_signals();
	return part->own(argc, argv);
}

/* argv[0] is the verb. */
static int run_part(const struct verb *v, int argc, char **argv)
{
	const char *nearest = "";
	char name[64];

	if (argc < 2) {
		help_verb(stderr, v, v->name);
		return EXIT_USAGE;
	}
	if (asks_for_help(argv[1]))
		return print_help(v, v->name);
	const struct verb *part = verb_find(v->parts, argv[1], &nearest);
	if (!part) {
		fprintf(stderr, "joblight: there is no \"%s ", v->name);
		shown_text_write(stderr, slice_of(argv[1]));
		fprintf(stderr, "\"; did you mean %s %s?\n", v->name, nearest);
		return EXIT_USAGE;
	}
	snprintf(name, sizeof(name), "%s %s", v->name, part->name);
	return part->own ? run_own_part(part, name, argc - 1, argv + 1)
	                 : run_row(part, name, argc - 1, argv + 1);
}

static int run(const struct verb *v, int argc, char **argv)
{
	if (v->own) {
		process_ignore_signals();
		return v->own(argc, argv);
	}
	return v->parts ? run_part(v, argc, argv) : run_row(v, v->name, argc, argv);
}

static int help(FILE *out, int status)
{
	help_all(out, verbs);
	if (out == stdout)
		output_check();
	return status;
}

static int fail_unknown(const char *name, const char *nearest)
{
	fputs("joblight: there is no verb \"", stderr);
	shown_text_write(stderr, slice_of(name));
	fprintf(stderr, "\"; did you mean %s?\n\n", nearest);
	return help(stderr, EXIT_USAGE);
}

/* `joblight help VERB` is `joblight VERB --help`. */
static int help_about(int argc, char **argv)
{
	char flag[] = "--help", *words[4] = { argv[0], argc > 1 ? argv[1] : flag, flag, NULL };
	const char *nearest = "";
	const struct verb *v = verb_find(verbs, argv[0], &nearest);

	return v ? run(v, argc > 1 && v->parts ? 3 : 2, words) : fail_unknown(argv[0], nearest);
}

int main(int argc, char **argv)
{
	const char *nearest = "";

	if (!process_open_standard_descriptors()) {
		fputs("joblight: standard input, output or error is closed and /dev/null cannot be "
		      "opened\n",
		      stderr);
		return EXIT_USAGE;
	}
	if (argc < 2)
		return help(stderr, EXIT_USAGE);
	if (asks_for_help(argv[1]))
		return argc == 2 ? help(stdout, EXIT_OK) : help_about(argc - 2, argv + 2);
	if (strcmp(argv[1], "--version") == 0)
		return verb_version(NULL);
	const struct verb *v = verb_find(verbs, argv[1], &nearest);
	return v ? run(v, argc - 1, argv + 1) : fail_unknown(argv[1], nearest);
}
