/*
 * The parts of a message between nodes: numbers of variable length, and texts after their length.
 * Reading beyond the end sets `bad` and gives zeroes and empty texts, so that a reader checks once,
 * at the end.
 */
#ifndef JOBLIGHT_BUS_WIRE_H
#define JOBLIGHT_BUS_WIRE_H

#include "joblight/base/buf.h"

struct wire {
	const char *at, *end;
	bool bad;
};

static inline struct wire wire_of(struct slice s)
{
	const char *start = s.len ? s.ptr : "";

	return (struct wire){ start, start + s.len, false };
}

static inline size_t wire_left(const struct wire *w)
{
	return (size_t)(w->end - w->at);
}

static inline struct slice wire_bytes(struct wire *w, uint64_t len)
{
	struct slice bytes = { w->at, (size_t)len };

	if (len > wire_left(w)) {
		w->bad = true;
		return (struct slice){ "", 0 };
	}
	w->at += len;
	return bytes;
}

static inline uint8_t wire_byte(struct wire *w)
{
	struct slice byte = wire_bytes(w, 1);

	return byte.len ? (uint8_t)byte.ptr[0] : 0;
}

static inline uint64_t wire_fixed(struct wire *w)
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++)
		value |= (uint64_t)wire_byte(w) << (8 * i);
	return value;
}

static inline uint64_t wire_number(struct wire *w)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte = wire_byte(w);
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	w->bad = true;
	return 0;
}

static inline struct slice wire_text(struct wire *w)
{
	return wire_bytes(w, wire_number(w));
}

/* A text of at most `max` bytes, which is copied with a NUL after it. */
static inline void wire_copy(struct wire *w, char *out, size_t max)
{
	struct slice text = wire_text(w);

	if (text.len > max || memchr(text.ptr, '\0', text.len)) {
		w->bad = true;
		text.len = 0;
	}
	memcpy(out, text.ptr, text.len);
	out[text.len] = '\0';
}

static inline void wire_add_fixed(struct buf *out, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		buf_char(out, (char)(value >> (8 * i)));
}

static inline void wire_add_number(struct buf *out, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		buf_char(out, (char)(value | 0x80));
	buf_char(out, (char)value);
}

static inline void wire_add_text(struct buf *out, struct slice text)
{
	wire_add_number(out, text.len);
	buf_slice(out, text);
}

#endif
