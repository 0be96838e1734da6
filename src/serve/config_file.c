#include "config_file.h"

#include <errno.h>
#include <ini.h>
#include <string.h>

struct reading {
	const char *path;
	FILE *file, *errors;
	int line;
	bool failed;
	config_file_take *take;
	void *context;
};

static void where(const struct reading *r, char *text, size_t size)
{
	snprintf(text, size, "%s:%d", r->path, r->line);
}

static bool fail(struct reading *r, const char *message)
{
	char at[512];

	where(r, at, sizeof(at));
	if (!r->failed)
		fprintf(r->errors, "joblight: %s: %s\n", at, message);
	r->failed = true;
	return false;
}

/* inih would take the rest of a line that is longer than its buffer for another line. */
static char *read_line(char *buffer, int size, void *context)
{
	struct reading *r = context;

	if (r->failed || !fgets(buffer, size, r->file))
		return NULL;
	r->line++;
	if (!strchr(buffer, '\n') && !feof(r->file)) {
		fail(r, "the line is too long, or has a NUL byte");
		return NULL;
	}
	return buffer;
}

static int take_setting(void *context, const char *section, const char *name, const char *value)
{
	struct reading *r = context;
	char at[512];

	if (*section)
		return fail(r, "there are no sections; every line is `name = value`");
	where(r, at, sizeof(at));
	if (!r->failed && !r->take(r->context, at, name, value))
		r->failed = true;
	return !r->failed;
}

bool config_file_read(const char *path, config_file_take *take, void *context, FILE *errors)
{
	struct reading r = { .path = path, .errors = errors, .take = take, .context = context };

	r.file = fopen(path, "re");
	if (!r.file) {
		fprintf(errors, "joblight: --config %s: %s\n", path, strerror(errno));
		return false;
	}
	int bad_line = ini_parse_stream(read_line, &r, take_setting, &r);
	if (bad_line && !r.failed) {
		r.line = bad_line;
		fail(&r, "the line is not `name = value`");
	}
	if (ferror(r.file) && !r.failed)
		fail(&r, strerror(errno));
	fclose(r.file);
	return !r.failed;
}
