#include "credential_file.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "joblight/base/log.h"

static const struct slice prefix = { "credential:", 11 };

static struct slice name_of(struct slice value)
{
	return (struct slice){ value.ptr + prefix.len, value.len - prefix.len };
}

bool credential_file_is_named(struct slice value)
{
	return value.len >= prefix.len && memcmp(value.ptr, prefix.ptr, prefix.len) == 0;
}

bool credential_file_valid(struct slice value)
{
	if (!credential_file_is_named(value))
		return true;
	struct slice name = name_of(value);
	return name.len && name.len <= NAME_MAX && !memchr(name.ptr, '/', name.len) &&
	       !slice_is(name, ".") && !slice_is(name, "..");
}

bool credential_file_path(struct slice value, struct buf *path)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");

	if (!credential_file_is_named(value) || !directory || !*directory)
		return false;
	buf_format(path, "%s/", directory);
	buf_slice(path, name_of(value));
	return true;
}

/*
 * A warning and no error, because the platforms for containers mount their secrets like that.  The
 * bits of the group do not count: systemd grants access to a credential by an ACL, whose mask they
 * are.
 */
void credential_file_warn(const char *flag, const char *path)
{
	struct stat status;

	if (stat(path, &status) == 0 && (status.st_mode & S_IRWXO))
		log_warn("every user of this machine may read or write this file with a secret; "
		         "make it private (chmod o= FILE)",
		         "setting", flag, "file", path);
}
