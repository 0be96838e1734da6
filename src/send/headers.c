#include "headers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* Those that say how the request is framed. */
static const char *const own[] = { "content-type", "content-length", "transfer-encoding", "host",
	                           "connection",   "expect",         "content-encoding" };

static bool is_own(const char *line, size_t len)
{
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (strlen(own[i]) == len && strncasecmp(line, own[i], len) == 0)
			return true;
	return false;
}

static const char *fault_of(const char *line)
{
	static const char name[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	                           "!#$%&'*+-.^_`|~";
	size_t len = strspn(line, name);

	if (!len || line[len] != ':')
		return "must be a name, a colon and a value";
	if (is_own(line, len))
		return "names a header that is set already";
	for (const char *c = line; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return "has a control character";
	return line[len + 1 + strspn(line + len + 1, " ")] ? NULL : "has no value";
}

static bool add_line(const char *line, struct curl_slist **list, const char **fault)
{
	*fault = fault_of(line);
	if (*fault)
		return false;
	*list = curl_slist_append(*list, line);
	return true;
}

static bool add_lines(char *text, struct curl_slist **list, const char *path, char *error,
                      size_t error_len)
{
	unsigned number = 0;
	const char *fault = NULL;

	for (char *line; (line = strsep(&text, "\n")) != NULL;) {
		number++;
		size_t len = strlen(line);
		if (len && line[len - 1] == '\r')
			line[len - 1] = '\0';
		line += strspn(line, " \t");
		if (!*line || *line == '#' || add_line(line, list, &fault))
			continue;
		snprintf(error, error_len, "%s:%u: the line %s", path, number, fault);
		return false;
	}
	return true;
}

/* Without O_NONBLOCK, opening a pipe would wait. */
static ssize_t read_file(const char *path, char *text, size_t size, const char **cause)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t len = -1;

	*cause = strerror(errno);
	if (fd >= 0 && fstat(fd, &status) == 0 && !S_ISREG(status.st_mode)) {
		*cause = "it is no regular file";
	} else if (fd >= 0) {
		len = read(fd, text, size);
		*cause = strerror(errno);
	}
	if (fd >= 0)
		close(fd);
	return len;
}

bool headers_read(const char *path, struct curl_slist **list, char *error, size_t error_len)
{
	static char text[HEADERS_FILE_MAX + 1];
	const char *cause;

	if (!path)
		return true;
	ssize_t len = read_file(path, text, sizeof(text), &cause);
	bool ok = false;
	if (len < 0) {
		snprintf(error, error_len, "%s: %s", path, cause);
	} else if (len > HEADERS_FILE_MAX || memchr(text, '\0', (size_t)len)) {
		snprintf(error, error_len, "%s: it is not a text of at most %d bytes", path,
		         HEADERS_FILE_MAX);
	} else {
		text[len] = '\0';
		ok = add_lines(text, list, path, error, error_len);
	}
	explicit_bzero(text, sizeof(text));
	return ok;
}

void headers_free(struct curl_slist *list)
{
	for (struct curl_slist *at = list; at; at = at->next)
		explicit_bzero(at->data, strlen(at->data));
	curl_slist_free_all(list);
}
