/*
 * HTTP requests for handlers.
 *
 * A handler is called once, when the body is complete, in the thread of the connection's loop.  It
 * must answer exactly once, with one of the reply functions (reply.h), now or later (find the
 * connection by its id with conn_find()).
 */
#ifndef JOBLIGHT_NET_REQUEST_H
#define JOBLIGHT_NET_REQUEST_H

#include "joblight/base/buf.h"
#include "joblight/core/op.h"
#include "joblight/core/query.h"
#include "reply.h"

struct conn;
struct loop;
struct lws;

#define METHODS(X) X(GET) X(POST) X(PUT) X(PATCH) X(DELETE) X(OPTIONS) X(HEAD)
#define METHOD_ENUM(name) METHOD_##name,
enum method { METHODS(METHOD_ENUM) METHOD_COUNT };
#undef METHOD_ENUM

const char *method_text(enum method m);

/*
 * The headers that are read: HEADER(id, name, is_list).  A header that is no list may be sent only
 * once.  HOST is the authority of an absolute-form target, if there is one.
 */
#define HEADERS(X)                                                                                 \
	X(HOST, "host", false)                                                                     \
	X(CONNECTION, "connection", true)                                                          \
	X(CONTENT_LENGTH, "content-length", false)                                                 \
	X(CONTENT_TYPE, "content-type", false)                                                     \
	X(CONTENT_ENCODING, "content-encoding", true)                                              \
	X(TRANSFER_ENCODING, "transfer-encoding", true)                                            \
	X(EXPECT, "expect", true)                                                                  \
	X(IDEMPOTENCY_KEY, "idempotency-key", false)                                               \
	X(LAST_EVENT_ID, "last-event-id", false)                                                   \
	X(IF_MATCH, "if-match", true)                                                              \
	X(IF_NONE_MATCH, "if-none-match", true)                                                    \
	X(ACCEPT, "accept", true)                                                                  \
	X(ACCEPT_ENCODING, "accept-encoding", true)                                                \
	X(AUTHORIZATION, "authorization", false)                                                   \
	X(COOKIE, "cookie", false)                                                                 \
	X(X_FORWARDED_FOR, "x-forwarded-for", true)                                                \
	X(X_FORWARDED_PROTO, "x-forwarded-proto", true)                                            \
	X(ORIGIN, "origin", false)                                                                 \
	X(PREFLIGHT_METHOD, "access-control-request-method", false)                                \
	X(PREFLIGHT_NETWORK, "access-control-request-private-network", false)                      \
	X(SEC_FETCH_SITE, "sec-fetch-site", false)                                                 \
	X(TRACEPARENT, "traceparent", true)                                                        \
	X(REQUEST_ID, "request-id", true)                                                          \
	X(X_REQUEST_ID, "x-request-id", true)                                                      \
	X(WEBSOCKET_KEY, "sec-websocket-key", false)                                               \
	X(WEBSOCKET_VERSION, "sec-websocket-version", false)                                       \
	X(WEBSOCKET_PROTOCOL, "sec-websocket-protocol", true)
#define HEADER_ENUM(id, name, is_list) HEADER_##id,
enum header { HEADERS(HEADER_ENUM) HEADER_COUNT };
#undef HEADER_ENUM

#define REQUEST_PARAMS 2
#define REQUEST_ARGS 16
#define REQUEST_ID_MAX 128 /* characters */

struct route;

struct request {
	enum method method; /* HEAD is routed as GET */
	bool head;
	bool http_1_0;
	bool keep_alive;
	bool chunked;          /* the body is chunked; otherwise it has `length` bytes */
	bool upgrades;         /* it has "Upgrade: websocket" */
	bool expects_continue; /* the client waits for "100 Continue" before it sends the body */
	struct buf text;       /* the slices point into it */
	struct slice path;     /* decoded, except for escaped slashes; has no slash at its end */
	struct slice args[REQUEST_ARGS]; /* "name=value", decoded */
	size_t arg_count;
	struct slice headers[HEADER_COUNT];  /* ptr is NULL if it was not sent */
	struct slice params[REQUEST_PARAMS]; /* parameters of the path */
	uint64_t length;
	/*
	 * The body is passed on in pieces (input_next_piece()), each in `body`: `taken` of the
	 * bytes have come, and `complete` says whether this piece is the last.
	 */
	bool streamed, complete;
	uint64_t taken;
	struct buf body;
	const struct route *route;
	char id[REQUEST_ID_MAX + 1]; /* see request_id.h; "": it was not set */
	/* Names of the headers on which the answer depends, for Vary, besides Origin; or NULL. */
	const char *varies;
};

void request_free(struct request *r);

/* Whether the path is below this folder, which ends with a slash. */
bool request_is_below(const struct request *r, const char *folder);

/* Takes the next member of a comma-separated list, without white space around it. */
bool request_next_word(struct slice *list, struct slice *word);
/* Whether a list header has this word as a member, ignoring case. */
bool request_header_has(const struct request *r, enum header h, const char *wanted);

/*
 * Whether a proxy says in X-Forwarded-Proto that it was asked by https.  Only the last member of
 * the list is its own.  Not to be believed unless the proxy is trusted.
 */
bool request_came_by_https(const struct request *r);

/* Sets *value to a query argument.  False: it is missing. */
bool request_arg(const struct request *r, const char *name, struct slice *value);
/*
 * Sets *value to a whole number in [min, max], or to `default_value` if it is missing.  False:
 * *problem is set.
 */
bool request_number(const struct request *r, const char *name, uint64_t default_value, uint64_t min,
                    uint64_t max, uint64_t *value, struct problem *problem);

/*
 * The value of the Date header (RFC 9110 section 6.6.1); valid until the next call in this thread.
 */
const char *http_date(void);

/* The header lines that a refusal needs: RFC 9110 sections 15.5.6 and 15.5.22. */
const char *http_refusal_lines(enum outcome o);

/* Every problem: without it, a cache may keep a 404 or a 414 for a while (RFC 9111 section 4.2.2).
 */
#define PROBLEM_LINES "Cache-Control: no-store\r\n"

/* Sets `line` to the Retry-After line of a 503 or 429, otherwise to "". */
#define HTTP_RETRY_MAX 48
void http_retry_after(const struct problem *p, char line[HTTP_RETRY_MAX]);

#endif
