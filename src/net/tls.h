/*
 * TLS of a connection: between its socket, and those who read and write its bytes.
 *
 * Sealed (encrypted) input is passed in as it arrives, and opened input is taken out.  Output is
 * sealed and sent at once; what the socket does not take is kept, and is never more than the output
 * of one call of tls_write(), and a few short records of the protocol itself.  Nothing here waits.
 *
 * A header of the PROXY protocol comes before TLS: take it off the socket before the first
 * tls_feed().
 */
#ifndef JOBLIGHT_NET_TLS_H
#define JOBLIGHT_NET_TLS_H

#include "certificates.h"
#include "joblight/base/buf.h"

struct tls;

#define TLS_RECORD_BYTES 16384 /* the most that one record carries: RFC 8446 section 5.1 */

/*
 * `fd` is borrowed.  `sealed` is room that the connections of a thread share; it is empty between
 * the calls, and lives as long as they do.
 */
struct tls *tls_create(struct certificates *certificates, int fd, struct buf *sealed);
void tls_free(struct tls *t);                   /* may be NULL */
void tls_set_descriptor(struct tls *t, int fd); /* the same socket has another descriptor */

enum tls_input {
	TLS_OPENED, /* bytes were written to `out` */
	TLS_MORE,   /* all was taken; more input is needed */
	TLS_ENDED,  /* the peer has ended its side: close_notify, RFC 8446 section 6.1 */
	TLS_BROKEN, /* the handshake failed, a record is not valid, or the socket has an error */
};

/* The bytes have arrived.  They are borrowed until tls_read() returns something but TLS_OPENED. */
void tls_feed(struct tls *t, struct slice bytes);
enum tls_input tls_read(struct tls *t, char *out, size_t size, size_t *len);

/* The handshake is complete, so that output can be written. */
bool tls_is_ready(const struct tls *t);
/* False: the connection is broken. */
bool tls_write(struct tls *t, const char *bytes, size_t len);
bool tls_end(struct tls *t); /* tells the peer that no output follows */

/* Output that the socket has not taken yet.  tls_flush() sends more of it. */
size_t tls_unsent(const struct tls *t);
bool tls_flush(struct tls *t); /* false: the connection is broken */
bool tls_is_broken(const struct tls *t);

#endif
