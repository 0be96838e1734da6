#include "first_key.h"

#include <errno.h>
#include <stdio.h>

#include "credential_file.h"
#include "joblight/base/xalloc.h"

static bool take(struct slice text, struct access_key_row *row)
{
	struct slice id;

	if (!access_key_parse(text, &id))
		return false;
	*row = (struct access_key_row){ .rights = RIGHT_ALL,
		                        .name = xstrdup("--key-file"),
		                        .jobs = xstrdup("*") };
	memcpy(row->id, id.ptr, id.len);
	access_key_hash(text, row->hash);
	return true;
}

struct credential *first_key_read(const char *path)
{
	char text[ACCESS_KEY_LEN + 3];
	struct access_key_row row;
	FILE *file = fopen(path, "re");

	if (!file) {
		fprintf(stderr, "joblight: --key-file %s: %s\n", path, strerror(errno));
		return NULL;
	}
	credential_file_warn("key-file", path);
	size_t len = fread(text, 1, sizeof(text), file);
	while (len && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	bool ok = take((struct slice){ text, len }, &row);
	fclose(file);
	explicit_bzero(text, sizeof(text));
	if (ok)
		return credential_create(&row);
	fprintf(stderr,
	        "joblight: --key-file %s: it must have one key and nothing else; `joblight key "
	        "generate` prints a new one\n",
	        path);
	return NULL;
}
