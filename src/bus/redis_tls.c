#include "redis_tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/pem_file.h"
#include "joblight/base/xalloc.h"

struct redis_tls_settings {
	SSL_CTX *context;
};

struct redis_tls {
	SSL *ssl;
	BIO *in, *out; /* of `ssl`: what has come from the network, and what is to be sent */
	unsigned long error;
};

/* ---- settings ---- */

struct fault {
	char *text;
	size_t len;
};

static bool add_trusted(SSL_CTX *context, STACK_OF(X509) * trusted)
{
	bool ok = true;

	for (int i = 0; ok && i < sk_X509_num(trusted); i++)
		ok = X509_STORE_add_cert(SSL_CTX_get_cert_store(context),
		                         sk_X509_value(trusted, i)) == 1;
	return ok;
}

static bool use_ca(SSL_CTX *context, const char *path, const struct fault *fault)
{
	if (!path)
		return SSL_CTX_set_default_verify_paths(context) == 1;
	STACK_OF(X509) *trusted = pem_certificates(path, fault->text, fault->len);
	if (!trusted)
		return false;
	bool ok = add_trusted(context, trusted);
	if (!ok)
		pem_explain(path, "a certificate cannot be used", fault->text, fault->len);
	sk_X509_pop_free(trusted, X509_free);
	return ok;
}

/* The first one, and those that lead to one that Redis knows. */
static bool use_chain(SSL_CTX *context, STACK_OF(X509) * chain)
{
	bool ok = SSL_CTX_use_certificate(context, sk_X509_value(chain, 0)) == 1;

	for (int i = 1; ok && i < sk_X509_num(chain); i++)
		ok = SSL_CTX_add1_chain_cert(context, sk_X509_value(chain, i)) == 1;
	return ok;
}

static bool use_certificate(SSL_CTX *context, const char *path, const struct fault *fault)
{
	STACK_OF(X509) *chain = path ? pem_certificates(path, fault->text, fault->len) : NULL;
	EVP_PKEY *key = chain ? pem_private_key(path, fault->text, fault->len) : NULL;
	bool ok = !path;

	if (key) {
		ok = use_chain(context, chain) && SSL_CTX_use_PrivateKey(context, key) == 1 &&
		     SSL_CTX_check_private_key(context) == 1;
		if (!ok)
			pem_explain(path, "the certificate cannot be used", fault->text,
			            fault->len);
	}
	EVP_PKEY_free(key);
	sk_X509_pop_free(chain, X509_free);
	return ok;
}

struct redis_tls_settings *redis_tls_settings_create(const char *ca, const char *certificate,
                                                     char *error, size_t error_len)
{
	struct redis_tls_settings *s = xcalloc(1, sizeof(*s));
	char cause[400] = "the certificates of the system cannot be read";
	const struct fault fault = { cause, sizeof(cause) };
	const char *setting = "--bus-ca";

	ERR_clear_error();
	s->context = SSL_CTX_new(TLS_client_method());
	if (!s->context)
		out_of_memory();
	SSL_CTX_set_min_proto_version(s->context, TLS1_2_VERSION);
	SSL_CTX_set_options(s->context, SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_verify(s->context, SSL_VERIFY_PEER, NULL);
	if (use_ca(s->context, ca, &fault)) {
		setting = "--bus-certificate";
		if (use_certificate(s->context, certificate, &fault))
			return s;
	}
	snprintf(error, error_len, "%s %s", setting, cause);
	ERR_clear_error();
	redis_tls_settings_free(s);
	return NULL;
}

void redis_tls_settings_free(struct redis_tls_settings *s)
{
	if (!s)
		return;
	SSL_CTX_free(s->context);
	free(s);
}

/* ---- connections ---- */

static bool is_address(const char *host)
{
	unsigned char address[16];

	return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* RFC 6066 has no addresses in the server name. */
static bool expect_host(SSL *ssl, const char *host)
{
	if (is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

struct redis_tls *redis_tls_create(struct redis_tls_settings *s, const char *host)
{
	struct redis_tls *t = xcalloc(1, sizeof(*t));
	char none[1];
	size_t len;

	t->ssl = SSL_new(s->context);
	t->in = BIO_new(BIO_s_mem());
	t->out = BIO_new(BIO_s_mem());
	if (!t->ssl || !t->in || !t->out || !expect_host(t->ssl, host))
		out_of_memory();
	SSL_set_bio(t->ssl, t->in, t->out); /* they are freed with it */
	SSL_set_connect_state(t->ssl);
	redis_tls_read(t, none, sizeof(none), &len);
	return t;
}

void redis_tls_free(struct redis_tls *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	free(t);
}

void redis_tls_take(struct redis_tls *t, struct slice bytes)
{
	if (BIO_write(t->in, bytes.ptr, (int)bytes.len) != (int)bytes.len)
		out_of_memory();
}

static void note_error(struct redis_tls *t)
{
	t->error = ERR_peek_last_error();
	ERR_clear_error();
}

static enum redis_tls_result result_of(struct redis_tls *t, int returned)
{
	switch (SSL_get_error(t->ssl, returned)) {
	case SSL_ERROR_WANT_READ:
		return REDIS_TLS_NONE;
	case SSL_ERROR_ZERO_RETURN:
		return REDIS_TLS_CLOSED;
	default:
		note_error(t);
		return REDIS_TLS_FAILED;
	}
}

enum redis_tls_result redis_tls_read(struct redis_tls *t, char *out, size_t size, size_t *len)
{
	*len = 0;
	ERR_clear_error();
	int returned = SSL_read_ex(t->ssl, out, size, len);
	return returned == 1 ? REDIS_TLS_BYTES : result_of(t, returned);
}

bool redis_tls_is_open(const struct redis_tls *t)
{
	return SSL_is_init_finished(t->ssl);
}

bool redis_tls_write(struct redis_tls *t, struct slice bytes)
{
	size_t written;

	ERR_clear_error();
	if (!bytes.len)
		return true;
	if (SSL_write_ex(t->ssl, bytes.ptr, bytes.len, &written) == 1)
		return true;
	note_error(t);
	return false;
}

void redis_tls_flush(struct redis_tls *t, struct buf *out)
{
	char *bytes;
	long len = BIO_get_mem_data(t->out, &bytes);

	if (len > 0)
		buf_add(out, bytes, (size_t)len);
	(void)BIO_reset(t->out);
}

void redis_tls_cause(const struct redis_tls *t, char *out, size_t size)
{
	long verified = SSL_get_verify_result(t->ssl);
	const char *reason = ERR_reason_error_string(t->error);

	if (verified != X509_V_OK)
		snprintf(out, size, "TLS: the certificate of Redis is not accepted: %s",
		         X509_verify_cert_error_string(verified));
	else
		snprintf(out, size, "TLS: %s", reason ? reason : "it has failed");
}
