#include "cors.h"

#include "audit.h"
#include "context.h"
#include "origin_check.h"
#include "router.h"

/* Chromium keeps the answer to a preflight for two hours at most. */
#define PREFLIGHT_LINES                                                                            \
	"Access-Control-Allow-Headers: Authorization, Content-Type, Idempotency-Key, "             \
	"If-Match, If-None-Match, Last-Event-ID, Request-Id, Traceparent, X-Request-Id\r\n"        \
	"Access-Control-Max-Age: 7200\r\n"

/* The headers of answers that clients use, besides those that every page may read. */
#define EXPOSED                                                                                    \
	"Access-Control-Expose-Headers: Allow, Date, ETag, Idempotency-Replayed, Location, "       \
	"RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id\r\n"

enum listing { LISTED_NOT, LISTED_AS_ANY, LISTED_BY_NAME };

static enum listing find(const struct slices *origins, struct slice origin)
{
	if (!origin.len)
		return LISTED_NOT;
	if (origin_is_listed(origins, origin))
		return LISTED_BY_NAME;
	return origin_any_may_read(origins) ? LISTED_AS_ANY : LISTED_NOT;
}

/* Also without an Origin, because a cache must not give that answer to a page. */
static void add_vary(const struct slices *origins, const char *varies, struct buf *lines)
{
	if (varies || origins->count)
		buf_format(lines, "Vary: %s%s%s\r\n", varies ? varies : "",
		           varies && origins->count ? ", " : "", origins->count ? "Origin" : "");
}

void cors_add_lines(const void *context, const struct request *r, struct buf *lines)
{
	const struct slices *origins = ((const struct api *)context)->origin_rules.origins;
	struct slice origin = r->headers[HEADER_ORIGIN];

	add_vary(origins, r->varies, lines);
	switch (find(origins, origin)) {
	case LISTED_NOT:
		return;
	case LISTED_AS_ANY:
		if (router_only_reads(r))
			buf_text(lines, "Access-Control-Allow-Origin: *\r\n" EXPOSED);
		return;
	case LISTED_BY_NAME:
		buf_format(lines,
		           "Access-Control-Allow-Origin: %.*s\r\n"
		           "Access-Control-Allow-Credentials: true\r\n" EXPOSED,
		           (int)origin.len, origin.ptr);
	}
}

bool cors_is_preflight(const struct request *r)
{
	return r->method == METHOD_OPTIONS && r->headers[HEADER_ORIGIN].len &&
	       r->headers[HEADER_PREFLIGHT_METHOD].len;
}

/* https://wicg.github.io/private-network-access/: a page of the internet asks for a local server.
 */
static void add_network(const struct request *r, struct buf *lines)
{
	if (slice_is(r->headers[HEADER_PREFLIGHT_NETWORK], "true"))
		buf_text(lines, "Access-Control-Allow-Private-Network: true\r\n");
}

/* Browsers let a page POST even where the answer to the preflight does not list it. */
static bool only_reads(const struct request *r)
{
	struct slice method = r->headers[HEADER_PREFLIGHT_METHOD];

	return slice_is(method, "GET") || slice_is(method, "HEAD");
}

void cors_answer_preflight(struct conn *c, struct request *r)
{
	enum listing listing = find(api_of(c)->origin_rules.origins, r->headers[HEADER_ORIGIN]);
	struct problem closed = { 0 };
	struct buf methods = { 0 }, lines = { 0 };

	if (listing == LISTED_AS_ANY && !only_reads(r))
		listing = LISTED_NOT;
	if (listing == LISTED_NOT) {
		origin_forbidden(r, &closed);
		audit_refusal(c, r, closed.outcome);
		reply_problem(c, &closed, "");
		return;
	}
	router_list_methods(r, listing == LISTED_AS_ANY, &methods);
	buf_format(&lines, "Access-Control-Allow-Methods: %s\r\n" PREFLIGHT_LINES,
	           buf_string(&methods));
	if (listing == LISTED_BY_NAME)
		add_network(r, &lines);
	r->varies = "Access-Control-Request-Method, Access-Control-Request-Headers";
	reply_empty(c, OUTCOME_NO_CONTENT, buf_string(&lines));
	buf_finish(&methods);
	buf_finish(&lines);
}
