#include "tls_files.h"

#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/log.h"
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

static bool are_paired(const struct slices *certificates, const struct slices *keys)
{
	if (certificates->count == keys->count)
		return true;
	fprintf(stderr,
	        "joblight: there are %zu --tls-cert and %zu --tls-key; each certificate needs its "
	        "key, in the same order\n",
	        certificates->count, keys->count);
	return false;
}

bool tls_files_start(struct tls_files *t, const struct slices *certificates,
                     const struct slices *keys)
{
	char error[512];

	*t = (struct tls_files){ .certificates = certificates, .keys = keys };
	if (!are_paired(certificates, keys))
		return false;
	if (!certificates->count)
		return true;
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

struct certificates *tls_files_read_again(const struct tls_files *t)
{
	char error[512];
	struct certificates *next = certificates_load(t->certificates, t->keys, false, error,
	                                              sizeof(error));

	if (next)
		log_info("the certificates were read again");
	else
		log_error("the certificates have a mistake; the old ones stay", "cause", error);
	return next;
}
