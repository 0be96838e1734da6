#include "probe_socket.h"

#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/clock.h"
#include "joblight/base/random.h"

#define READ_BYTES 16384
#define SEND_PAUSE_MS 5
#define SEND_TRIES 1000

enum opcode { OPCODE_TEXT = 1, OPCODE_CLOSE = 8, OPCODE_PING = 9, OPCODE_PONG = 10 };

static void end(struct probe_socket *s)
{
	if (!s->ended)
		s->ended_us = clock_monotonic_us();
	s->ended = true;
}

static void send_bytes(struct probe_socket *s, const char *bytes, size_t len)
{
	size_t sent;

	for (int tries = 0; len && !s->ended && tries < SEND_TRIES; tries++) {
		CURLcode r = s->probe->library->easy_send(s->curl, bytes, len, &sent);
		if (r == CURLE_AGAIN) {
			probe_run(s->probe, SEND_PAUSE_MS, -1);
		} else if (r == CURLE_OK) {
			bytes += sent;
			len -= sent;
		} else {
			end(s);
		}
	}
}

/* Frames of a client are masked: RFC 6455 section 5.3.  A payload has at most 125 bytes. */
static void send_frame(struct probe_socket *s, enum opcode o, struct slice payload)
{
	struct buf frame = { 0 };
	unsigned char mask[4];

	random_bytes(mask, sizeof(mask));
	buf_char(&frame, (char)(0x80 | o));
	buf_char(&frame, (char)(0x80 | payload.len));
	buf_add(&frame, mask, sizeof(mask));
	for (size_t i = 0; i < payload.len; i++)
		buf_char(&frame, (char)(payload.ptr[i] ^ mask[i % 4]));
	send_bytes(s, frame.ptr, frame.len);
	buf_finish(&frame);
}

void probe_socket_send(struct probe_socket *s, const char *text)
{
	send_frame(s, OPCODE_TEXT, slice_of(text));
}

/* The frame at the start of the input; false: it is not complete. */
static bool read_frame(const struct probe_socket *s, unsigned char *opcode, struct slice *payload)
{
	const unsigned char *b = (const unsigned char *)s->in.ptr;
	size_t head = 2;
	uint64_t len;

	if (s->in.len < head)
		return false;
	*opcode = b[0] & 0x0f;
	len = b[1] & 0x7f;
	if (len >= 126) {
		size_t more = len == 126 ? 2 : 8;
		if (s->in.len < head + more)
			return false;
		len = 0;
		for (size_t i = 0; i < more; i++)
			len = len << 8 | b[head + i];
		head += more;
	}
	*payload = (struct slice){ s->in.ptr + head, (size_t)len };
	return s->in.len - head >= len;
}

static void drop(struct buf *b, size_t len)
{
	b->len -= len;
	memmove(b->ptr, b->ptr + len, b->len);
}

static void take_frames(struct probe_socket *s)
{
	unsigned char opcode;
	struct slice payload;

	while (read_frame(s, &opcode, &payload)) {
		if (opcode == OPCODE_PING && payload.len < 126)
			send_frame(s, OPCODE_PONG, payload);
		else if (opcode == OPCODE_CLOSE)
			end(s);
		else if (opcode != OPCODE_PONG)
			buf_slice(&s->text, payload);
		drop(&s->in, (size_t)(payload.ptr + payload.len - s->in.ptr));
	}
}

/* False: nothing more has arrived. */
static bool read_some(struct probe_socket *s)
{
	size_t got = 0;

	buf_reserve(&s->in, READ_BYTES);
	CURLcode r = s->probe->library->easy_recv(s->curl, s->in.ptr + s->in.len, READ_BYTES, &got);
	if (r != CURLE_AGAIN && (r != CURLE_OK || !got))
		end(s);
	s->in.len += got;
	return got > 0;
}

void probe_socket_take(struct probe_socket *s)
{
	while (!s->ended && read_some(s))
		;
	take_frames(s);
}

/* Until `done` returns true, the socket ends, or for so long. */
static bool wait_until(struct probe_socket *s,
                       bool (*done)(struct probe_socket *s, const char *text), const char *text,
                       unsigned ms)
{
	uint64_t until = clock_monotonic_ms() + ms;

	for (;;) {
		bool is_done = done(s, text);
		uint64_t now = clock_monotonic_ms();
		if (is_done || s->ended || s->probe->stopped || now >= until)
			return is_done;
		probe_run(s->probe, (unsigned)(until - now), s->fd);
	}
}

static bool has_text(struct probe_socket *s, const char *text)
{
	probe_socket_take(s);
	return s->text.len && memmem(s->text.ptr, s->text.len, text, strlen(text));
}

bool probe_socket_wait_for(struct probe_socket *s, const char *text, unsigned ms)
{
	return wait_until(s, has_text, text, ms);
}

/* Takes the head of the answer; what follows it are frames. */
static bool has_head(struct probe_socket *s, const char *end_of_head)
{
	while (!s->ended && read_some(s))
		;
	const char *found = s->in.len ? memmem(s->in.ptr, s->in.len, end_of_head, 4) : NULL;
	if (!found || s->in.len < 12 || memcmp(s->in.ptr, "HTTP/1.", 7) != 0)
		return false;
	s->status = atoi(s->in.ptr + 9);
	drop(&s->in, (size_t)(found + 4 - s->in.ptr));
	return true;
}

static void send_handshake(struct probe_socket *s)
{
	const struct probe *p = s->probe;
	struct buf head = { 0 };

	buf_format(&head,
	           "GET %s/api/ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
	           "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
	           p->url.path, p->url.authority);
	if (p->remote.key)
		buf_format(&head, "Authorization: Bearer %s\r\n", p->remote.key);
	buf_text(&head, "\r\n");
	send_bytes(s, head.ptr, head.len);
	explicit_bzero(head.ptr, head.len);
	buf_finish(&head);
}

bool probe_socket_open(struct probe_socket *s, struct probe *p, unsigned ms)
{
	*s = (struct probe_socket){ .probe = p, .curl = p->library->easy_init() };
	probe_set_address(p, s->curl, "/api/ws", true);
	p->library->easy_setopt(s->curl, CURLOPT_CONNECT_ONLY, 1L);
	p->library->easy_setopt(s->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	s->result = p->library->easy_perform(s->curl);
	if (s->result != CURLE_OK)
		return false;
	p->library->easy_getinfo(s->curl, CURLINFO_ACTIVESOCKET, &s->fd);
	send_handshake(s);
	wait_until(s, has_head, "\r\n\r\n", ms);
	return s->status == 101;
}

void probe_socket_close(struct probe_socket *s)
{
	if (s->curl)
		s->probe->library->easy_cleanup(s->curl);
	buf_finish(&s->in);
	buf_finish(&s->text);
}
