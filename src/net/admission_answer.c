/* Answers to connections that are not admitted. */
#include "admission_private.h"

#include <stdio.h>
#include <sys/socket.h>

#include "joblight/core/metric.h"
#include "refusal.h"
#include "request.h"
#include "tls.h"

/* On a fresh socket, so the bytes fit into its buffer. */
static void send_last(const struct arrival *a, struct slice bytes)
{
	if (!a->tls) {
		send(a->fd, bytes.ptr, bytes.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	} else if (tls_is_ready(a->tls)) {
		tls_write(a->tls, bytes.ptr, bytes.len);
		tls_end(a->tls);
	}
	shutdown(a->fd, SHUT_WR);
}

/* Empties `body`. */
static void send_answer(const struct arrival *a, const char *status, const char *type,
                        const char *headers, struct buf *body, bool head)
{
	struct buf out = { 0 };

	buf_format(&out,
	           "HTTP/1.1 %s\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: "
	           "%zu\r\nConnection: close\r\n%s\r\n",
	           status, http_date(), type, body->len, headers);
	if (!head)
		buf_slice(&out, buf_as_slice(body));
	send_last(a, buf_as_slice(&out));
	buf_finish(body);
	buf_finish(&out);
}

/* `r` is what is known of the request, `lines` what every answer to it has. */
void admission_send_refusal(const struct arrival *a, const struct problem *p,
                            const struct request *r, const char *lines)
{
	struct buf body = { 0 }, headers = { 0 };
	char status[64], retry[HTTP_RETRY_MAX];

	metric_count(METRIC_ERRORS + p->outcome);
	snprintf(status, sizeof(status), "%d %s", outcome_status(p->outcome),
	         outcome_title(p->outcome));
	http_retry_after(p, retry);
	buf_format(&headers, PROBLEM_LINES "%s%s%s", http_refusal_lines(p->outcome), retry, lines);
	problem_encode(p, &body);
	buf_char(&body, '\n');
	send_answer(a, status, "application/problem+json", buf_string(&headers), &body, r->head);
	buf_finish(&headers);
}

/* Rejects a stream with an event: see refusal.h. */
void admission_send_event(const struct arrival *a, enum outcome o, unsigned wait_ms,
                          const char *lines)
{
	struct buf body = { 0 }, headers = { 0 };

	metric_count(METRIC_ERRORS + o);
	refusal_encode(&body, o, wait_ms);
	buf_format(&headers, EVENT_STREAM_HEADERS "%s", lines);
	send_answer(a, "200 OK", EVENT_STREAM, buf_string(&headers), &body, false);
	buf_finish(&headers);
}
