/*
 * Requests that run at the same time, for the verbs that measure a server: over libcurl, without
 * the proxies of the environment, and all in one thread.
 *
 * A request (an exchange) makes progress only inside probe_run() and exchange_wait().
 */
#ifndef JOBLIGHT_CLI_PROBE_H
#define JOBLIGHT_CLI_PROBE_H

#include <stdint.h>

#include "curl_library.h"
#include "joblight/base/buf.h"
#include "probe_url.h"
#include "remote.h"

struct probe {
	const struct curl_library *library;
	struct remote remote; /* its settings; it has no client */
	struct probe_url url;
	unsigned answer_ms; /* that a request waits for its answer */
	CURLM *multi;
	int poll;              /* epoll(7), over the sockets of the requests */
	uint64_t timer_due_ms; /* when libcurl wants to be called; 0: not at all */
	/*
	 * SIGINT or SIGTERM has come, or nobody reads what is printed: probe_run() returns at once,
	 * until probe_resume().
	 */
	bool stopped;
};

struct request_of_probe {
	const char *method, *path;  /* the path below the address of the server */
	const char *const *headers; /* lines, ending with NULL; NULL: none */
	struct slice body;          /* ptr NULL: none; borrowed until the exchange is done */
	bool zipped;                /* accepts gzip, and unpacks it */
	bool unverified;            /* takes any certificate, and sends no key */
	bool is_new;                /* does not use a connection that exists */
};

struct exchange {
	struct probe *probe;
	CURL *curl;
	struct curl_slist *lines;
	bool done;
	CURLcode result;
	int status;                          /* 0: no answer */
	struct buf head;                     /* of the answer, with its status line */
	struct buf body;                     /* what arrived and was not given to take() */
	uint64_t began_us, head_us, done_us; /* monotonic; 0: not yet */
	void (*take)(struct exchange *x, struct slice bytes); /* NULL: keeps the body */
	void (*finished)(struct exchange *x);                 /* it is done; NULL: nobody waits */
	void *context;
};

/*
 * The server is that of the operand, otherwise that of --url or the environment.  Returns EXIT_OK,
 * or an exit status after a message; then probe_close() is not needed.
 */
int probe_open(struct probe *p, const struct arguments *a);
void probe_close(struct probe *p);

/* Begins a request; the caller frees the exchange. */
struct exchange *exchange_begin(struct probe *p, const struct request_of_probe *r);
/* Sends it again with another body, when it is done; over the same connection, if that is open. */
void exchange_repeat(struct exchange *x, struct slice body);
void exchange_free(struct exchange *x); /* breaks it off if it is not done; NULL is fine */
/* Until it is done, or for so long.  False: it is not done. */
bool exchange_wait(struct exchange *x, unsigned ms);
/* Until its body has the text, or it is done, or for so long.  False: it does not have it. */
bool exchange_wait_for(struct exchange *x, const char *text, unsigned ms);
/* The value of a header of the answer; empty when there is none.  `name` is in lower case. */
struct slice exchange_header(const struct exchange *x, const char *name);
bool exchange_has(const struct exchange *x, const char *text); /* its body does */
const char *exchange_error(const struct exchange *x);
/* What the exit status is when this answer, or none, was not what is needed. */
int exchange_failure(const struct exchange *x);

/* Waits for bytes, at most so long, and takes what has arrived.  `fd` is waited for, too; -1: none.
 */
void probe_run(struct probe *p, unsigned ms, int fd);
void probe_resume(struct probe *p);

/* One request with JSON, or without a body (NULL), until its answer.  The caller frees it. */
struct exchange *probe_ask(struct probe *p, const char *method, const char *path, const char *json);

/* Sets the options of every request: the address, the certificates, the key. */
void probe_set_address(struct probe *p, CURL *curl, const char *path, bool verified);

#endif
