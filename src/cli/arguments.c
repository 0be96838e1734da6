#include "arguments.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "joblight/base/quantity.h"
#include "joblight/base/slice.h"
#include "serve/name_distance.h"
#include "serve/shown_text.h"

#define FIRST_OPTION 256 /* for getopt_long(), which also returns characters */
#define NUMBER_DIGITS 9
#define TIME_MAX_MS (UINT64_C(3660) * 86400 * 1000)

static void add_flag(void *context, const struct flag *f)
{
	struct arguments *a = context;

	if (a->flag_count < FLAGS_MAX)
		a->flags[a->flag_count++] = f;
}

static bool see_help(const struct arguments *a)
{
	fprintf(stderr, "See joblight %s --help\n", a->name);
	return false;
}

/* A flag that does not exist: the most similar one is meant. */
static bool fail_unknown(const struct arguments *a, const char *word)
{
	char name[NAME_MAX_LEN + 1];
	const char *nearest = "help";

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + strspn(word, "-"), "="),
	         word + strspn(word, "-"));
	size_t best = name_distance(nearest, name);
	for (size_t i = 0; i < a->flag_count; i++) {
		size_t distance = name_distance(a->flags[i]->name, name);
		if (distance < best)
			nearest = a->flags[i]->name;
		best = distance < best ? distance : best;
	}
	fprintf(stderr, "joblight: %s has no %s", a->name, strncmp(word, "--", 2) ? "" : "--");
	shown_text_write(stderr, strncmp(word, "--", 2) ? slice_of(word) : slice_of(name));
	fprintf(stderr, "; did you mean --%s?\n", nearest);
	return see_help(a);
}

/* What getopt_long() could not read. */
static bool fail_at(const struct arguments *a, int chosen, const char *word)
{
	char letter[] = { '-', (char)optopt, '\0' };

	if (chosen == '?' && optopt < FIRST_OPTION)
		return fail_unknown(a, optopt ? letter : word);
	if (chosen == ':')
		fprintf(stderr, "joblight: %s needs a value\n", word);
	else
		fprintf(stderr, "joblight: --%s takes no value\n",
		        a->flags[optopt - FIRST_OPTION]->name);
	return see_help(a);
}

static bool is_word(const char *words, const char *value)
{
	size_t len = strlen(value);

	for (const char *at = words; *at; at += strspn(at, " ")) {
		size_t word = strcspn(at, " ");
		if (word == len && memcmp(at, value, len) == 0)
			return true;
		at += word;
	}
	return false;
}

static bool take(struct arguments *a, size_t which, const char *value)
{
	const struct flag *f = a->flags[which];

	a->values[which] = f->argument ? value : "";
	if (!f->words || is_word(f->words, value))
		return true;
	fprintf(stderr, "joblight: --%s takes one of: %s; not \"%s\"\n", f->name, f->words, value);
	return false;
}

static void fill_options(const struct arguments *a, struct option *options)
{
	for (size_t i = 0; i < a->flag_count; i++)
		options[i] = (struct option){ a->flags[i]->name,
			                      a->flags[i]->argument ? required_argument
			                                            : no_argument,
			                      NULL, FIRST_OPTION + (int)i };
	options[a->flag_count] = (struct option){ "help", no_argument, NULL, 'h' };
}

static bool read_flags(struct arguments *a, int argc, char **argv)
{
	struct option options[FLAGS_MAX + 2] = { 0 };
	const char *letters = a->verb->runs_command ? "+:h" : ":h";
	int chosen;

	fill_options(a, options);
	opterr = 0;
	optind = 0; /* glibc: starts anew, also in the middle of a group of letters */
	while ((chosen = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		if (chosen == 'h')
			return a->help = true;
		if (chosen == '?' || chosen == ':')
			return fail_at(a, chosen, argv[optind - 1]);
		if (!take(a, (size_t)(chosen - FIRST_OPTION), optarg))
			return false;
	}
	return true;
}

static bool check_operands(const struct arguments *a)
{
	if (a->operand_count > a->verb->max_operands) {
		fputs("joblight: \"", stderr);
		shown_text_write(stderr, slice_of(a->operands[a->verb->max_operands]));
		fputs("\" is not expected\n", stderr);
	} else if (a->operand_count < a->verb->min_operands) {
		fprintf(stderr, "joblight: %s needs %s\n", a->name, a->verb->operands);
	} else {
		return true;
	}
	return see_help(a);
}

bool arguments_read(struct arguments *a, const struct verb *v, const char *name, int argc,
                    char **argv)
{
	*a = (struct arguments){ .verb = v, .name = name };
	verb_visit_flags(v, add_flag, a);
	if (!read_flags(a, argc, argv))
		return false;
	a->operands = argv + optind;
	a->operand_count = (size_t)(argc - optind);
	return a->help || check_operands(a);
}

const char *arguments_value(const struct arguments *a, const char *flag)
{
	for (size_t i = 0; i < a->flag_count; i++)
		if (strcmp(a->flags[i]->name, flag) == 0)
			return a->values[i];
	return NULL;
}

bool arguments_has(const struct arguments *a, const char *flag)
{
	return arguments_value(a, flag) != NULL;
}

int arguments_fault(const char *what, const char *value, const char *message)
{
	fprintf(stderr, "joblight: %s %s: %s\n", what, value, message);
	return EXIT_USAGE;
}

int arguments_number(const struct arguments *a, const char *flag, unsigned min, unsigned max,
                     unsigned *number)
{
	const char *text = arguments_value(a, flag);
	uint64_t value = 0;

	if (!text)
		return EXIT_OK;
	if (!slice_number(slice_of(text), NUMBER_DIGITS, &value) || value < min || value > max) {
		fprintf(stderr, "joblight: --%s %s: it takes a whole number from %u to %u\n", flag,
		        text, min, max);
		return EXIT_USAGE;
	}
	*number = (unsigned)value;
	return EXIT_OK;
}

bool arguments_time(const char *text, int64_t *ms)
{
	uint64_t value = 0;
	bool ok = quantity_parse(text, QUANTITY_MS, false, &value) && value <= TIME_MAX_MS;

	*ms = (int64_t)value;
	return ok;
}
