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

static bool fail(struct reading *r, const char *message)
{
	if (!r->failed)
		fprintf(r->errors, "joblight: %s:%d: %s\n", r->path, r->line, message);
	r->failed = true;
	return false;
}

/*
 * Reads a line with its newline, as fgets() does.  inih would take the rest of a line that is
 * longer than its buffer for another line, and would not see what comes after a NUL byte.
 */
static char *read_line(char *buffer, int size, void *context)
{
	struct reading *r = context;
	int len = 0, c = 0;

	if (r->failed)
		return NULL;
	r->line++;
	while (c != '\n' && len < size - 1 && (c = getc(r->file)) != EOF && c != '\0')
		buffer[len++] = (char)c;
	buffer[len] = '\0';
	if (c == '\0')
		fail(r, "the line has a NUL byte");
	else if (len == size - 1 && c != '\n')
		fail(r, "the line is too long");
	return len && !r->failed ? buffer : NULL;
}

static int take_setting(void *context, const char *section, const char *name, const char *value)
{
	struct reading *r = context;
	if (*section)
		return fail(r, "there are no sections; every line is `name = value`");
	if (!r->failed && !r->take(r->context, r->line, name, value))
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
