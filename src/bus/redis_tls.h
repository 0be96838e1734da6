/*
 * TLS of connections to Redis: OpenSSL between the bytes of the network and those of the protocol.
 * TLS 1.2 or newer; the certificate of Redis is verified, and has to be for the host of the URL.
 *
 * Thread of the bus, except for the settings, which are read before it starts.
 */
#ifndef JOBLIGHT_BUS_REDIS_TLS_H
#define JOBLIGHT_BUS_REDIS_TLS_H

#include "joblight/base/buf.h"

struct redis_tls_settings;
struct redis_tls; /* of one connection */

/*
 * Reads the files.  `ca` has certificates in PEM that the one of Redis is verified with (NULL:
 * those of the system), `certificate` a certificate and its key that are shown to Redis (NULL:
 * none). NULL with a message that says what to change.
 */
struct redis_tls_settings *redis_tls_settings_create(const char *ca, const char *certificate,
                                                     char *error, size_t error_len);
void redis_tls_settings_free(struct redis_tls_settings *s); /* after the connections */

/* The first redis_tls_read() begins the handshake.  `host` is a name or an address. */
struct redis_tls *redis_tls_create(struct redis_tls_settings *s, const char *host);
void redis_tls_free(struct redis_tls *t);

/* These bytes have come from the network. */
void redis_tls_take(struct redis_tls *t, struct slice bytes);

enum redis_tls_result {
	REDIS_TLS_BYTES,
	REDIS_TLS_NONE, /* more has to come from the network first */
	REDIS_TLS_CLOSED,
	REDIS_TLS_FAILED,
};
/* What they say, piece by piece; also goes on with the handshake. */
enum redis_tls_result redis_tls_read(struct redis_tls *t, char *out, size_t size, size_t *len);
/* Whether the handshake has ended well, so that redis_tls_write() can be called. */
bool redis_tls_is_open(const struct redis_tls *t);
/* False: it has failed. */
bool redis_tls_write(struct redis_tls *t, struct slice bytes);
/* Appends what is to be sent over the network. */
void redis_tls_flush(struct redis_tls *t, struct buf *out);

/* Why it has failed. */
void redis_tls_cause(const struct redis_tls *t, char *out, size_t size);

#endif
