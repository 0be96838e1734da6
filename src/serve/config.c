#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "config_file.h"
#include "environment.h"
#include "joblight/api/origin.h"
#include "joblight/base/xalloc.h"
#include "joblight/net/client_address.h"
#include "name_distance.h"

enum setting_kind { SETTING_TEXT, SETTING_NUMBER, SETTING_SWITCH, SETTING_LIST, SETTING_LIMIT };

struct setting {
	const char *flag;
	enum setting_kind kind;
	bool live;     /* can be changed by reading the file again */
	size_t offset; /* in struct config */
	uint64_t default_value, min, max;
	const char *text, *argument, *help;
	bool (*check)(struct slice value);          /* checks each value of a list */
	const char *separators;                     /* between the values of a list */
	const char *(*explain)(struct slice value); /* what is wrong with one; or NULL */
};

struct config_text {
	struct config_text *next;
	char bytes[];
};

#define AT(field) offsetof(struct config, field)

/* Checked where it is used. */
static bool any_text(struct slice value)
{
	return value.len > 0;
}

static const struct setting settings[] = {
#define TEXT(field, flag, default_value, argument, help)                                           \
	{ flag,          SETTING_TEXT, false, AT(field), 0,    0,   0,                             \
	  default_value, argument,     help,  NULL,      NULL, NULL },
#define NUMBER(field, flag, default_value, min, max, help)                                         \
	{ flag, SETTING_NUMBER, false, AT(field), default_value, min, max, NULL,                   \
	  "N",  help,           NULL,  NULL,      NULL },
#define SWITCH(field, flag, help)                                                                  \
	{ flag, SETTING_SWITCH, false, AT(field), 0, 0, 0, NULL, NULL, help, NULL, NULL, NULL },
#define LIST(field, flag, argument, separators, check, help)                                       \
	{ flag, SETTING_LIST, false, AT(field), 0,          0,   0,                                \
	  NULL, argument,     help,  check,     separators, NULL },
#define EXPLAINED_LIST(field, flag, argument, separators, check, explain, help)                    \
	{ flag, SETTING_LIST, false, AT(field), 0,          0,      0,                             \
	  NULL, argument,     help,  check,     separators, explain },
#include "config.def"
#undef EXPLAINED_LIST
#undef TEXT
#undef NUMBER
#undef SWITCH
#undef LIST
#define START false
#define LIVE true
#define LIMIT(field, flag, default_value, min, max, when, why)                                     \
	{ flag, SETTING_LIMIT, when, AT(limits.field), default_value, min, max, NULL, "N", why,    \
	  NULL, NULL,          NULL },
#include "joblight/core/limits.def"
#undef LIMIT
#undef START
#undef LIVE
};

#define SETTING_COUNT (sizeof(settings) / sizeof(settings[0]))
#define FIRST_OPTION 256 /* for getopt_long(), which also returns characters */

/* Where the values come from that are being set. */
struct source {
	struct config *config;
	FILE *errors;
	const char *where; /* "FILE:LINE"; NULL: the flags or the environment */
	bool seen[SETTING_COUNT];
};

static void *field_of(struct config *c, const struct setting *s)
{
	return (char *)c + s->offset;
}

/* Begins a message, and names the setting. */
static void name_setting(const struct source *from, const struct setting *s)
{
	if (from->where)
		fprintf(from->errors, "joblight: %s: %s", from->where, s->flag);
	else
		fprintf(from->errors, "joblight: --%s", s->flag);
}

static bool set_number(const struct source *from, const struct setting *s, const char *value)
{
	struct config *c = from->config;
	char *end;

	errno = 0;
	unsigned long long number = strtoull(value, &end, 10);
	if (errno || end == value || *end || !isdigit((unsigned char)*value) || number < s->min ||
	    number > s->max) {
		name_setting(from, s);
		fprintf(from->errors, " must be a whole number from %llu to %llu, not \"%s\"\n",
		        (unsigned long long)s->min, (unsigned long long)s->max, value);
		return false;
	}
	if (s->kind == SETTING_LIMIT)
		*(uint64_t *)field_of(c, s) = number;
	else
		*(unsigned *)field_of(c, s) = (unsigned)number;
	return true;
}

static bool add_item(const struct source *from, const struct setting *s, struct slice value)
{
	struct slices *list = field_of(from->config, s);

	if (s->check(value) && list->count < SLICES_MAX) {
		list->items[list->count++] = value;
		return true;
	}
	name_setting(from, s);
	if (list->count == SLICES_MAX)
		fprintf(from->errors, " can be given at most %d times\n", SLICES_MAX);
	else
		fprintf(from->errors, ": \"%.*s\" is not valid: %s\n", (int)value.len, value.ptr,
		        s->explain ? s->explain(value) : "see joblight serve --help");
	return false;
}

