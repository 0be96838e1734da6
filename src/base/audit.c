#include "joblight/base/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "joblight/base/clock.h"
#include "joblight/base/log.h"
#include "joblight/base/log_line.h"
#include "joblight/base/log_output.h"

static const char *path; /* NULL: there is no file */
static int file;         /* keeps its number when the file is opened again */
static atomic_bool failing;
static atomic_bool torn; /* the last line was written in part */

/* Without O_NONBLOCK, opening a pipe would wait for its reader. */
static int open_file(void)
{
	struct stat status;
	int fd = open(
	    path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
	    0600);

	if (fd < 0 || (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)))
		return fd;
	close(fd);
	errno = EINVAL;
	return -1;
}

bool audit_open(const char *name)
{
	path = name;
	file = open_file();
	if (file < 0)
		path = NULL;
	return path != NULL;
}

void audit_reopen(void)
{
	if (!path)
		return;
	int fd = open_file();
	if (fd < 0 || dup3(fd, file, O_CLOEXEC) < 0)
		log_error("the audit log cannot be opened again; the old file stays", "file", path,
		          "cause", strerror(errno));
	else
		torn = false;
	if (fd >= 0)
		close(fd);
}

static void note(bool failed, int cause)
{
	if (atomic_exchange(&failing, failed) == failed)
		return;
	if (failed)
		log_error("lines of the audit log are lost: its file cannot be written", "file",
		          path, "cause", strerror(cause));
	else
		log_info("the file of the audit log can be written again", "file", path);
}

/* One write a line, because other threads append, too. */
static void write_to_file(struct buf *line)
{
	struct buf whole = { 0 };

	bool was_torn = atomic_exchange(&torn, false);
	if (was_torn)
		buf_char(&whole, '\n');
	buf_slice(&whole, buf_as_slice(line));
	ssize_t n = write(file, whole.ptr, whole.len);
	if (n > 0 ? (size_t)n < whole.len : was_torn)
		torn = true;
	note(n != (ssize_t)whole.len, n < 0 ? errno : ENOSPC);
	buf_finish(&whole);
}

static void make_line(struct log_line *line, enum log_place place, int64_t wall_ms, const char *key,
                      va_list pairs)
{
	log_line_begin_at(line, place, wall_ms, LOG_LEVEL_INFO, "audit");
	log_line_pairs(line, key, pairs);
	log_line_end(line);
}

void audit_event(const char *key, ...)
{
	int64_t now = clock_wall_ms(); /* one for both lines */
	struct log_line line;
	va_list pairs;

	va_start(pairs, key);
	make_line(&line, LOG_TO_STDERR, now, key, pairs);
	va_end(pairs);
	log_output_write(buf_as_slice(&line.text), LOG_WEIGHT_NORMAL);
	buf_finish(&line.text);
	if (!path)
		return;
	va_start(pairs, key);
	make_line(&line, LOG_TO_FILE, now, key, pairs);
	va_end(pairs);
	write_to_file(&line.text);
	buf_finish(&line.text);
}
