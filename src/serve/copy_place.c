#include "copy_place.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "credential_file.h"
#include "db_open.h"

#define PLACE_MAX 4096

static bool fail(const char *what, const char *why)
{
	db_fail(what, why);
	return false;
}

static bool read_file(const char *path, struct buf *location)
{
	char line[PLACE_MAX + 2];
	FILE *file = fopen(path, "re");

	if (!file)
		return fail(path, strerror(errno));
	credential_file_warn("db copy", path);
	bool has_line = fgets(line, sizeof(line), file);
	fclose(file);
	size_t len = has_line ? strcspn(line, "\r\n") : 0;
	if (len && len <= PLACE_MAX)
		buf_add(location, line, len);
	explicit_bzero(line, sizeof(line));
	return (len && len <= PLACE_MAX) || fail(path, "its first line must be a location");
}

bool copy_place_read(const char *text, struct buf *location)
{
	if (text[0] == '@')
		return read_file(text + 1, location);
	if (database_has_password(text))
		return fail("the address",
		            "a password in the command line is seen by all users of this machine; "
		            "write the address into a file and give @FILE, or the password in "
		            "PGPASSWORD, in ~/.pgpass, or in a file that the address names with "
		            "passfile=");
	buf_text(location, text);
	return true;
}
