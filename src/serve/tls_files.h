/* The files of --tls-cert and --tls-key: read at the start, and again when they change. */
#ifndef JOBLIGHT_SERVE_TLS_FILES_H
#define JOBLIGHT_SERVE_TLS_FILES_H

#include "file_stamp.h"
#include "joblight/base/slice.h"
#include "joblight/net/certificates.h"

struct tls_files {
	const struct slices *certificates, *keys; /* borrowed */
	struct file_stamp stamps[2 * SLICES_MAX];
	struct certificates *first; /* as they were at the start; NULL: TLS is not configured */
};

/* Reads them.  False: a message on stderr says what is wrong. */
bool tls_files_start(struct tls_files *t, const struct slices *certificates,
                     const struct slices *keys);
void tls_files_finish(struct tls_files *t);

bool tls_files_changed(struct tls_files *t); /* since the start, or the last call */
/* Reads the files of these lists, which are in force or are to be.  The caller releases the result.
 * NULL: `error` says what is wrong. */
struct certificates *tls_files_load(const struct slices *certificates, const struct slices *keys,
                                    char *error, size_t error_len);

#endif
