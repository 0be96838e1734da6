#include "tls_files.h"

#include <stdio.h>
#include <stdlib.h>

#include "credential_file.h"
#include "joblight/base/xalloc.h"

static bool has_changed(struct file_stamp *stamp, struct slice path)
{
	char *text = xmemdup(path.ptr, path.len);
	bool changed = file_stamp_changed(stamp, text);

	free(text);
	return changed;
}

bool tls_files_changed(struct tls_files *t)
{
	bool changed = false;

	for (size_t i = 0; i < t->certificates->count; i++) {
		changed |= has_changed(&t->stamps[2 * i], t->certificates->items[i]);
		changed |= has_changed(&t->stamps[2 * i + 1], t->keys->items[i]);
	}
	return changed;
}

static bool are_paired(const struct slices *certificates, const struct slices *keys, char *error,
                       size_t error_len)
{
	if (certificates->count == keys->count)
		return true;
	snprintf(error, error_len,
	         "there are %zu --tls-cert and %zu --tls-key; each certificate needs its key, in "
	         "the same order",
	         certificates->count, keys->count);
	return false;
}

static void warn_of_modes(const struct slices *keys)
{
	for (size_t i = 0; i < keys->count; i++) {
		char *path = xmemdup(keys->items[i].ptr, keys->items[i].len);
		credential_file_warn("tls-key", path);
		free(path);
	}
}

bool tls_files_start(struct tls_files *t, const struct slices *certificates,
                     const struct slices *keys)
{
	char error[512];

	*t = (struct tls_files){ .certificates = certificates, .keys = keys };
	if (!are_paired(certificates, keys, error, sizeof(error))) {
		fprintf(stderr, "joblight: %s\n", error);
		return false;
	}
	if (!certificates->count)
		return true;
	warn_of_modes(keys);
	tls_files_changed(t);
	t->first = certificates_load(certificates, keys, true, error, sizeof(error));
	if (!t->first)
		fprintf(stderr, "joblight: TLS: %s\n", error);
	return t->first != NULL;
}

void tls_files_finish(struct tls_files *t)
{
	certificates_release(t->first);
	t->first = NULL;
}

struct certificates *tls_files_load(const struct slices *certificates, const struct slices *keys,
                                    char *error, size_t error_len)
{
	return are_paired(certificates, keys, error, error_len)
	           ? certificates_load(certificates, keys, false, error, error_len)
	           : NULL;
}
