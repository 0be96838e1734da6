#include "net_tls.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/ssl.h>

#define DESCRIPTORS 65536
#define PATIENCE_MS 10000

static SSL *sessions[DESCRIPTORS];

static SSL_CTX *context(void)
{
	static SSL_CTX *made;

	if (!made) {
		made = SSL_CTX_new(TLS_client_method()); /* the certificate is not checked */
		SSL_CTX_set_mode(made, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE);
	}
	return made;
}

void net_tls_begin(int fd)
{
	if (fd >= DESCRIPTORS) {
		fprintf(stderr, "loadgen: too many descriptors for TLS\n");
		exit(1);
	}
	SSL_free(sessions[fd]); /* of an earlier socket */
	sessions[fd] = SSL_new(context());
	SSL_set_fd(sessions[fd], fd);
	SSL_set_connect_state(sessions[fd]);
}

bool net_tls_has(int fd)
{
	return fd >= 0 && fd < DESCRIPTORS && sessions[fd];
}

/* As the system calls report it. */
static ssize_t failed(SSL *ssl, int result)
{
	switch (SSL_get_error(ssl, result)) {
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		errno = EAGAIN;
		return -1;
	default:
		errno = ECONNRESET;
		return -1;
	}
}

static bool connected(SSL *ssl, int fd)
{
	int result;

	while ((result = SSL_do_handshake(ssl)) != 1) {
		struct pollfd socket = { .fd = fd,
			                 .events = SSL_want_write(ssl) ? POLLOUT : POLLIN };
		if (failed(ssl, result) == 0 || errno != EAGAIN ||
		    poll(&socket, 1, PATIENCE_MS) != 1)
			return false;
	}
	return true;
}

ssize_t net_tls_send(int fd, const void *bytes, size_t len)
{
	SSL *ssl = sessions[fd];

	if (!SSL_is_init_finished(ssl) && !connected(ssl, fd)) {
		errno = ECONNRESET;
		return -1;
	}
	int n = SSL_write(ssl, bytes, (int)len);
	return n > 0 ? n : failed(ssl, n);
}

ssize_t net_tls_recv(int fd, void *bytes, size_t room)
{
	SSL *ssl = sessions[fd];
	size_t have = 0;
	int n = 1;

	while (have < room && (n = SSL_read(ssl, (char *)bytes + have, (int)(room - have))) > 0)
		have += (size_t)n;
	return have ? (ssize_t)have : failed(ssl, n);
}
