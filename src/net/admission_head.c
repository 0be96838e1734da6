/* The first bytes of a connection that is not admitted yet: PROXY header, TLS, head of the request.
 */
#include "admission_private.h"

#include <errno.h>
#include <sys/socket.h>

#include "proxy_header.h"
#include "request_head.h"
#include "tls.h"

#define TLS_HANDSHAKE 0x16

/* Makes poll report only bytes beyond those that were looked at. */
void admission_expect_more_than(int fd, size_t bytes)
{
	int low_water = (int)bytes + 1;

	setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low_water, sizeof(low_water));
}

/*
 * Looks at the bytes that have arrived; *seen is how many were there the last time.  False: none
 * are new, or, if *gone is set, the client has gone: the end of its input also wakes poll.
 */
static bool peek(struct admission *d, int fd, size_t *seen, bool *gone)
{
	ssize_t n = recv(fd, d->peek, d->peek_size, MSG_PEEK | MSG_DONTWAIT);

	*gone = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) ||
	        (n > 0 && (size_t)n == *seen);
	if (n <= 0 || *gone)
		return false;
	*seen = (size_t)n;
	return true;
}

/* Reads the PROXY header that the bytes begin with.  ENTER: *len is its length. */
static enum admission_step parse_header(struct arrival *a, struct slice bytes, size_t *len,
                                        struct problem *problem)
{
	struct proxy_header header;

	switch (proxy_header_parse(bytes, &header)) {
	case PROXY_HEADER_INCOMPLETE:
		return STEP_WAIT;
	case PROXY_HEADER_BAD:
		problem_set(problem, OUTCOME_BAD_REQUEST,
		            "a connection of this proxy must begin with a PROXY protocol header");
		return STEP_REFUSE;
	case PROXY_HEADER_GOOD:
		break;
	}
	a->header_due = false;
	*len = header.len;
	if (header.source.family != ADDRESS_UNKNOWN)
		a->peer = header.source;
	a->has_source = header.source.family != ADDRESS_UNKNOWN;
	return STEP_ENTER;
}

/* Takes the PROXY header off the socket.  WAIT: it is not complete.  ENTER: it was taken. */
static enum admission_step take_header(struct admission *d, struct arrival *a, size_t *seen,
                                       struct problem *problem)
{
	size_t len;
	bool gone;

	if (!peek(d, a->fd, seen, &gone))
		return gone ? STEP_DROP : STEP_WAIT;
	enum admission_step step = parse_header(a, (struct slice){ d->peek, *seen }, &len, problem);
	if (step == STEP_WAIT)
		admission_expect_more_than(a->fd, *seen);
	if (step != STEP_ENTER)
		return step;
	if (recv(a->fd, d->peek, len, MSG_DONTWAIT) != (ssize_t)len)
		return STEP_DROP;
	admission_expect_more_than(a->fd, 0);
	*seen = 0;
	return STEP_ENTER;
}

/* Parses the head of the first request, which stays unread. */
static enum admission_step peek_head(struct admission *d, const struct arrival *a, size_t *seen,
                                     struct problem *problem)
{
	struct request_head head;
	bool gone;

	if (!peek(d, a->fd, seen, &gone))
		return gone ? STEP_DROP : STEP_WAIT;
	switch (request_head_parse((struct slice){ d->peek, *seen }, d->limits, &head, problem)) {
	case HEAD_INCOMPLETE:
		admission_expect_more_than(a->fd, *seen);
		return STEP_WAIT;
	case HEAD_REFUSED:
		return STEP_REFUSE;
	case HEAD_GOOD:
		break;
	}
	return a->full ? STEP_REJECT : STEP_ENTER;
}

/* Connections whose head is read. */

bool admission_is_read(const struct arrival *a)
{
	return a->listen->tls || listen_is_unix(a->listen);
}

/*
 * Whether the first bytes on a TLS port are those of a handshake (RFC 8446 section 5.1).  A request
 * without TLS gets an answer without TLS.
 */
static bool speaks_tls(struct pending *g, struct slice bytes, struct problem *problem)
{
	if (bytes.ptr[0] == TLS_HANDSHAKE)
		return true;
	if (bytes.ptr[0] >= 'A' && bytes.ptr[0] <= 'Z') {
		problem_set(problem, OUTCOME_BAD_REQUEST,
		            "this port speaks TLS: use https:// or wss:// in the URL");
		tls_free(g->arrival.tls);
		g->arrival.tls = NULL;
	}
	return false;
}

