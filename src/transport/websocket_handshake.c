/* The rules of opening and closing a WebSocket: RFC 6455 sections 4.2.1 and 7.4. */
#include "joblight/base/digest.h"
#include "net/lws_context.h"
#include "websocket_private.h"

#define KEY_DIGITS 22 /* 16 bytes in base 64 */

/* Whether the client offers our subprotocol. */
static bool knows_subprotocol(const struct request *r)
{
	struct slice list = r->headers[HEADER_WEBSOCKET_PROTOCOL], word;

	while (request_next_word(&list, &word))
		if (slice_is(word, LWS_SUBPROTOCOL)) /* names are case-sensitive */
			return true;
	return false;
}

static bool is_base64(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '+' || c == '/';
}

static bool key_is_good(struct slice key)
{
	size_t digits = 0;

	while (digits < key.len && is_base64(key.ptr[digits]))
		digits++;
	return digits == KEY_DIGITS && key.len == KEY_DIGITS + 2 &&
	       memcmp(key.ptr + digits, "==", 2) == 0;
}

bool ws_upgrade_wanted(const struct request *r, struct problem *p)
{
	if (r->http_1_0)
		return problem_set(p, OUTCOME_BAD_REQUEST, "a WebSocket needs HTTP/1.1");
	if (r->method != METHOD_GET || r->head || r->length || r->chunked)
		return problem_set(p, OUTCOME_METHOD_NOT_ALLOWED, "a WebSocket begins with a GET");
	if (!slice_is(r->headers[HEADER_WEBSOCKET_VERSION], "13"))
		return problem_set(p, OUTCOME_UPGRADE_REQUIRED, "send Sec-WebSocket-Version: 13");
	if (!request_header_has(r, HEADER_CONNECTION, "upgrade"))
		return problem_set(p, OUTCOME_UPGRADE_REQUIRED, "send Connection: Upgrade");
	if (!key_is_good(r->headers[HEADER_WEBSOCKET_KEY]))
		return problem_set(p, OUTCOME_BAD_REQUEST,
		                   "Sec-WebSocket-Key must be 16 bytes in base 64");
	return !r->headers[HEADER_WEBSOCKET_PROTOCOL].len || knows_subprotocol(r) ||
	       problem_set(p, OUTCOME_BAD_REQUEST,
	                   "the subprotocol is " LWS_SUBPROTOCOL ", or none");
}

void ws_write_handshake(const struct request *r, struct buf *head)
{
	struct slice key = r->headers[HEADER_WEBSOCKET_KEY];

	buf_text(head, "GET / HTTP/1.1\r\nHost: joblight\r\nUpgrade: websocket\r\n"
	               "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ");
	buf_slice(head, key);
	buf_text(head, knows_subprotocol(r) ? "\r\nSec-WebSocket-Protocol: " LWS_SUBPROTOCOL : "");
	buf_text(head, "\r\n\r\n");
}

void ws_write_acceptance(const struct request *r, struct buf *answer)
{
	static const char salt[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	struct slice key = r->headers[HEADER_WEBSOCKET_KEY];
	char salted[KEY_DIGITS + 2 + sizeof(salt)], accepted[DIGEST_SHA1_BASE64 + 1];

	memcpy(salted, key.ptr, key.len); /* its length was checked */
	memcpy(salted + key.len, salt, sizeof(salt));
	digest_sha1_base64(slice_of(salted), accepted);
	buf_format(answer,
	           "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	           "Connection: Upgrade\r\nSec-WebSocket-Accept: %s%s\r\n\r\n",
	           accepted,
	           knows_subprotocol(r) ? "\r\nSec-WebSocket-Protocol: " LWS_SUBPROTOCOL : "");
}

/* Refuses a plain GET of the WebSocket's URL. */
void ws_not_upgraded(struct conn *c, struct request *r)
{
	struct problem p = {
		.outcome = OUTCOME_UPGRADE_REQUIRED,
		.detail = "this is a WebSocket: connect with Upgrade: websocket and version 13"
	};

	(void)r;
	reply_problem(c, &p, "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
}

/*
 * 1000 to 1003, 1007 to 1014 and the codes of applications.  A close without a code is allowed,
 * too.
 */
static bool close_code_allowed(unsigned code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
	       (code >= 3000 && code <= 4999);
}

bool ws_close_allowed(const void *payload, size_t len)
{
	const unsigned char *bytes = payload;

	return len == 0 || (len >= 2 && close_code_allowed((unsigned)bytes[0] << 8 | bytes[1]));
}
