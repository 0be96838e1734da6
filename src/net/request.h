/*
 * HTTP requests as handlers see them, and the answers they make.
 *
 * A handler is called once, when the body is complete.  It answers with one of the reply functions,
 * now or later (conn_find() by id), exactly once.
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
 * Headers that are read: HEADER(id, name, whether it is a list; what is no list may be sent once).
 * HOST is the authority of an absolute-form target where there is one.
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
	X(IF_NONE_MATCH, "if-none-match", true)                                                    \
	X(ACCEPT, "accept", true)                                                                  \
	X(ACCEPT_ENCODING, "accept-encoding", true)                                                \
	X(ORIGIN, "origin", false)                                                                 \
	X(SEC_FETCH_SITE, "sec-fetch-site", false)                                                 \
	X(WEBSOCKET_KEY, "sec-websocket-key", false)                                               \
	X(WEBSOCKET_VERSION, "sec-websocket-version", false)                                       \
	X(WEBSOCKET_PROTOCOL, "sec-websocket-protocol", true)
#define HEADER_ENUM(id, name, is_list) HEADER_##id,
enum header { HEADERS(HEADER_ENUM) HEADER_COUNT };
#undef HEADER_ENUM

#define REQUEST_PARAMS 2
#define REQUEST_ARGS 16

struct route;

struct request {
	enum method method; /* HEAD is routed as GET */
	bool head;
	bool http_1_0;
	bool keep_alive;
	bool chunked;          /* its body is; otherwise it has `length` bytes */
	bool expects_continue; /* the client waits for "100 Continue" before it sends the body */
	struct buf text;       /* what the slices point into */
	struct slice path;     /* decoded, but for escaped slashes; without a slash at its end */
	struct slice args[REQUEST_ARGS]; /* "name=value", decoded */
	size_t arg_count;
	struct slice headers[HEADER_COUNT];  /* ptr NULL: not sent */
	struct slice params[REQUEST_PARAMS]; /* of the path */
	uint64_t length;
	struct buf body;
	const struct route *route;
};

void request_free(struct request *r);

/* Takes the next member off a comma-separated list, without the space around it. */
bool request_next_word(struct slice *list, struct slice *word);
/* One of the members of a header that is a list is this word, in any case. */
bool request_header_has(const struct request *r, enum header h, const char *wanted);

/* The value of a query argument; false: not given. */
bool request_arg(const struct request *r, const char *name, struct slice *value);
/* If-None-Match names this ETag (RFC 9110 section 13.1.2: a list of them, or a star). */
bool request_has_etag(const struct request *r, const char *etag);
/* A whole number in [min, max]; `default_value` when not given.  False: the problem is set. */
bool request_number(const struct request *r, const char *name, uint64_t default_value, uint64_t min,
                    uint64_t max, uint64_t *value, struct problem *problem);

/* The value of a Date header (RFC 9110 section 6.6.1), valid until the next call in this thread. */
const char *http_date(void);

/* The lines that go with a refusal: RFC 9110 sections 15.5.6 and 15.5.22. */
const char *http_refusal_lines(enum outcome o);

#define RETRY_AFTER "Retry-After: 1\r\n" /* goes with each 503 */

#endif
