/*
 * A growing byte buffer.  `{0}` is a valid empty buffer; buf_finish() frees the memory. The buffer
 * owns its bytes, which move when it grows.
 */
#ifndef JOBLIGHT_BASE_BUF_H
#define JOBLIGHT_BASE_BUF_H

#include <stdarg.h>
#include <stdint.h>

#include "joblight/base/slice.h"

struct buf {
	char *ptr;
	size_t len;
	size_t cap;
};

void buf_finish(struct buf *b);
void buf_reserve(struct buf *b, size_t more); /* room for `more` bytes after len */
void buf_shrink(struct buf *b);               /* frees the room after len */
void buf_add(struct buf *b, const void *bytes, size_t len);
void buf_text(struct buf *b, const char *text);
void buf_char(struct buf *b, char c);
void buf_u64(struct buf *b, uint64_t value); /* decimal */
void buf_format(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *
buf_string(struct buf *b); /* adds a NUL that len does not count; valid until the next change */

static inline void buf_slice(struct buf *b, struct slice s)
{
	buf_add(b, s.ptr, s.len);
}

static inline struct slice buf_as_slice(const struct buf *b)
{
	return (struct slice){ b->ptr, b->len };
}

#endif
