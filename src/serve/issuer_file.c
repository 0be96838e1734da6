#include "issuer_file.h"

#include <errno.h>

static bool read_bytes(const char *path, struct buf *bytes, char *error, size_t error_len)
{
	FILE *file = fopen(path, "re");

	if (!file) {
		snprintf(error, error_len, "--jwt-keys %s: %s", path, strerror(errno));
		return false;
	}
	buf_reserve(bytes, ISSUER_FILE_MAX + 1);
	bytes->len = fread(bytes->ptr, 1, ISSUER_FILE_MAX + 1, file);
	bool failed = ferror(file);
	fclose(file);
	if (failed)
		snprintf(error, error_len, "--jwt-keys %s: it cannot be read", path);
	else if (bytes->len > ISSUER_FILE_MAX)
		snprintf(error, error_len, "--jwt-keys %s: it is larger than 256 KiB", path);
	return !failed && bytes->len <= ISSUER_FILE_MAX;
}

bool issuer_file_read(const struct config *c, struct issuer **issuer, char *error, size_t error_len)
{
	struct issuer_rules rules = { c->jwt_issuer, c->jwt_audience, c->jwt_scope,
		                      c->jwt_jobs,   c->jwt_commands, c->jwt_name };
	struct buf bytes = { 0 };
	char fault[256];

	*issuer = NULL;
	if (!c->jwt_keys)
		return true;
	if (read_bytes(c->jwt_keys, &bytes, error, error_len)) {
		*issuer = issuer_create(&rules, buf_as_slice(&bytes), fault, sizeof(fault));
		if (!*issuer)
			snprintf(error, error_len, "--jwt-keys %s: %s", c->jwt_keys, fault);
	}
	buf_finish(&bytes);
	return *issuer != NULL;
}
