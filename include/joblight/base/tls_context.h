/*
 * What both sides of TLS have in common: the versions and ciphers that are spoken, and a
 * certificate with its key from files (pem_file.h).  Whoever calls this links libssl.  Any thread.
 */
#ifndef JOBLIGHT_BASE_TLS_CONTEXT_H
#define JOBLIGHT_BASE_TLS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

struct ssl_ctx_st;
struct ssl_method_st;

/* TLS 1.2 and 1.3 without renegotiation.  The caller frees it with SSL_CTX_free().  NULL: OpenSSL
 * cannot make it. */
struct ssl_ctx_st *tls_context_create(const struct ssl_method_st *method);

/* The first certificate of a file, and those after it, which lead to one that the other side knows.
 * False with a message that begins with the path. */
bool tls_context_use_certificate(struct ssl_ctx_st *context, const char *path, char *error,
                                 size_t error_len);
/* The key that belongs to it.  False with a message that begins with the path. */
bool tls_context_use_key(struct ssl_ctx_st *context, const char *path, char *error,
                         size_t error_len);

/* Why the other side will refuse the certificate that is used, at this time of day; NULL: it will
 * not. */
const char *tls_context_fault_of_dates(const struct ssl_ctx_st *context);

#endif
