/*
 * Connections before libwebsockets gets them.  Takes the PROXY header of a trusted proxy
 * (proxy_header.h), and counts the connection for its client.  Looks at the head of the first
 * request with MSG_PEEK (request_head.h).  A connection with a good head is passed on with its
 * bytes unread; one with a bad head is answered here.  Most heads are complete when the connection
 * is accepted, so most connections are passed on at once.
 *
 * TLS cannot be looked at without reading it, and a Unix socket cannot wait for more bytes than
 * those that were looked at; the heads of both are read.  The handshake of TLS has the deadline of
 * the head.
 *
 * Runs in the thread of the loop.
 */
#ifndef JOBLIGHT_NET_ADMISSION_H
#define JOBLIGHT_NET_ADMISSION_H

#include <uv.h>

#include "certificates.h"
#include "joblight/base/list.h"
#include "joblight/core/limits.h"
#include "joblight/core/outcome.h"
#include "joblight/net/client_address.h"
#include "joblight/net/listen.h"

struct client;
struct tls;

/* A connection as it was accepted. */
struct arrival {
	int fd;
	const struct listen *listen; /* where it was accepted */
	struct tls *tls;             /* NULL: it does not speak TLS */
	bool consumed; /* the head that was looked at has been read; otherwise it is still unread */
	bool ended;    /* the client has ended its side of TLS after it */
	struct client_address peer; /* the proxy until its header was taken, then its client */
	struct client *origin;      /* counts the connection, held: see quota.h */
	bool header_due;            /* a PROXY header comes first */
	bool has_header;            /* it came, or will come */
	bool has_source;            /* and named the client, which is `peer` now */
	bool counted;
	const struct problem *full; /* the problem to reject it with, whatever it requests; NULL if
	                               it may enter */
};

struct request;

struct admission {
	uv_loop_t *loop;
	const struct limits *limits;
	const struct trusted_proxies *proxies; /* that send a PROXY header; NULL: none */
	/* Takes the descriptor, the TLS and the origin.  `seen` begins with a good head. */
	void (*enter)(void *context, const struct arrival *a, struct slice seen);
	/* Counts it for its client, and sets a->origin and a->full.  False: close it. */
	bool (*count)(void *context, struct arrival *a);
	/* A connection that arrived was closed before it entered. */
	void (*gone)(void *context, const struct arrival *a);
	unsigned (*refused)(
	    void *context); /* A stream is rejected with an event (refusal.h).  Returns the time in
	                       ms after which it may come back. */
	/* Appends the lines that every answer has: dispatch.add_lines. */
	void (*add_lines)(void *context, const struct request *r, struct buf *lines);
	/* A connection that has not entered was answered; `r` is NULL when its head could not be
	 * read. */
	void (*answered)(void *context, const struct arrival *a, const struct request *r,
	                 enum outcome o);
	void *context;
	struct certificates *const *certificates; /* of connections that speak TLS */
	struct buf *sealed;                       /* see tls.h */
	struct list pending;
	char *peek; /* one buffer for all connections */
	size_t peek_size;
};

/* The caller sets the callbacks, `proxies`, `certificates` and `sealed` afterwards. */
void admission_init(struct admission *d, uv_loop_t *loop, const struct limits *limits,
                    void *context);
void admission_finish(struct admission *d);
/* Takes the descriptor. */
void admission_arrive(struct admission *d, int fd, const struct listen *listen);
/* Takes the descriptor, and answers its first request with `problem`, which has to stay valid. */
void admission_reject(struct admission *d, int fd, const struct listen *listen,
                      const struct problem *problem);
/* Nothing more is read, except by TLS, which goes on until its handshake is complete. */
void admission_pause(struct admission *d);
void admission_resume(struct admission *d);
bool admission_has_sealed(const struct admission *d); /* such handshakes are under way */
/*
 * While it is paused: passes connections to another process, with the bytes that were read of them.
 * `pass` is called with the context of the callbacks; false: this one stays.
 */
typedef bool admission_pass(void *context, const struct arrival *a, struct slice read);
void admission_leave(struct admission *d, admission_pass *pass);
void admission_tick(struct admission *d, uint64_t now_ms); /* closes those that are late */
void admission_close(struct admission *d);                 /* closes all */

#endif
