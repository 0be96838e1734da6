/*
 * Certificates and private keys in files in PEM (RFC 7468), for TLS.  Errors begin with the path,
 * and none of them has a part of a file.  Any thread.
 */
#ifndef JOBLIGHT_BASE_PEM_FILE_H
#define JOBLIGHT_BASE_PEM_FILE_H

#include <stddef.h>

struct evp_pkey_st;
struct stack_st_X509;

/*
 * All certificates of a file, at least one, in their order.  The caller frees them with
 * sk_X509_pop_free().  NULL with a message: the file is none, is larger than 1 MiB, or has
 * none, or something that is none where one begins.
 */
struct stack_st_X509 *pem_certificates(const char *path, char *error, size_t error_len);

/* The private key of a file, which may have other things, too.  The caller frees it with
 * EVP_PKEY_free().  NULL with a message, also if it needs a passphrase, which nobody is asked for.
 */
struct evp_pkey_st *pem_private_key(const char *path, char *error, size_t error_len);

/* "PATH: " and what OpenSSL says last, or `otherwise` if that helps nobody; clears what it says. */
void pem_explain(const char *path, const char *otherwise, char *error, size_t error_len);

#endif
