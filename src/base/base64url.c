#include "joblight/base/base64url.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64url_encode(struct buf *out, struct slice bytes)
{
	uint32_t bits = 0;
	unsigned have = 0;

	for (size_t i = 0; i < bytes.len; i++) {
		bits = bits << 8 | (unsigned char)bytes.ptr[i];
		for (have += 8; have >= 6; have -= 6)
			buf_char(out, digits[bits >> (have - 6) & 63]);
	}
	if (have)
		buf_char(out, digits[bits << (6 - have) & 63]);
}

bool base64url_decode(struct buf *out, struct slice text)
{
	size_t before = out->len;
	uint32_t bits = 0;
	unsigned have = 0;
	bool ok = text.len % 4 != 1;

	for (size_t i = 0; ok && i < text.len; i++) {
		const char *digit = text.ptr[i] ? strchr(digits, text.ptr[i]) : NULL;
		ok = digit != NULL;
		bits = bits << 6 | (uint32_t)(digit ? digit - digits : 0);
		have += 6;
		if (have >= 8) {
			have -= 8;
			buf_char(out, (char)(bits >> have & 255));
		}
	}
	ok = ok && !(bits & ((1u << have) - 1));
	if (!ok)
		out->len = before;
	return ok;
}
