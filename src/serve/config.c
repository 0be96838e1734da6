#include "config.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "config_file.h"
#include "config_flags.h"
#include "config_set.h"
#include "environment.h"
#include "joblight/base/log.h"
#include "shown_text.h"

/* The file. */

static bool take_from_file(void *context, int line, const char *name, const char *value)
{
	struct config_source *from = context;
	const char *nearest = "";
	const struct setting *s = setting_find(name, &nearest);

	from->line = line;
	if (s && s->offset != offsetof(struct config, file))
		return config_set(from, s, value);
	fprintf(from->errors, "joblight: %s:%d: ", from->file, line);
	if (s) {
		fputs("a file cannot name another one\n", from->errors);
		return false;
	}
	shown_text_write(from->errors, slice_of(name));
	fprintf(from->errors, " is not a setting; did you mean %s?\n", nearest);
	return false;
}

static bool set_from_file(struct config *c, const char *path, FILE *errors)
{
	struct config_source from = {
		.config = c, .errors = errors, .from = FROM_FILE, .file = path
	};

	return config_file_read(path, take_from_file, &from, errors);
}

/* The environment. */

static bool environment_is_known(struct buf *ignored, FILE *errors)
{
	const char *flags[SETTING_COUNT];

	for (size_t i = 0; i < SETTING_COUNT; i++)
		flags[i] = settings[i].flag;
	return environment_check(flags, SETTING_COUNT, ignored, errors);
}

static bool set_from_environment(struct config *c, FILE *errors)
{
	struct config_source from = { .config = c, .errors = errors, .from = FROM_ENVIRONMENT };
	char name[ENVIRONMENT_NAME_MAX];

	for (size_t i = 0; i < SETTING_COUNT; i++) {
		environment_name(settings[i].flag, name, sizeof(name));
		const char *value = getenv(name);
		if (value && !config_set(&from, &settings[i], value))
			return false;
	}
	return true;
}

/* All together. */

static bool set_from_flags(struct config *c, FILE *errors)
{
	struct config_source from = { .config = c, .errors = errors, .from = FROM_FLAG };

	return config_flags_read(&from);
}

/* The first time to find the file, the second time to override it. */
static bool set_all(struct config *c, FILE *errors)
{
	config_set_defaults(c);
	if (!set_from_environment(c, errors) || !set_from_flags(c, errors))
		return false;
	if (!c->file)
		return true;
	const char *file = c->file;
	config_set_defaults(c);
	return set_from_file(c, file, errors) && set_from_environment(c, errors) &&
	       set_from_flags(c, errors);
}

bool config_parse(struct config *c, int argc, char **argv, FILE *errors)
{
	struct buf ignored = { 0 };

	*c = (struct config){ .argc = argc, .argv = argv };
	bool ok = environment_is_known(&ignored, errors) && set_all(c, errors);
	if (ok)
		log_set_format(strcmp(c->log_format, "json") == 0 ? LOG_FORMAT_JSON
		                                                  : LOG_FORMAT_LOGFMT);
	if (ok && ignored.len)
		log_info("ignored, because container platforms set them", "names",
		         buf_string(&ignored));
	buf_finish(&ignored);
	return ok;
}

bool config_read_again(struct config *next, const struct config *running, FILE *errors)
{
	*next = (struct config){ .argc = running->argc, .argv = running->argv };
	return set_all(next, errors);
}

bool config_gives_db(const struct config *c)
{
	const char *nearest;

	return c->from[setting_find("db", &nearest) - settings] != FROM_DEFAULT;
}
