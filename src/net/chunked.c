#include "chunked.h"

#include "request_head.h"

#define SIZE_DIGITS 15 /* more digits exceed every possible limit */

/*
 *   SIZE ──> EXTENSION ──> SIZE_LF ──> DATA ──> DATA_CR ──> DATA_LF ──> SIZE …
 *                            └ 0 ──> LINE ──> NAME ──> VALUE ──> VALUE_LF ──> LINE …
 *                                      └──> END_LF ──> done
 */
enum step { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, LINE, NAME, VALUE, VALUE_LF, END_LF };

#define WRONG (-1)
#define OVER (-2) /* the body is complete */

static int digit_of(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int after_size(struct chunked *c, unsigned char byte)
{
	int digit = digit_of(byte);

	if (digit >= 0 && c->digits < SIZE_DIGITS) {
		c->left = c->left << 4 | (unsigned)digit;
		c->digits++;
		return SIZE;
	}
	if (!c->digits || digit >= 0)
		return WRONG;
	if (byte == '\r')
		return SIZE_LF;
	return byte == ';' || byte == ' ' || byte == '\t' ? EXTENSION : WRONG;
}

static bool is_text(unsigned char byte)
{
	return byte == '\t' || (byte >= ' ' && byte != 0x7f);
}

/* The step at the start of a line: a trailer, or the empty line that ends the trailers. */
static int after_line(unsigned char byte)
{
	if (byte == '\r')
		return END_LF;
	return request_head_is_token(byte) ? NAME : WRONG;
}

static int after_name(unsigned char byte)
{
	if (byte == ':')
		return VALUE;
	return request_head_is_token(byte) ? NAME : WRONG;
}

static int after_text(unsigned char byte, enum step same, enum step end)
{
	if (byte == '\r')
		return (int)end;
	return is_text(byte) ? (int)same : WRONG;
}

static int expect(unsigned char byte, unsigned char wanted, int next)
{
	return byte == wanted ? next : WRONG;
}

/* The step after `byte`. */
static int advance(struct chunked *c, unsigned char byte)
{
	switch ((enum step)c->step) {
	case SIZE:
		return after_size(c, byte);
	case EXTENSION:
		return after_text(byte, EXTENSION, SIZE_LF);
	case SIZE_LF:
		c->digits = 0;
		return expect(byte, '\n', c->left ? DATA : LINE);
	case DATA_CR:
		return expect(byte, '\r', DATA_LF);
	case DATA_LF:
		return expect(byte, '\n', SIZE);
	case LINE:
		return after_line(byte);
	case NAME:
		return after_name(byte);
	case VALUE:
		return after_text(byte, VALUE, VALUE_LF);
	case VALUE_LF:
		return expect(byte, '\n', LINE);
	case END_LF:
		return expect(byte, '\n', OVER);
	case DATA:
		break;
	}
	return WRONG;
}

static bool is_beside(int step)
{
	return step == EXTENSION || step == NAME || step == VALUE;
}

static void take_data(struct chunked *c, struct slice *in, struct buf *out)
{
	size_t len = c->left < in->len ? (size_t)c->left : in->len;

	buf_add(out, in->ptr, len);
	in->ptr += len;
	in->len -= len;
	c->left -= len;
	if (!c->left)
		c->step = DATA_CR;
}

enum chunked_result chunked_take(struct chunked *c, struct slice *in, struct buf *out,
                                 uint64_t max_body, size_t max_beside)
{
	while (in->len) {
		if (c->step == DATA) {
			take_data(c, in, out);
			continue;
		}
		int next = advance(c, (unsigned char)*in->ptr);
		if (next == WRONG)
			return CHUNKED_BAD;
		in->ptr++;
		in->len--;
		if (next == OVER)
			return CHUNKED_DONE;
		if (is_beside(next) && ++c->beside > max_beside)
			return CHUNKED_BAD;
		if (next == DATA && (out->len > max_body || c->left > max_body - out->len))
			return CHUNKED_TOO_LARGE;
		c->step = next;
	}
	return CHUNKED_MORE;
}
