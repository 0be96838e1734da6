#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "environment.h"
#include "joblight/api/origin.h"

enum setting_kind { SETTING_TEXT, SETTING_NUMBER, SETTING_SWITCH, SETTING_LIST, SETTING_LIMIT };

struct setting {
	const char *flag;
	enum setting_kind kind;
	size_t offset; /* in struct config */
	uint64_t default_value, min, max;
	const char *text, *argument, *help;
	bool (*check)(struct slice value); /* checks each value of a list */
};

#define AT(field) offsetof(struct config, field)

static const struct setting settings[] = {
#define TEXT(field, flag, default_value, argument, help)                                           \
	{ flag, SETTING_TEXT, AT(field), 0, 0, 0, default_value, argument, help, NULL },
#define NUMBER(field, flag, default_value, min, max, help)                                         \
	{ flag, SETTING_NUMBER, AT(field), default_value, min, max, NULL, "N", help, NULL },
#define SWITCH(field, flag, help)                                                                  \
	{ flag, SETTING_SWITCH, AT(field), 0, 0, 0, NULL, NULL, help, NULL },
#define LIST(field, flag, argument, check, help)                                                   \
	{ flag, SETTING_LIST, AT(field), 0, 0, 0, NULL, argument, help, check },
#include "config.def"
#undef TEXT
#undef NUMBER
#undef SWITCH
#undef LIST
#define LIMIT(field, flag, default_value, min, max, why)                                           \
	{ flag, SETTING_LIMIT, AT(limits.field), default_value, min, max, NULL, "N", why, NULL },
#include "joblight/core/limits.def"
#undef LIMIT
};

#define SETTING_COUNT (sizeof(settings) / sizeof(settings[0]))

static void *field_of(struct config *c, const struct setting *s)
{
	return (char *)c + s->offset;
}

static bool set_number(struct config *c, const struct setting *s, const char *value)
{
	char *end;

	errno = 0;
	unsigned long long number = strtoull(value, &end, 10);
	if (errno || end == value || *end || !isdigit((unsigned char)*value) || number < s->min ||
	    number > s->max) {
		fprintf(stderr,
		        "joblight: --%s must be a whole number from %llu to %llu, not \"%s\"\n",
		        s->flag, (unsigned long long)s->min, (unsigned long long)s->max, value);
		return false;
	}
	if (s->kind == SETTING_LIMIT)
		*(uint64_t *)field_of(c, s) = number;
	else
		*(unsigned *)field_of(c, s) = (unsigned)number;
	return true;
}

static bool add_item(struct config *c, const struct setting *s, struct slice value)
{
	struct slices *list = field_of(c, s);

	if (!s->check(value))
		fprintf(stderr,
		        "joblight: \"%.*s\" is not valid for --%s %s; see joblight serve --help\n",
		        (int)value.len, value.ptr, s->flag, s->argument);
	else if (list->count == SLICES_MAX)
		fprintf(stderr, "joblight: --%s can be given at most %d times\n", s->flag,
		        SLICES_MAX);
	else {
		list->items[list->count++] = value;
		return true;
	}
	return false;
}

/* The items of one value are separated by commas. */
static bool add_items(struct config *c, const struct setting *s, const char *value)
{
	for (size_t len; *(value += strspn(value, ", ")); value += len) {
		len = strcspn(value, ", ");
		if (len && !add_item(c, s, (struct slice){ value, len }))
			return false;
	}
	return true;
}

/* `value` is NULL for the flag, which takes no argument. */
static bool set_switch(struct config *c, const struct setting *s, const char *value)
{
	bool on = !value || strcmp(value, "1") == 0 || strcmp(value, "true") == 0;

	if (!on && strcmp(value, "0") != 0 && strcmp(value, "false") != 0) {
		fprintf(
		    stderr,
		    "joblight: --%s must be 1, 0, true or false in the environment, not \"%s\"\n",
		    s->flag, value);
		return false;
	}
	*(bool *)field_of(c, s) = on;
	return true;
}

static bool set(struct config *c, const struct setting *s, const char *value)
{
	switch (s->kind) {
	case SETTING_LIST:
		return add_items(c, s, value);
	case SETTING_TEXT:
		*(const char **)field_of(c, s) = value;
		return true;
	case SETTING_SWITCH:
		return set_switch(c, s, value);
	default:
		return set_number(c, s, value);
	}
}

