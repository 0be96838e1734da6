#include "tls.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "joblight/base/xalloc.h"

#define UNASKED_MAX                                                                                \
	(16 * 1024) /* of answers to records of the protocol, which a peer could ask for without   \
	               end while it reads nothing */
#define SEALED_KEPT (256 * 1024)

struct tls {
	struct certificates *certificates;
	SSL *ssl;
	int fd;
	struct slice input;
	struct buf *sealed;
	struct buf unsent;
	size_t unasked; /* how much of `unsent` was not written by tls_write() */
	bool broken;
};

/* The socket as OpenSSL sees it: a BIO. */

static int on_write(BIO *bio, const char *bytes, int len)
{
	struct tls *t = BIO_get_data(bio);

	buf_add(t->sealed, bytes, (size_t)len);
	return len;
}

static int on_read(BIO *bio, char *bytes, int size)
{
	struct tls *t = BIO_get_data(bio);
	size_t len = t->input.len < (size_t)size ? t->input.len : (size_t)size;

	BIO_clear_retry_flags(bio);
	if (!len) {
		BIO_set_retry_read(bio);
		return -1;
	}
	memcpy(bytes, t->input.ptr, len);
	t->input = (struct slice){ t->input.ptr + len, t->input.len - len };
	return (int)len;
}

static long on_control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio, (void)number, (void)pointer;
	return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;

static void make_method(void)
{
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection");
	BIO_meth_set_write(method, on_write);
	BIO_meth_set_read(method, on_read);
	BIO_meth_set_ctrl(method, on_control);
}

struct tls *tls_create(struct certificates *certificates, int fd, struct buf *sealed)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct tls *t = xcalloc(1, sizeof(*t));

	pthread_once(&once, make_method);
	BIO *bio = BIO_new(method);
	t->certificates = certificates_hold(certificates);
	t->ssl = certificates_open(certificates);
	t->fd = fd;
	t->sealed = sealed;
	t->broken = !t->ssl || !bio;
	if (t->broken) {
		BIO_free(bio);
		return t;
	}
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	SSL_set_bio(t->ssl, bio, bio);
	SSL_set_accept_state(t->ssl);
	return t;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	certificates_release(t->certificates);
	buf_finish(&t->unsent);
	free(t);
}

void tls_set_descriptor(struct tls *t, int fd)
{
	t->fd = fd;
}

/* Output. */

/* Sends from the start of the bytes, and returns how many the socket took. */
static size_t send_some(struct tls *t, struct slice bytes)
{
	size_t sent = 0;

	while (sent < bytes.len && !t->broken) {
		ssize_t n = send(t->fd, bytes.ptr + sent, bytes.len - sent,
		                 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n >= 0)
			sent += (size_t)n;
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			t->broken = true;
	}
	return sent;
}

/* Sends what OpenSSL has sealed, or keeps it. */
static void send_sealed(struct tls *t, bool asked)
{
	struct slice bytes = buf_as_slice(t->sealed);
	size_t sent = t->unsent.len ? 0 : send_some(t, bytes);

	if (!t->broken && sent < bytes.len) {
		buf_add(&t->unsent, bytes.ptr + sent, bytes.len - sent);
		t->unasked += asked ? 0 : bytes.len - sent;
	}
	t->sealed->len = 0;
	if (t->sealed->cap > SEALED_KEPT)
		buf_finish(t->sealed);
	if (t->unasked > UNASKED_MAX)
		t->broken = true;
}

bool tls_write(struct tls *t, const char *bytes, size_t len)
{
	for (size_t done = 0; done < len && !t->broken;) {
		size_t left = len - done;
		int n = SSL_write(t->ssl, bytes + done, left < INT_MAX ? (int)left : INT_MAX);
		if (n <= 0)
			t->broken = true;
		else
			done += (size_t)n;
	}
	send_sealed(t, true);
	return !t->broken;
}

bool tls_end(struct tls *t)
{
	if (!t->broken && tls_is_ready(t)) {
		ERR_clear_error();
		if (SSL_shutdown(t->ssl) < 0)
			ERR_clear_error();
		send_sealed(t, true);
	}
	return !t->broken;
}

size_t tls_unsent(const struct tls *t)
{
	return t->broken ? 0 : t->unsent.len;
}

bool tls_flush(struct tls *t)
{
	size_t sent = send_some(t, buf_as_slice(&t->unsent));

	t->unsent.len -= sent;
	if (t->unsent.len)
		memmove(t->unsent.ptr, t->unsent.ptr + sent, t->unsent.len);
	else
		buf_finish(&t->unsent);
	if (!t->unsent.len)
		t->unasked = 0;
	return !t->broken;
}

bool tls_is_ready(const struct tls *t)
{
	return !t->broken && SSL_is_init_finished(t->ssl);
}

bool tls_is_broken(const struct tls *t)
{
	return t->broken;
}

/* Input. */

void tls_feed(struct tls *t, struct slice bytes)
{
	t->input = bytes;
}

enum tls_input tls_read(struct tls *t, char *out, size_t size, size_t *len)
{
	if (t->broken)
		return TLS_BROKEN;
	bool asked = !SSL_is_init_finished(t->ssl); /* a handshake is answered once */
	ERR_clear_error();
	int n = SSL_read(t->ssl, out, (int)size);
	int cause = n > 0 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, n);
	send_sealed(t, asked); /* the handshake, tickets, alerts */
	*len = n > 0 ? (size_t)n : 0;
	if (t->broken)
		return TLS_BROKEN;
	if (n > 0)
		return TLS_OPENED;
	if (cause == SSL_ERROR_WANT_READ)
		return TLS_MORE;
	if (cause == SSL_ERROR_ZERO_RETURN)
		return TLS_ENDED;
	t->broken = true;
	return TLS_BROKEN;
}