/* Adds what the bytes say to g->read.  False: the connection has ended, or gets the problem. */
static bool open_sealed(struct pending *g, struct slice bytes, struct problem *problem)
{
	enum tls_input input;
	size_t len;

	if (!g->has_begun && !speaks_tls(g, bytes, problem))
		return false;
	g->has_begun = true;
	tls_feed(g->arrival.tls, bytes);
	do {
		buf_reserve(&g->read, TLS_RECORD_BYTES);
		input = tls_read(g->arrival.tls, g->read.ptr + g->read.len, TLS_RECORD_BYTES, &len);
		g->read.len += len;
	} while (input == TLS_OPENED);
	g->arrival.ended = input == TLS_ENDED;
	return input != TLS_BROKEN;
}

/* The size of one read is limited, and so is that of a head, so g->read is, too. */
static enum admission_step read_more(struct pending *g, struct problem *problem)
{
	struct admission *d = g->admission;
	ssize_t n = recv(g->arrival.fd, d->peek, d->peek_size, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return STEP_WAIT;
	if (n <= 0)
		return STEP_DROP;
	struct slice bytes = { d->peek, (size_t)n };
	if (!g->arrival.listen->tls)
		buf_slice(&g->read, bytes);
	else if (!open_sealed(g, bytes, problem))
		return outcome_is_error(problem->outcome) ? STEP_REFUSE : STEP_DROP;
	return STEP_ENTER;
}

static enum admission_step read_head(struct pending *g, struct problem *problem)
{
	struct admission *d = g->admission;
	struct request_head head;
	enum request_head_result result = HEAD_INCOMPLETE;

	if (g->read.len)
		result = request_head_parse(buf_as_slice(&g->read), d->limits, &head, problem);
	if (result == HEAD_REFUSED)
		return STEP_REFUSE;
	if (result == HEAD_INCOMPLETE)
		return g->arrival.ended ? STEP_DROP : STEP_WAIT;
	return g->arrival.full ? STEP_REJECT : STEP_ENTER;
}

/* The same as take_header(), of a connection that is read. */
static enum admission_step read_header(struct pending *g, struct problem *problem)
{
	size_t len;
	enum admission_step step = parse_header(&g->arrival, buf_as_slice(&g->read), &len, problem);

	if (step != STEP_ENTER)
		return step;
	g->read.len -= len;
	memmove(g->read.ptr, g->read.ptr + len, g->read.len);
	return STEP_ENTER;
}

/* Counts the connection for its client, which is known now. */
bool admission_count(struct admission *d, struct arrival *a)
{
	if (!a->counted && !d->count(d->context, a))
		return false;
	a->counted = true;
	return true;
}

/* A connection that is not read; it may not be waiting yet. */
enum admission_step admission_look(struct admission *d, struct arrival *a, size_t *seen,
                                   struct problem *problem)
{
	enum admission_step step = a->header_due ? take_header(d, a, seen, problem) : STEP_ENTER;

	if (step == STEP_ENTER && !admission_count(d, a))
		step = STEP_DROP;
	return step == STEP_ENTER ? peek_head(d, a, seen, problem) : step;
}

/* A connection that is read.  Before TLS, a PROXY header is looked at. */
enum admission_step admission_read_on(struct pending *g, struct problem *problem)
{
	struct arrival *a = &g->arrival;
	enum admission_step step = STEP_ENTER;

	if (a->header_due && a->listen->tls)
		step = take_header(g->admission, a, &g->seen, problem);
	if (step == STEP_ENTER)
		step = read_more(g, problem);
	if (step == STEP_ENTER && a->header_due)
		step = read_header(g, problem);
	if (step == STEP_ENTER && !admission_count(g->admission, a))
		step = STEP_DROP;
	return step == STEP_ENTER ? read_head(g, problem) : step;
}

/* The bytes that begin with the head. */
struct slice admission_seen(const struct pending *g)
{
	return admission_is_read(&g->arrival) ? buf_as_slice(&g->read)
	                                      : (struct slice){ g->admission->peek, g->seen };
}
