#include "config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* Opening a FIFO or a device could block, and neither could be read again. */
static FILE *open_file(const char *path, FILE *errors)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat status;
	const char *cause = NULL;

	if (fd < 0 || fstat(fd, &status))
		cause = strerror(errno);
	else if (S_ISDIR(status.st_mode))
		cause = strerror(EISDIR);
	else if (!S_ISREG(status.st_mode))
		cause = "it is not a regular file";
	if (!cause)
		return fdopen(fd, "r");
	fprintf(errors, "joblight: --config %s: %s\n", path, cause);
	if (fd >= 0)
		close(fd);
	return NULL;
}

bool config_file_read(const char *path, config_file_take *take, void *context, FILE *errors)
{
	struct reading r = { .path = path, .errors = errors, .take = take, .context = context };

	r.file = open_file(path, errors);
	if (!r.file)
		return false;
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
