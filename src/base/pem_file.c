#include "joblight/base/pem_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "joblight/base/slice.h"
#include "joblight/base/xalloc.h"

#define FILE_MAX (1024 * 1024)

/* ---- errors ---- */

static const char *cause_of(const char *otherwise)
{
	unsigned long code = ERR_peek_last_error();

	if (!code || ERR_GET_REASON(code) == ERR_R_UNSUPPORTED ||
	    ERR_GET_LIB(code) == ERR_LIB_ASN1 || ERR_GET_REASON(code) == ERR_R_ASN1_LIB ||
	    (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE))
		return otherwise;
	if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_BAD_PASSWORD_READ)
		return "the key is encrypted; store it without a passphrase";
	const char *reason = ERR_reason_error_string(code);
	return reason ? reason : otherwise;
}

void pem_explain(const char *path, const char *otherwise, char *error, size_t error_len)
{
	snprintf(error, error_len, "%s: %s", path, cause_of(otherwise));
	ERR_clear_error();
}

/* ---- files ---- */

static bool read_all(int fd, struct slice *text)
{
	struct stat status;
	size_t len = 0;
	ssize_t n = 1;

	if (fstat(fd, &status))
		return false;
	errno = S_ISDIR(status.st_mode) ? EISDIR : status.st_size > FILE_MAX ? EFBIG : EINVAL;
	if (!S_ISREG(status.st_mode) || status.st_size > FILE_MAX)
		return false;
	size_t size = (size_t)status.st_size;
	char *bytes = xmalloc(size + 1);
	while (len < size && (n = read(fd, bytes + len, size - len)) > 0)
		len += (size_t)n;
	*text = (struct slice){ bytes, len };
	if (n >= 0)
		return true;
	free(bytes);
	return false;
}

/* Opening a FIFO or a device could block.  The text is freed with close_file(). */
static BIO *open_file(const char *path, struct slice *text, char *error, size_t error_len)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	bool ok = fd >= 0 && read_all(fd, text);

	if (!ok)
		snprintf(error, error_len, "%s: %s", path,
		         errno == EINVAL ? "it is not a regular file" : strerror(errno));
	if (fd >= 0)
		close(fd);
	ERR_clear_error();
	BIO *pem = ok ? BIO_new_mem_buf(text->ptr, (int)text->len) : NULL;
	if (ok && !pem)
		out_of_memory();
	return pem;
}

/* It may have a key. */
static void close_file(BIO *pem, struct slice text)
{
	BIO_free(pem);
	OPENSSL_cleanse((char *)(uintptr_t)text.ptr, text.len);
	free((char *)(uintptr_t)text.ptr);
}

static int no_passphrase(char *text, int size, int writing, void *context)
{
	(void)text, (void)size, (void)writing, (void)context;
	return -1;
}

/* ---- what is in them ---- */

static bool read_chain(BIO *pem, STACK_OF(X509) * chain)
{
	X509 *next = PEM_read_bio_X509_AUX(pem, NULL, no_passphrase, NULL);

	if (!next)
		return false;
	for (; next; next = PEM_read_bio_X509(pem, NULL, no_passphrase, NULL))
		if (!sk_X509_push(chain, next))
			out_of_memory();
	/* The end of the file is reported as an error. */
	return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

STACK_OF(X509) * pem_certificates(const char *path, char *error, size_t error_len)
{
	struct slice text = { 0 };
	BIO *pem = open_file(path, &text, error, error_len);
	STACK_OF(X509) *chain = sk_X509_new_null();

	if (!chain)
		out_of_memory();
	if (!pem) {
		sk_X509_free(chain);
		return NULL;
	}
	bool ok = read_chain(pem, chain);
	if (!ok)
		pem_explain(path, "there is no certificate in this file", error, error_len);
	ERR_clear_error();
	close_file(pem, text);
	if (ok)
		return chain;
	sk_X509_pop_free(chain, X509_free);
	return NULL;
}

EVP_PKEY *pem_private_key(const char *path, char *error, size_t error_len)
{
	struct slice text = { 0 };
	BIO *pem = open_file(path, &text, error, error_len);

	if (!pem)
		return NULL;
	EVP_PKEY *key = PEM_read_bio_PrivateKey(pem, NULL, no_passphrase, NULL);
	if (!key)
		pem_explain(path, "there is no private key in this file", error, error_len);
	ERR_clear_error();
	close_file(pem, text);
	return key;
}
