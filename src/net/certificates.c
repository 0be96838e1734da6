#include "certificates.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "joblight/base/log.h"
#include "joblight/base/tls_context.h"
#include "joblight/base/xalloc.h"

struct certificates {
	atomic_uint holders;
	size_t count;
	SSL_CTX *items[SLICES_MAX];
};

/* Errors. */

struct fault {
	char *text;
	size_t len;
};

/* Returns false. */
static bool set_fault(const struct fault *f, const char *file, const char *cause)
{
	snprintf(f->text, f->len, "%s: %s", file, cause);
	ERR_clear_error();
	return false;
}

static bool check_dates(SSL_CTX *ctx, const char *path, bool allow_expired,
                        const struct fault *fault)
{
	const char *cause = tls_context_fault_of_dates(ctx);

	if (cause && !allow_expired)
		return set_fault(fault, path, cause);
	if (cause)
		log_warn("clients will refuse a certificate", "file", path, "cause", cause);
	return true;
}

/* Contexts. */

/* Chooses the certificate for the host that the client names. */
static int on_name(SSL *ssl, int *alert, void *context)
{
	const struct certificates *c = context;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	for (size_t i = 0; name && i < c->count; i++)
		if (X509_check_host(SSL_CTX_get0_certificate(c->items[i]), name, 0, 0, NULL) == 1) {
			SSL_set_SSL_CTX(ssl, c->items[i]);
			break;
		}
	return SSL_TLSEXT_ERR_OK;
}

/* Only HTTP/1.1 is spoken here (RFC 7301). */
static int on_protocols(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_len,
                        const unsigned char *offered, unsigned int offered_len, void *context)
{
	static const unsigned char spoken[] = "\x08http/1.1";
	unsigned char *found = NULL;

	(void)ssl, (void)context;
	if (SSL_select_next_proto(&found, chosen_len, spoken, sizeof(spoken) - 1, offered,
	                          offered_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*chosen = found;
	return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *make_context(struct certificates *c)
{
	SSL_CTX *ctx = tls_context_create(TLS_server_method());

	if (!ctx)
		return NULL;
	SSL_CTX_set_options(ctx, SSL_OP_PRIORITIZE_CHACHA | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets are enough */
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_alpn_select_cb(ctx, on_protocols, NULL);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
	SSL_CTX_set_tlsext_servername_arg(ctx, c);
	return ctx;
}

static bool add_pair(struct certificates *c, struct slice file, struct slice key,
                     bool allow_expired, const struct fault *fault)
{
	SSL_CTX *ctx = make_context(c);
	char *file_path = xmemdup(file.ptr, file.len), *key_path = xmemdup(key.ptr, key.len);
	bool ok = ctx ? tls_context_use_certificate(ctx, file_path, fault->text, fault->len) &&
	                    tls_context_use_key(ctx, key_path, fault->text, fault->len) &&
	                    check_dates(ctx, file_path, allow_expired, fault)
	              : set_fault(fault, "OpenSSL", "no context");

	free(file_path);
	free(key_path);
	if (ok)
		c->items[c->count++] = ctx;
	else
		SSL_CTX_free(ctx);
	return ok;
}

struct certificates *certificates_load(const struct slices *files, const struct slices *keys,
                                       bool allow_expired, char *error, size_t error_len)
{
	const struct fault fault = { error, error_len };
	struct certificates *c = xcalloc(1, sizeof(*c));

	atomic_init(&c->holders, 1);
	ERR_clear_error();
	for (size_t i = 0; i < files->count; i++)
		if (!add_pair(c, files->items[i], keys->items[i], allow_expired, &fault)) {
			certificates_release(c);
			return NULL;
		}
	return c;
}

struct certificates *certificates_hold(struct certificates *c)
{
	if (c)
		atomic_fetch_add(&c->holders, 1);
	return c;
}

void certificates_release(struct certificates *c)
{
	if (!c || atomic_fetch_sub(&c->holders, 1) != 1)
		return;
	for (size_t i = 0; i < c->count; i++)
		SSL_CTX_free(c->items[i]);
	free(c);
}

SSL *certificates_open(const struct certificates *c)
{
	return SSL_new(c->items[0]);
}