static bool add_items(const struct source *from, const struct setting *s, const char *value)
{
	for (size_t len; *(value += strspn(value, s->separators)); value += len) {
		len = strcspn(value, s->separators);
		if (len && !add_item(from, s, (struct slice){ value, len }))
			return false;
	}
	return true;
}

/* `value` is NULL for the flag, which takes no argument. */
static bool set_switch(const struct source *from, const struct setting *s, const char *value)
{
	bool on = !value || strcmp(value, "1") == 0 || strcmp(value, "true") == 0;

	if (!on && strcmp(value, "0") != 0 && strcmp(value, "false") != 0) {
		name_setting(from, s);
		fprintf(from->errors, " must be 1, 0, true or false%s, not \"%s\"\n",
		        from->where ? "" : " in the environment", value);
		return false;
	}
	*(bool *)field_of(from->config, s) = on;
	return true;
}

/*
 * A setting may come again from one source when it is a list, or a number, as scripts do; for two
 * addresses or files it would be unclear which one is meant.
 */
static bool may_repeat(const struct source *from, const struct setting *s)
{
	if (s->kind != SETTING_TEXT)
		return true;
	name_setting(from, s);
	fprintf(from->errors, " is given twice; it takes one %s\n", s->argument);
	return false;
}

/* The values of a list replace those of the source before. */
static bool set(struct source *from, const struct setting *s, const char *value)
{
	bool *seen = &from->seen[s - settings];

	if (*seen && !may_repeat(from, s))
		return false;
	if (s->kind == SETTING_LIST && !*seen)
		((struct slices *)field_of(from->config, s))->count = 0;
	*seen = true;
	switch (s->kind) {
	case SETTING_LIST:
		return add_items(from, s, value);
	case SETTING_TEXT:
		*(const char **)field_of(from->config, s) = value;
		return true;
	case SETTING_SWITCH:
		return set_switch(from, s, value);
	default:
		return set_number(from, s, value);
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

static void set_defaults(struct config *c)
{
	for (size_t i = 0; i < SETTING_COUNT; i++)
		set_default(c, &settings[i]);
}

/* The file. */

static const char *keep_text(struct config *c, const char *text)
{
	size_t size = strlen(text) + 1;
	struct config_text *kept = xmalloc(sizeof(*kept) + size);

	memcpy(kept->bytes, text, size);
	kept->next = c->texts;
	c->texts = kept;
	return kept->bytes;
}

static const struct setting *find_setting(const char *flag, const char **nearest)
{
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < SETTING_COUNT; i++) {
		size_t distance = name_distance(settings[i].flag, flag);
		if (distance == 0)
			return &settings[i];
		if (distance < best)
			*nearest = settings[i].flag;
		best = distance < best ? distance : best;
	}
	return NULL;
}

static bool take_from_file(void *context, const char *where, const char *name, const char *value)
{
	struct source *from = context;
	const char *nearest = "";
	const struct setting *s = find_setting(name, &nearest);

	from->where = where;
	if (s && s->offset != AT(file))
		return set(from, s, keep_text(from->config, value));
	if (s)
		fprintf(from->errors, "joblight: %s: a file cannot name another one\n", where);
	else
		fprintf(from->errors, "joblight: %s: %s is not a setting; did you mean %s?\n",
		        where, name, nearest);
	return false;
}

/* The environment and the flags. */

static bool environment_is_known(void)
{
	const char *flags[SETTING_COUNT];

	for (size_t i = 0; i < SETTING_COUNT; i++)
		flags[i] = settings[i].flag;
	return environment_check(flags, SETTING_COUNT);
}

static bool set_from_environment(struct config *c, FILE *errors)
{
	struct source from = { .config = c, .errors = errors };
	char name[80];

	for (size_t i = 0; i < SETTING_COUNT; i++) {
		environment_name(settings[i].flag, name, sizeof(name));
		const char *value = getenv(name);
		if (value && !set(&from, &settings[i], value))
			return false;
	}
	return true;
}

static void fill_options(struct option *options)
{
	for (size_t i = 0; i < SETTING_COUNT; i++)
		options[i] = (struct option){ settings[i].flag,
			                      settings[i].kind == SETTING_SWITCH
			                          ? no_argument
			                          : required_argument,
			                      NULL, FIRST_OPTION + (int)i };
}

static bool set_from_flags(struct config *c, FILE *errors)
{
	struct option options[SETTING_COUNT + 1] = { 0 };
	struct source from = { .config = c, .errors = errors };
	int chosen;

	fill_options(options);
	optind = 1;
	while ((chosen = getopt_long(c->argc, c->argv, "", options, NULL)) != -1) {
		if (chosen == '?') {
			fputs("joblight: see joblight serve --help\n", errors);
			return false;
		}
		if (!set(&from, &settings[chosen - FIRST_OPTION], optarg))
			return false;
	}
	if (optind < c->argc)
		fprintf(errors, "joblight: \"%s\" is not expected; see joblight serve --help\n",
		        c->argv[optind]);
	return optind >= c->argc;
}

/* All together. */

static bool check_texts(const struct config *c, FILE *errors)
{
	if (strcmp(c->durability, "full") == 0 || strcmp(c->durability, "process") == 0)
		return true;
	fprintf(errors, "joblight: --durability must be full or process, not \"%s\"\n",
	        c->durability);
	return false;
}

/* The first time to find the file, the second time to override it. */
static bool set_all(struct config *c, FILE *errors)
{
	struct source from = { .config = c, .errors = errors };

	set_defaults(c);
	if (!set_from_environment(c, errors) || !set_from_flags(c, errors))
		return false;
	if (!c->file)
		return true;
	const char *file = c->file;
	set_defaults(c);
	return config_file_read(file, take_from_file, &from, errors) &&
	       set_from_environment(c, errors) && set_from_flags(c, errors);
}

bool config_parse(struct config *c, int argc, char **argv, FILE *errors)
{
	*c = (struct config){ .argc = argc, .argv = argv };
	return environment_is_known() && set_all(c, errors) && check_texts(c, errors);
}

bool config_read_again(struct config *next, const struct config *running, FILE *errors)
{
	*next = (struct config){ .argc = running->argc, .argv = running->argv };
	return set_all(next, errors) && check_texts(next, errors);
}

bool config_gives_db(const struct config *c)
{
	struct config defaults;

	set_defaults(&defaults);
	return c->db != defaults.db; /* a text that was given is another one, even if it is equal */
}

void config_finish(struct config *c)
{
	for (struct config_text *t = c->texts, *next; t; t = next) {
		next = t->next;
		free(t);
	}
	c->texts = NULL;
}

static bool lists_differ(const struct slices *a, const struct slices *b)
{
	bool differ = a->count != b->count;

	for (size_t i = 0; !differ && i < a->count; i++)
		differ = a->items[i].len != b->items[i].len ||
		         memcmp(a->items[i].ptr, b->items[i].ptr, a->items[i].len) != 0;
	return differ;
}

static bool texts_differ(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) != 0 : a != b;
}

