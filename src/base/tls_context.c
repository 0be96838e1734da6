#include "joblight/base/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>

#include "joblight/base/pem_file.h"

/*
 * Those with forward secrecy and authenticated encryption, the cheapest first; TLS 1.3 has no
 * others.
 */
#define CIPHERS_OF_TLS_1_2                                                                         \
	"ECDHE+AESGCM+AES128:ECDHE+AESGCM+AES256:ECDHE-ECDSA-CHACHA20-POLY1305:"                   \
	"ECDHE-RSA-CHACHA20-POLY1305"
#define CIPHERS_OF_TLS_1_3                                                                         \
	"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

SSL_CTX *tls_context_create(const SSL_METHOD *method)
{
	SSL_CTX *context = SSL_CTX_new(method);

	if (!context)
		return NULL;
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	if (SSL_CTX_set_cipher_list(context, CIPHERS_OF_TLS_1_2) == 1 &&
	    SSL_CTX_set_ciphersuites(context, CIPHERS_OF_TLS_1_3) == 1)
		return context;
	SSL_CTX_free(context);
	return NULL;
}

static bool use_chain(SSL_CTX *context, STACK_OF(X509) * chain)
{
	bool ok = SSL_CTX_use_certificate(context, sk_X509_value(chain, 0)) == 1;

	for (int i = 1; ok && i < sk_X509_num(chain); i++)
		ok = SSL_CTX_add1_chain_cert(context, sk_X509_value(chain, i)) == 1;
	return ok;
}

bool tls_context_use_certificate(SSL_CTX *context, const char *path, char *error, size_t error_len)
{
	STACK_OF(X509) *chain = pem_certificates(path, error, error_len);

	if (!chain)
		return false;
	bool ok = use_chain(context, chain);
	if (!ok)
		pem_explain(path, "the certificate cannot be used", error, error_len);
	sk_X509_pop_free(chain, X509_free);
	return ok;
}

bool tls_context_use_key(SSL_CTX *context, const char *path, char *error, size_t error_len)
{
	EVP_PKEY *key = pem_private_key(path, error, error_len);

	if (!key)
		return false;
	bool ok = SSL_CTX_use_PrivateKey(context, key) == 1 &&
	          SSL_CTX_check_private_key(context) == 1;
	if (!ok)
		snprintf(error, error_len, "%s: the key does not belong to the certificate", path);
	ERR_clear_error();
	EVP_PKEY_free(key);
	return ok;
}

const char *tls_context_fault_of_dates(const SSL_CTX *context)
{
	const X509 *own = SSL_CTX_get0_certificate(context);

	if (X509_cmp_current_time(X509_get0_notAfter(own)) < 0)
		return "the certificate has expired";
	if (X509_cmp_current_time(X509_get0_notBefore(own)) > 0)
		return "the certificate is not valid yet";
	return NULL;
}
