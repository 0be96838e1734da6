#include "answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nats.h"
#include "peer.h"
#include "publisher.h"
#include "stamp.h"
#include "websocket.h"

/* Length of the body, from a head that ends at `end`. */
static size_t content_length(const char *head, const char *end)
{
	for (const char *p = head; (p = memchr(p, '\n', (size_t)(end - p)));)
		if (end - ++p > 15 && !strncasecmp(p, "content-length:", 15))
			return strtoul(p + 15, NULL, 10);
	return 0;
}

void answer_http(struct publisher *p, size_t len)
{
	p->answer_len += (uint32_t)len;
	const char *end = memmem(p->answer, p->answer_len, "\r\n\r\n", 4);
	if (!end)
		return;
	size_t whole = (size_t)(end - p->answer) + 4 + content_length(p->answer, end);
	if (!p->flying && !p->load->publishing)
		publisher_leave(p); /* 408, after a long silence */
	else if (whole > p->answer_cap)
		publisher_fail(p, "answer too long on publisher");
	else if (p->answer_len > whole || !p->flying)
		publisher_fail(p, "more than one answer on publisher");
	else if (p->answer_len == whole) {
		int status = atoi(p->answer + 9);
		p->answer_len = 0;
		if (status / 100 != 2)
			load_error(p->load, "post answered", (uint64_t)status);
		publisher_answered(p, status / 100 == 2);
	}
}

/* An ack names its post: the last eight digits of the id are the post's first counter. */
static void take_ack(struct publisher *p, const char *id, const char *end)
{
	char wanted[9] = { 0 };
	uint32_t batch = (uint32_t)p->load->options.batch;
	hex_write(wanted, p->counter + 1 - p->flying * batch, 8);
	const char *quote = memchr(id, '"', (size_t)(end - id));
	if (!p->flying || !quote || quote - id < 8 || memcmp(quote - 8, wanted, 8) != 0)
		publisher_fail(p, "ack out of turn on publisher");
	else
		publisher_answered(p, true);
}

static void take_data(struct publisher *p, const char *data, size_t len)
{
	static const char ack[] = "{\"type\":\"ack\",\"id\":\"";
	if (len > sizeof(ack) && !memcmp(data, ack, sizeof(ack) - 1)) {
		take_ack(p, data + sizeof(ack) - 1, data + len);
	} else if (len > 16 && !memcmp(data, "{\"type\":\"error\"", 15)) {
		publisher_fail(p, "refused over WebSocket: publisher");
	} else {
		publisher_fail(p, "unexpected message on publisher");
	}
}

static void take_head(struct publisher *p, const char *head, size_t len)
{
	char hello[512];
	if (!websocket_accepted(head, len))
		publisher_fail(p, "wrong Sec-WebSocket-Accept on publisher");
	else if (!p->load->options.peer->nats)
		publisher_ready(p);
	else if (!websocket_send(p->fd, WEBSOCKET_BINARY, hello,
	                         nats_hello(hello, sizeof(hello), NULL)))
		publisher_fail(p, "cannot say hello on publisher");
}

static void take_ping(struct publisher *p, const char *data, size_t len)
{
	bool nats = p->load->options.peer->nats;
	if (nats ? !websocket_send(p->fd, WEBSOCKET_BINARY, "PONG\r\n", 6)
	         : !websocket_send(p->fd, WEBSOCKET_PONG, data, len))
		publisher_fail(p, "cannot answer a ping on publisher");
}

static void take_message(void *owner, enum message kind, const char *data, size_t len)
{
	struct publisher *p = owner;
	if (p->fd < 0)
		return;
	switch (kind) {
	case MESSAGE_HEAD:
		take_head(p, data, len);
		break;
	case MESSAGE_DATA:
		take_data(p, data, len);
		break;
	case MESSAGE_PING:
		take_ping(p, data, len);
		break;
	case MESSAGE_OK: /* the first one answers CONNECT */
		if (p->flying)
			publisher_answered(p, true);
		break;
	case MESSAGE_READY:
		publisher_ready(p);
		break;
	case MESSAGE_HEARTBEAT:
		break;
	case MESSAGE_END:
		publisher_fail(p, "server closed the socket of publisher");
		break;
	}
}

void answer_frames(struct publisher *p, char *bytes, size_t len)
{
	struct sink sink = { take_message, p };
	if (!stream_feed(&p->stream, bytes, len, &sink) && p->fd >= 0)
		publisher_fail(p, "bytes not understood on publisher");
}
