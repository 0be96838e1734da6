#include "joblight/base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"

void buf_finish(struct buf *b)
{
	free(b->ptr);
	*b = (struct buf){ 0 };
}

void buf_reserve(struct buf *b, size_t more)
{
	size_t need = b->len + more;

	if (need <= b->cap)
		return;
	size_t cap = b->cap ? b->cap : 64;
	while (cap < need)
		cap *= 2;
	b->ptr = xrealloc(b->ptr, cap);
	b->cap = cap;
}

void buf_shrink(struct buf *b)
{
	if (b->len == b->cap)
		return;
	if (!b->len) {
		buf_finish(b);
		return;
	}
	b->ptr = xrealloc(b->ptr, b->len);
	b->cap = b->len;
}

void buf_add(struct buf *b, const void *bytes, size_t len)
{
	if (!len)
		return;
	buf_reserve(b, len);
	memcpy(b->ptr + b->len, bytes, len);
	b->len += len;
}

void buf_text(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void buf_char(struct buf *b, char c)
{
	buf_reserve(b, 1);
	b->ptr[b->len++] = c;
}

void buf_u64(struct buf *b, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + value % 10);
	while (value /= 10);
	buf_add(b, digits + at, sizeof(digits) - at);
}

void buf_format(struct buf *b, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	assert(len >= 0);
	buf_reserve(b, (size_t)len + 1);
	va_start(args, format);
	vsnprintf(b->ptr + b->len, (size_t)len + 1, format, args);
	va_end(args);
	b->len += (size_t)len;
}

const char *buf_string(struct buf *b)
{
	buf_reserve(b, 1);
	b->ptr[b->len] = '\0';
	return b->ptr;
}
