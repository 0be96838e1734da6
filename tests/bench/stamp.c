#include "stamp.h"

#include <string.h>

void hex_write(char *out, uint64_t value, int width)
{
	for (int i = width - 1; i >= 0; i--, value >>= 4)
		out[i] = "0123456789abcdef"[value & 15];
}

/* Sets a bit above all digits when a character is not a digit, so that one test at the end is
 * enough. */
static uint64_t hex_read(const char *in, int width, unsigned *bad)
{
	uint64_t value = 0;
	for (int i = 0; i < width; i++) {
		unsigned char c = (unsigned char)in[i];
		unsigned digit = c - '0';
		if (digit > 9) {
			digit = (unsigned)c - 'a' + 10;
			if (digit < 10 || digit > 15)
				*bad = 1;
		}
		value = value << 4 | (digit & 15);
	}
	return value;
}

void stamp_write(char *out, const struct stamp *stamp)
{
	memcpy(out, STAMP_MARK, STAMP_MARK_LEN);
	hex_write(out + 4, stamp->job, 4);
	hex_write(out + 8, stamp->publisher, 4);
	hex_write(out + 12, stamp->counter, 8);
	hex_write(out + 20, stamp->time_ns, 16);
}

bool stamp_read(const char *in, struct stamp *stamp)
{
	unsigned bad = 0;
	stamp->job = (uint32_t)hex_read(in + 4, 4, &bad);
	stamp->publisher = (uint32_t)hex_read(in + 8, 4, &bad);
	stamp->counter = (uint32_t)hex_read(in + 12, 8, &bad);
	stamp->time_ns = hex_read(in + 20, 16, &bad);
	return !bad;
}