static void set_default(struct config *c, const struct setting *s)
{
	if (s->kind == SETTING_TEXT)
		*(const char **)field_of(c, s) = s->text;
	else if (s->kind == SETTING_LIMIT)
		*(uint64_t *)field_of(c, s) = s->default_value;
	else if (s->kind == SETTING_NUMBER)
		*(unsigned *)field_of(c, s) = (unsigned)s->default_value;
}

static bool set_from_environment(struct config *c, const struct setting *s)
{
	char name[80];

	environment_name(s->flag, name, sizeof(name));
	const char *value = getenv(name);
	return !value || set(c, s, value);
}

static bool environment_is_known(void)
{
	const char *flags[SETTING_COUNT];

	for (size_t i = 0; i < SETTING_COUNT; i++)
		flags[i] = settings[i].flag;
	return environment_check(flags, SETTING_COUNT);
}

/*
 * A flag may be repeated when it is a list, or a number, as scripts do; for two addresses or files
 * it would be unclear which one is meant.
 */
static bool may_repeat(const struct setting *s)
{
	if (s->kind == SETTING_TEXT)
		fprintf(stderr, "joblight: --%s is given twice; it takes one %s\n", s->flag,
		        s->argument);
	return s->kind != SETTING_TEXT;
}

static bool set_from_flags(struct config *c, int argc, char **argv)
{
	struct option options[SETTING_COUNT + 1] = { 0 };
	bool seen[SETTING_COUNT] = { false };
	int chosen;

	for (size_t i = 0; i < SETTING_COUNT; i++)
		options[i] = (struct option){ settings[i].flag,
			                      settings[i].kind == SETTING_SWITCH
			                          ? no_argument
			                          : required_argument,
			                      NULL, (int)i };
	optind = 1;
	while ((chosen = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (chosen == '?') {
			fputs("joblight: see joblight serve --help\n", stderr);
			return false;
		}
		const struct setting *s = &settings[chosen];
		if (seen[chosen] && !may_repeat(s))
			return false;
		if (s->kind == SETTING_LIST && !seen[chosen])
			((struct slices *)field_of(c, s))->count =
			    0; /* drops the values from the environment */
		seen[chosen] = true;
		if (!set(c, s, optarg))
			return false;
	}
	if (optind < argc)
		fprintf(stderr, "joblight: \"%s\" is not expected; see joblight serve --help\n",
		        argv[optind]);
	return optind >= argc;
}

bool config_parse(struct config *c, int argc, char **argv)
{
	*c = (struct config){ 0 };
	if (!environment_is_known())
		return false;
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		set_default(c, &settings[i]);
		if (!set_from_environment(c, &settings[i]))
			return false;
	}
	if (!set_from_flags(c, argc, argv))
		return false;
	if (strcmp(c->durability, "full") == 0 || strcmp(c->durability, "process") == 0)
		return true;
	fprintf(stderr, "joblight: --durability must be full or process, not \"%s\"\n",
	        c->durability);
	return false;
}

static void help_row(FILE *out, const struct setting *s)
{
	char left[64];

	snprintf(left, sizeof(left), "--%s%s%s", s->flag, s->argument ? " " : "",
	         s->argument ? s->argument : "");
	fprintf(out, "  %-32s %s", left, s->help);
	if (s->kind == SETTING_TEXT && s->text)
		fprintf(out, " (%s)", s->text);
	else if (s->kind == SETTING_NUMBER || s->kind == SETTING_LIMIT)
		fprintf(out, " (%llu)", (unsigned long long)s->default_value);
	fputc('\n', out);
}

void config_help(FILE *out)
{
	enum setting_kind last = SETTING_TEXT;

	fputs("Settings (or JOBLIGHT_<NAME> in the environment):\n", out);
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		if (settings[i].kind == SETTING_LIMIT && last != SETTING_LIMIT)
			fputs("\nLimits (bytes, milliseconds, counts):\n", out);
		last = settings[i].kind;
		help_row(out, &settings[i]);
	}
}
