#include "nats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPCODE = 15, CLOSE = 8 };

static size_t head_size(const struct stream *s)
{
	if (s->frame_have < 2)
		return 2;
	unsigned len = s->frame_head[1] & 0x7f;
	return len == 126 ? 4 : len == 127 ? 10 : 2;
}

static void head_done(struct stream *s)
{
	size_t size = s->frame_have;
	uint64_t payload = size == 2 ? s->frame_head[1] & 0x7f : 0;
	for (size_t i = 2; i < size; i++)
		payload = payload << 8 | s->frame_head[i];
	s->chunk_left = payload;
	s->frame_have = 0;
	s->bad |= (s->frame_head[0] & OPCODE) == CLOSE || s->frame_head[1] & 0x80;
}

size_t nats_unframe(struct stream *s, char *bytes, size_t len)
{
	size_t in = 0, out = 0;
	while (in < len && !s->bad) {
		if (!s->chunk_left) {
			s->frame_head[s->frame_have++] = (unsigned char)bytes[in++];
			if (s->frame_have == head_size(s))
				head_done(s);
			continue;
		}
		size_t take = s->chunk_left < len - in ? (size_t)s->chunk_left : len - in;
		memmove(bytes + out, bytes + in, take);
		in += take;
		out += take;
		s->chunk_left -= take;
	}
	return out;
}

/* The last word of a MSG line is the payload's length. */
static size_t payload_len(const char *line, const char *end)
{
	const char *blank = memrchr(line, ' ', (size_t)(end - line));
	return blank ? strtoul(blank + 1, NULL, 10) : 0;
}

static void take_word(struct stream *s, const char *line, const struct sink *sink)
{
	if (!memcmp(line, "+OK", 3))
		sink->message(sink->owner, MESSAGE_OK, line, 3);
	else if (!memcmp(line, "PONG", 4))
		sink->message(sink->owner, MESSAGE_READY, line, 4);
	else if (!memcmp(line, "PING", 4))
		sink->message(sink->owner, MESSAGE_PING, line, 4);
	else
		s->bad |= memcmp(line, "INFO", 4) != 0;
}

size_t nats_take(struct stream *s, const char *bytes, size_t len, const struct sink *sink)
{
	const char *p = bytes, *end = bytes + len;
	for (const char *line_end; !s->bad && (line_end = memchr(p, '\n', (size_t)(end - p)));) {
		const char *next = line_end + 1;
		if (line_end - p < 4) {
			s->bad |= line_end - p < 3 || memcmp(p, "+OK", 3) != 0;
		} else if (!memcmp(p, "MSG ", 4)) {
			size_t payload = payload_len(p, line_end);
			if ((size_t)(end - next) < payload + 2)
				break;
			sink->message(sink->owner, MESSAGE_DATA, next, payload);
			next += payload + 2;
		} else {
			take_word(s, p, sink);
		}
		p = next;
	}
	return (size_t)(p - bytes);
}

size_t nats_hello(char *out, size_t size, const char *subject)
{
	static const char connect[] = "CONNECT "
	                              "{\"verbose\":%s,\"pedantic\":false,\"lang\":\"c\","
	                              "\"version\":\"1\",\"protocol\":1,\"echo\":false}\r\n";
	int len = snprintf(out, size, connect, subject ? "false" : "true");
	if (subject)
		len += snprintf(out + len, size - (size_t)len, "SUB %s 1\r\n", subject);
	return (size_t)(len + snprintf(out + len, size - (size_t)len, "PING\r\n"));
}
