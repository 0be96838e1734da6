#include "redis_tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/log.h"
#include "joblight/base/pem_file.h"
#include "joblight/base/tls_context.h"
#include "joblight/base/xalloc.h"

struct redis_tls_settings {
	SSL_CTX *context;
	bool has_certificate;
};

struct redis_tls {
	SSL *ssl;
	BIO *in, *out; /* of `ssl`: what has come from the network, and what is to be sent */
	bool shows_certificate; /* if Redis asks for one */
	unsigned long error;    /* the first one */
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
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	if (!path)
		return SSL_CTX_set_default_verify_paths(context) == 1;
	STACK_OF(X509) *trusted = pem_certificates(path, fault->text, fault->len);
	if (!trusted)
		return false;
	bool ok = add_trusted(context, trusted);
	if (!ok)
		pem_explain(path, "a certificate cannot be used", fault->text, fault->len);
	/* Any of them will do, also one that another one has signed. */
	X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
	sk_X509_pop_free(trusted, X509_free);
	return ok;
}

static bool use_certificate(SSL_CTX *context, const char *path, const struct fault *fault)
{
	if (!path)
		return true;
	if (!tls_context_use_certificate(context, path, fault->text, fault->len) ||
	    !tls_context_use_key(context, path, fault->text, fault->len))
		return false;
	const char *cause = tls_context_fault_of_dates(context);
	if (cause)
		log_warn("Redis will refuse a certificate", "file", path, "cause", cause);
	return true;
}

struct redis_tls_settings *redis_tls_settings_create(const char *ca, const char *certificate,
                                                     char *error, size_t error_len)
{
	struct redis_tls_settings *s = xcalloc(1, sizeof(*s));
	char cause[400] = "the certificates of the system cannot be read";
	const struct fault fault = { cause, sizeof(cause) };
	const char *setting = "--bus-ca";

	ERR_clear_error();
	s->context = tls_context_create(TLS_client_method());
	s->has_certificate = certificate;
	if (!s->context) {
		setting = "--bus: OpenSSL";
		pem_explain("TLS", "it cannot be set up", cause, sizeof(cause));
	} else if (use_ca(s->context, ca, &fault)) {
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

/* RFC 6066 has no addresses in the server name, and no dot at its end. */
static bool expect_host(SSL *ssl, const char *host)
{
	char *name;

	if (is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	name = xstrdup(host);
	if (*name && name[strlen(name) - 1] == '.')
		name[strlen(name) - 1] = '\0';
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	bool ok = SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
	free(name);
	return ok;
}

struct redis_tls *redis_tls_create(struct redis_tls_settings *s, const char *host)
{
	struct redis_tls *t = xcalloc(1, sizeof(*t));

	t->ssl = SSL_new(s->context);
	t->in = BIO_new(BIO_s_mem());
	t->out = BIO_new(BIO_s_mem());
	if (!t->ssl || !t->in || !t->out || !expect_host(t->ssl, host))
		out_of_memory();
	SSL_set_bio(t->ssl, t->in, t->out); /* they are freed with it */
	SSL_set_connect_state(t->ssl);
	t->shows_certificate = s->has_certificate;
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
	if (!t->error)
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

	if (len <= 0) /* to reset it costs as much as the most that it had */
		return;
	buf_add(out, bytes, (size_t)len);
	(void)BIO_reset(t->out);
}

/* What can be changed where the words of OpenSSL do not say it; NULL: they will do. */
static const char *advice(const struct redis_tls *t)
{
	switch (ERR_GET_LIB(t->error) == ERR_LIB_SSL ? ERR_GET_REASON(t->error) : 0) {
	case SSL_R_WRONG_VERSION_NUMBER:
		return "what answers does not speak TLS";
	case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
		return "Redis wants a certificate: --bus-certificate";
	case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
		return t->shows_certificate ? NULL
		                            : "Redis refuses the handshake; it may want a "
		                              "certificate: --bus-certificate";
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
	case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
		return "Redis does not accept the certificate of --bus-certificate";
	default:
		return NULL;
	}
}

void redis_tls_cause(const struct redis_tls *t, char *out, size_t size)
{
	long verified = SSL_get_verify_result(t->ssl);
	const char *reason = advice(t);

	if (!reason)
		reason = ERR_reason_error_string(t->error);
	if (verified == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
	    verified == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
	    verified == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT)
		snprintf(out, size,
		         "TLS: the certificate of Redis is not accepted: %s; --bus-ca "
		         "names those that are",
		         X509_verify_cert_error_string(verified));
	else if (verified != X509_V_OK)
		snprintf(out, size, "TLS: the certificate of Redis is not accepted: %s",
		         X509_verify_cert_error_string(verified));
	else
		snprintf(out, size, "TLS: %s", reason ? reason : "it has failed");
}
