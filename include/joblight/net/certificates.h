/*
 * The certificates of the TLS listeners with their private keys.  Immutable; shared by the threads,
 * and counted.
 */
#ifndef JOBLIGHT_NET_CERTIFICATES_H
#define JOBLIGHT_NET_CERTIFICATES_H

#include "joblight/base/slice.h"

struct certificates;

/*
 * Reads PEM files: files->items[i] has a certificate and the intermediate ones, keys->items[i] its
 * private key.  The first one is used when a client names no host, or one that no certificate is
 * for.  An expired one is an error, or only logged as a warning if `allow_expired`.  NULL: `error`
 * says why.
 */
struct certificates *certificates_load(const struct slices *files, const struct slices *keys,
                                       bool allow_expired, char *error, size_t error_len);

struct certificates *certificates_hold(struct certificates *c); /* returns `c`, which may be NULL */
void certificates_release(struct certificates *c);              /* may be NULL */

#endif