static bool differs(const struct setting *s, const struct config *a, const struct config *b)
{
	const void *in_a = (const char *)a + s->offset, *in_b = (const char *)b + s->offset;

	switch (s->kind) {
	case SETTING_TEXT:
		return texts_differ(*(const char *const *)in_a, *(const char *const *)in_b);
	case SETTING_LIST:
		return lists_differ(in_a, in_b);
	case SETTING_SWITCH:
		return *(const bool *)in_a != *(const bool *)in_b;
	case SETTING_NUMBER:
		return *(const unsigned *)in_a != *(const unsigned *)in_b;
	default:
		return *(const uint64_t *)in_a != *(const uint64_t *)in_b;
	}
}

void config_list_changes(const struct config *running, const struct config *next, bool live,
                         struct buf *list)
{
	for (size_t i = 0; i < SETTING_COUNT; i++)
		if (settings[i].live == live && differs(&settings[i], running, next))
			buf_format(list, "%s%s", list->len ? "," : "", settings[i].flag);
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
		fprintf(out, " (%llu)%s", (unsigned long long)s->default_value,
		        s->live ? " *" : "");
	fputc('\n', out);
}

void config_help(FILE *out)
{
	enum setting_kind last = SETTING_TEXT;

	fputs(
	    "Settings (or JOBLIGHT_<NAME> in the environment, or lines of the file of --config):\n",
	    out);
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		if (settings[i].kind == SETTING_LIMIT && last != SETTING_LIMIT)
			fputs("\nLimits (bytes, milliseconds, counts; *: SIGHUP reads the file "
			      "again and changes it):\n",
			      out);
		last = settings[i].kind;
		help_row(out, &settings[i]);
	}
}
