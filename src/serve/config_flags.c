#include "config_flags.h"

#include <getopt.h>
#include <string.h>

#include "setting_text.h"
#include "shown_text.h"

#define FIRST_OPTION 256 /* for getopt_long(), which also returns characters */

static void fill_options(struct option *options)
{
	for (size_t i = 0; i < SETTING_COUNT; i++)
		options[i] = (struct option){ settings[i].flag,
			                      settings[i].type == SETTING_SWITCH
			                          ? optional_argument
			                          : required_argument,
			                      NULL, FIRST_OPTION + (int)i };
}

static bool is_long(const char *word)
{
	return word[0] == '-' && word[1] == '-' && word[2];
}

/* `word` is not the whole name of a flag. */
static bool refuse_flag(FILE *errors, const char *word)
{
	char name[80];
	const char *nearest = "";

	if (!is_long(word)) {
		fputs("joblight: \"", errors);
		shown_text_write(errors, slice_of(word));
		fputs("\" is not a flag; flags have a name, such as --listen\n", errors);
		return false;
	}
	size_t len = strcspn(word + 2, "=");
	snprintf(name, sizeof(name), "%.*s", (int)(len < 79 ? len : 79), word + 2);
	setting_find(name, &nearest);
	fputs("joblight: --", errors);
	shown_text_write(errors, slice_of(name));
	fprintf(errors, " is not a setting; did you mean --%s?\n", nearest);
	return false;
}

static bool refuse_value(FILE *errors, const struct setting *s)
{
	fprintf(errors, "joblight: --%s needs a value: --%s %s\n", s->flag, s->flag,
	        setting_argument(s));
	return false;
}

/* A new setting must not change what a command line means, so flags cannot be abbreviated. */
static bool is_whole(const struct setting *s, const char *word)
{
	size_t len = strlen(s->flag);

	return is_long(word) && strncmp(word + 2, s->flag, len) == 0 &&
	       (!word[2 + len] || word[2 + len] == '=');
}

static bool take(struct config_source *source, const struct setting *s)
{
	char **argv = source->config->argv;
	bool separate = optarg && optarg == argv[optind - 1];
	const char *word = argv[optind - (separate ? 2 : 1)];

	if (!is_whole(s, word))
		return refuse_flag(source->errors, word);
	if (separate && is_long(optarg)) /* the value was forgotten; --db=--odd says it is meant */
		return refuse_value(source->errors, s);
	return config_set(source, s, optarg);
}

/* What getopt_long() does not know: optopt is a setting, or the letter of a short option, or 0. */
static bool refuse(const struct config_source *source, int chosen)
{
	char letter[3] = { '-', (char)optopt, '\0' };

	if (chosen == ':' && optopt >= FIRST_OPTION) {
		const struct setting *s = &settings[optopt - FIRST_OPTION];
		if (is_whole(s, source->config->argv[optind - 1]))
			return refuse_value(source->errors, s);
		return refuse_flag(source->errors, source->config->argv[optind - 1]);
	}
	if (optopt && optopt < FIRST_OPTION)
		return refuse_flag(source->errors, letter);
	return refuse_flag(source->errors, source->config->argv[optind - 1]);
}

bool config_flags_read(struct config_source *source)
{
	struct option options[SETTING_COUNT + 1] = { 0 };
	struct config *c = source->config;
	int chosen;

	fill_options(options);
	optind = 0; /* begins anew: getopt(3) */
	opterr = 0;
	while ((chosen = getopt_long(c->argc, c->argv, "+:", options, NULL)) != -1)
		if (chosen < FIRST_OPTION ? !refuse(source, chosen)
		                          : !take(source, &settings[chosen - FIRST_OPTION]))
			return false;
	if (optind >= c->argc)
		return true;
	fputs("joblight: \"", source->errors);
	shown_text_write(source->errors, slice_of(c->argv[optind]));
	fputs("\" is not expected; see joblight serve --help\n", source->errors);
	return false;
}
