#include "stream.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nats.h"

enum state { STATE_HEAD, STATE_LINES, STATE_CHUNKED_LINES, STATE_FRAMES, STATE_NATS };
enum chunk_state { CHUNK_BEFORE, CHUNK_DIGITS, CHUNK_EXTENSION, CHUNK_BYTES, CHUNK_OVER };

void stream_init(struct stream *stream)
{
	*stream = (struct stream){ .state = STATE_HEAD };
}

void stream_finish(struct stream *stream)
{
	free(stream->carry);
	stream_init(stream);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	char low = (char)(c | 32);
	return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* One byte outside the chunks' data: their sizes and line ends. */
static void chunk_byte(struct stream *s, char c)
{
	if (c == '\n' && s->chunk_state != CHUNK_BEFORE) {
		s->chunk_state = s->chunk_left ? CHUNK_BYTES : CHUNK_OVER;
	} else if (c == ';') {
		s->chunk_state = CHUNK_EXTENSION;
	} else if (c != '\r' && c != '\n' && s->chunk_state != CHUNK_EXTENSION) {
		int digit = hex_digit(c);
		s->bad |= digit < 0;
		s->chunk_left = s->chunk_left << 4 | (uint64_t)(digit & 15);
		s->chunk_state = CHUNK_DIGITS;
	}
}

/* Takes the chunk framing out of `bytes` in place; returns how many bytes of data remain. */
static size_t dechunk(struct stream *s, char *bytes, size_t len)
{
	size_t in = 0, out = 0;
	while (in < len && s->chunk_state != CHUNK_OVER && !s->bad) {
		if (s->chunk_state != CHUNK_BYTES) {
			chunk_byte(s, bytes[in++]);
			continue;
		}
		size_t take = s->chunk_left < len - in ? (size_t)s->chunk_left : len - in;
		memmove(bytes + out, bytes + in, take);
		in += take;
		out += take;
		s->chunk_left -= take;
		if (!s->chunk_left)
			s->chunk_state = CHUNK_BEFORE;
	}
	return out;
}

static bool head_has(const char *head, size_t len, const char *name, const char *value)
{
	size_t name_len = strlen(name), value_len = strlen(value);
	for (const char *p = head, *end = head + len; (p = memchr(p, '\n', (size_t)(end - p)));) {
		p++;
		if ((size_t)(end - p) > name_len + value_len && !strncasecmp(p, name, name_len) &&
		    p[name_len] == ':') {
			const char *v = p + name_len + 1;
			v += strspn(v, " ");
			if (!strncasecmp(v, value, value_len))
				return true;
		}
	}
	return false;
}

/* Returns the length of the head, 0 when it is not complete. */
static size_t take_head(struct stream *s, const char *bytes, size_t len, const struct sink *sink)
{
	const char *end = memmem(bytes, len, "\r\n\r\n", 4);
	if (!end)
		return 0;
	size_t head = (size_t)(end - bytes) + 4;
	if (head < 16 || memcmp(bytes, "HTTP/1.", 7) != 0) {
		s->bad = true;
		return 0;
	}
	s->status = (uint16_t)atoi(bytes + 9);
	if (s->status == 101)
		s->state = s->nats ? STATE_NATS : STATE_FRAMES;
	else if (head_has(bytes, head, "transfer-encoding", "chunked"))
		s->state = STATE_CHUNKED_LINES;
	else
		s->state = STATE_LINES;
	s->bad |= s->status != 200 && s->status != 101;
	if (!s->bad)
		sink->message(sink->owner, MESSAGE_HEAD, bytes, head);
	return head;
}

/* The data of an event, joined in place: a large snapshot stands in several lines. */
struct data {
	char *at;
	size_t len;
};

static inline void take_line(struct stream *s, char *line, size_t len, struct data *data,
                             const struct sink *sink)
{
	if (len > 6 && !memcmp(line, "data: ", 6)) {
		if (!data->len) {
			*data = (struct data){ line + 6, len - 6 };
			return;
		}
		data->at[data->len++] = '\n';
		memmove(data->at + data->len, line + 6, len - 6);
		data->len += len - 6;
	} else if (len == 0 || *line == '\r') {
		if (data->len)
			sink->message(sink->owner, s->heartbeat ? MESSAGE_HEARTBEAT : MESSAGE_DATA,
			              data->at, data->len);
		data->len = 0;
		s->heartbeat = false;
	} else if (len >= 16 && !memcmp(line, "event: heartbeat", 16)) {
		s->heartbeat = true;
	}
}

static inline bool ends_event(const char *line_end)
{
	return line_end[-1] == '\n' || (line_end[-1] == '\r' && line_end[-2] == '\n');
}

/* Whole events only: what an event's first lines were is joined when its last one is there. */
static size_t whole_events(const char *bytes, size_t len)
{
	for (const char *end = bytes + len; (end = memrchr(bytes, '\n', (size_t)(end - bytes)));)
		if (end - bytes >= 2 && ends_event(end))
			return (size_t)(end - bytes) + 1;
	return 0;
}

static size_t take_lines(struct stream *s, char *bytes, size_t len, const struct sink *sink)
{
	size_t whole = whole_events(bytes, len);
	struct data data = { 0 };
	char *p = bytes, *end = bytes + whole;

	for (char *line_end; (line_end = memchr(p, '\n', (size_t)(end - p))); p = line_end + 1)
		take_line(s, p, (size_t)(line_end - p), &data, sink);
	return whole;
}

struct frame {
	size_t head, payload; /* their lengths */
	unsigned opcode;
	bool last; /* of its message */
};

/* The frame at `bytes`; false: it is not whole. A server's frames are never masked. */
static bool frame_read(struct stream *s, const char *at, size_t len, struct frame *f)
{
	const unsigned char *bytes = (const unsigned char *)at;
	if (len < 2)
		return false;
	s->bad |= bytes[1] & 0x80;
	unsigned extra = bytes[1] == 126 ? 2 : bytes[1] == 127 ? 8 : 0;
	if (len < 2 + extra)
		return false;
	uint64_t value = extra ? 0 : bytes[1] & 0x7f;
	for (unsigned i = 0; i < extra; i++)
		value = value << 8 | bytes[2 + i];
	*f = (struct frame){ 2 + extra, (size_t)value, bytes[0] & 15u, bytes[0] & 0x80 };
	return !s->bad && len - f->head >= f->payload;
}

static void frame_deliver(struct stream *s, unsigned opcode, const char *data, size_t len,
                          const struct sink *sink)
{
	switch (opcode) {
	case 1:
	case 2:
		sink->message(sink->owner, MESSAGE_DATA, data, len);
		break;
	case 8:
		sink->message(sink->owner, MESSAGE_END, data, len);
		break;
	case 9:
		sink->message(sink->owner, MESSAGE_PING, data, len);
		break;
	case 10:
		break;
	default:
		s->bad = true;
	}
}

/* A message in fragments is joined in place when its last one is there; control frames may stand
 * between. Returns how many bytes it took, 0: it is not whole. */
static size_t take_fragments(struct stream *s, char *bytes, size_t len, const struct sink *sink)
{
	struct frame f;
	size_t end = 0, joined = 0;
	for (bool last = false; !last; end += f.head + f.payload) {
		if (!frame_read(s, bytes + end, len - end, &f))
			return 0;
		s->bad |= f.opcode < 8 && (f.opcode == 0) != (end > 0);
		last = f.last && f.opcode < 8;
	}
	for (size_t at = 0; at < end && !s->bad; at += f.head + f.payload) {
		frame_read(s, bytes + at, end - at, &f);
		if (f.opcode >= 8) {
			frame_deliver(s, f.opcode, bytes + at + f.head, f.payload, sink);
			continue;
		}
		memmove(bytes + joined, bytes + at + f.head, f.payload);
		joined += f.payload;
	}
	frame_deliver(s, 1, bytes, joined, sink);
	return end;
}

static size_t take_frames(struct stream *s, char *bytes, size_t len, const struct sink *sink)
{
	struct frame f;
	size_t done = 0, took;
	while (!s->bad && frame_read(s, bytes + done, len - done, &f)) {
		took = f.head + f.payload;
		if (f.last)
			frame_deliver(s, f.opcode, bytes + done + f.head, f.payload, sink);
		else
			took = take_fragments(s, bytes + done, len - done, sink);
		if (!took)
			break;
		done += took;
	}
	return done;
}

static void keep(struct stream *s, const char *rest, size_t len)
{
	if (len > STREAM_ROOM) {
		s->bad = true;
		return;
	}
	if (len > s->carry_cap) {
		s->carry_cap = (uint32_t)(len < 256 ? 256 : len * 2);
		s->carry = realloc(s->carry, s->carry_cap);
		if (!s->carry)
			abort();
	}
	if (len)
		memcpy(s->carry, rest, len);
	s->carry_len = (uint32_t)len;
}

char *stream_buffer(size_t *size)
{
	static char buffer[STREAM_ROOM + 256 * 1024];
	*size = sizeof(buffer) - STREAM_ROOM;
	return buffer + STREAM_ROOM;
}

/* Takes what frames the bytes out of them, where a frame may end inside a message. */
static size_t unwrap(struct stream *s, char *bytes, size_t len)
{
	if (s->state == STATE_CHUNKED_LINES)
		return dechunk(s, bytes, len);
	return s->state == STATE_NATS ? nats_unframe(s, bytes, len) : len;
}

static size_t take(struct stream *s, char *bytes, size_t len, const struct sink *sink)
{
	switch (s->state) {
	case STATE_HEAD:
		return 0;
	case STATE_FRAMES:
		return take_frames(s, bytes, len, sink);
	case STATE_NATS:
		return nats_take(s, bytes, len, sink);
	default:
		return take_lines(s, bytes, len, sink);
	}
}

bool stream_feed(struct stream *s, char *bytes, size_t len, const struct sink *sink)
{
	len = unwrap(s, bytes, len);
	if (s->carry_len) {
		bytes -= s->carry_len;
		len += s->carry_len;
		memcpy(bytes, s->carry, s->carry_len);
	}
	size_t used = 0;
	if (s->state == STATE_HEAD) {
		used = take_head(s, bytes, len, sink);
		if (used)
			len = used + unwrap(s, bytes + used, len - used);
	}
	used += take(s, bytes + used, len - used, sink);
	if (!s->bad)
		keep(s, bytes + used, len - used);
	if (s->chunk_state == CHUNK_OVER && !s->bad)
		sink->message(sink->owner, MESSAGE_END, bytes, 0);
	return !s->bad;
}
