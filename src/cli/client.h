/*
 * A small HTTP client for the verbs, based on libcurl.  A client belongs to one thread.
 *
 * It uses the proxies of the environment (http_proxy, https_proxy, all_proxy, no_proxy) and the
 * certificates of CURL_CA_BUNDLE or SSL_CERT_FILE, as curl(1) does.
 */
#ifndef JOBLIGHT_CLI_CLIENT_H
#define JOBLIGHT_CLI_CLIENT_H

#include "joblight/base/buf.h"

struct client;

struct client_options {
	/* http://…, https://…, unix:/PATH or unix:@NAME, without a slash at its end. */
	const char *url;
	const char *key;     /* is sent with each request; NULL: none */
	const char *ca_file; /* certificates to trust; NULL: those of the environment */
	bool direct;         /* without a proxy */
};

/* NULL: libcurl cannot be loaded, see curl_library_error().  The options are copied. */
struct client *client_create(const struct client_options *options);
void client_free(struct client *c); /* NULL is fine */

struct call {
	const char *method, *path;
	const char *json;            /* the body; NULL: none */
	const char *idempotency_key; /* NULL: none */
	int64_t timeout_ms;
};

enum call_end {
	CALL_ANSWERED,
	CALL_NOT_CONNECTED, /* so nothing was sent */
	CALL_TIMED_OUT,
	CALL_LOST, /* or another error of the connection */
};

struct call_answer {
	enum call_end end;
	int status;             /* of HTTP; 0: there was no answer */
	int64_t retry_after_ms; /* 0: the server did not say */
	struct buf body;        /* may have been used before; the caller finishes it */
};

void client_call(struct client *c, const struct call *call, struct call_answer *answer);

/* Sends JSON (NULL: no body) as client_call() with 30 s.  Returns the status, or 0. */
int client_send(struct client *c, const char *method, const char *path, const char *json,
                struct buf *answer);

/*
 * Reads a response as it comes.  `take` gets the bytes of a 200; `idle` is called several times a
 * second meanwhile.  When one of them returns false the response is abandoned.  The body of any
 * other status is in answer->body.
 */
struct client_reader {
	bool (*take)(void *context, struct slice bytes);
	bool (*idle)(void *context);
	void *context;
};

void client_read(struct client *c, const char *path, const struct client_reader *reader,
                 struct call_answer *answer);

/* A body that is sent as it comes. */
struct client_upload {
	const char *type; /* Content-Type */
	/* Fills `bytes`; returns how many it has, 0 at the end, -1: the request is abandoned. */
	int64_t (*give)(void *context, char *bytes, size_t size);
	void *context;
};

/* Sends a POST with such a body, and reads the response as client_read() does. */
void client_send_stream(struct client *c, const char *path, const struct client_upload *upload,
                        const struct client_reader *reader, struct call_answer *answer);

/* Why the last request got no answer; "" when it got one. */
const char *client_error(const struct client *c);

#endif
