#include "progress.h"

#include <ctype.h>
#include <math.h>

#define DIGITS_MAX 9

void progress_init(struct progress *p)
{
	*p = (struct progress){ .percent = -1, .before = '\n' };
}

static bool grow(struct progress *p, double percent, bool bracketed)
{
	if (p->prefers_brackets && !bracketed)
		return false;
	p->prefers_brackets = bracketed;
	percent = floor(percent * 10) / 10;
	if (percent <= p->percent || percent > 100)
		return false;
	p->percent = percent;
	return true;
}

static bool accept_percent(struct progress *p)
{
	p->state = PROGRESS_TEXT;
	return grow(p, (double)p->number + p->fraction, p->bracketed);
}

/* 1/1 without brackets is more often a score than progress. */
static bool accept_part(struct progress *p)
{
	bool ok = p->number <= p->total && p->total >= (p->bracketed ? 1 : 2) && !p->after_colon;

	p->state = PROGRESS_TEXT;
	return ok && grow(p, 100 * (double)p->number / (double)p->total, p->bracketed);
}

/* Whether a number may begin after this character; bytes of UTF-8 are those of bars. */
static bool may_begin_after(int before)
{
	return !isalnum(before) && !(before < 0x80 && strchr("/.-_%+\\@~^&$", before));
}

static void begin(struct progress *p, int c)
{
	p->state = PROGRESS_NUMBER;
	p->number = (uint64_t)(c - '0');
	p->digits = 1;
	p->fraction = 0;
	p->after_colon = p->before == ':';
}

static void begin_total(struct progress *p, int c)
{
	p->state = PROGRESS_TOTAL;
	p->total = (uint64_t)(c - '0');
	p->digits = 1;
}

/* A character after which nothing of the number can follow, and which is none of a longer word. */
static bool ends_number(int c)
{
	return !isalnum(c) && !(c < 0x80 && strchr("/.-_%\\@~", c));
}

static void add_digit(struct progress *p, uint64_t *number, int c)
{
	*number = *number * 10 + (uint64_t)(c - '0');
	if (++p->digits > DIGITS_MAX)
		p->state = PROGRESS_TEXT;
}

/* ---- one character in each state ---- */

static void in_text(struct progress *p, int c)
{
	if (isdigit(c) && may_begin_after(p->before))
		begin(p, c);
	else if (c == '[' || c == '(')
		p->bracketed = true;
	else if (c != ' ')
		p->bracketed = false;
}

static void after_number(struct progress *p, int c, enum progress_state otherwise)
{
	p->state = c == '%' ? PROGRESS_PERCENT : c == '/' ? PROGRESS_SLASH : otherwise;
}

static void in_number(struct progress *p, int c)
{
	if (isdigit(c))
		add_digit(p, &p->number, c);
	else if (c == '.') {
		p->state = PROGRESS_FRACTION;
		p->fraction_unit = 0.1;
	} else
		after_number(p, c, c == ' ' ? PROGRESS_AFTER_NUMBER : PROGRESS_TEXT);
}

static void in_fraction(struct progress *p, int c)
{
	if (isdigit(c)) {
		p->fraction += (c - '0') * p->fraction_unit;
		p->fraction_unit /= 10;
	} else
		p->state = c == '%' ? PROGRESS_PERCENT : PROGRESS_TEXT;
}

static bool in_total(struct progress *p, int c)
{
	if (isdigit(c)) {
		add_digit(p, &p->total, c);
		return false;
	}
	if (ends_number(c))
		return accept_part(p);
	p->state = PROGRESS_TEXT;
	return false;
}

static bool in_percent(struct progress *p, int c)
{
	if (!isalnum(c))
		return accept_percent(p);
	p->state = PROGRESS_TEXT; /* %2F */
	return false;
}

static void in_between(struct progress *p, int c)
{
	if (isdigit(c))
		begin_total(p, c);
	else if (c != ' ')
		p->state = PROGRESS_TEXT;
}

static bool take(struct progress *p, int c)
{
	enum progress_state before = p->state;
	bool grown = false;

	switch (p->state) {
	case PROGRESS_TEXT:
		break;
	case PROGRESS_NUMBER:
		in_number(p, c);
		break;
	case PROGRESS_FRACTION:
		in_fraction(p, c);
		break;
	case PROGRESS_AFTER_NUMBER:
		after_number(p, c, c == 'o' ? PROGRESS_O : PROGRESS_TEXT);
		break;
	case PROGRESS_PERCENT:
		grown = in_percent(p, c);
		break;
	case PROGRESS_O:
		p->state = c == 'f' ? PROGRESS_OF : PROGRESS_TEXT;
		break;
	case PROGRESS_OF:
	case PROGRESS_SLASH:
		in_between(p, c);
		break;
	case PROGRESS_TOTAL:
		grown = in_total(p, c);
		break;
	}
	if (p->state == PROGRESS_TEXT) {
		if (before == PROGRESS_AFTER_NUMBER)
			p->before = ' '; /* "7 3/10": the second number may be the one */
		in_text(p, c);
	}
	p->before = c;
	return grown;
}

bool progress_take(struct progress *p, struct slice output)
{
	bool grown = false;

	for (size_t i = 0; i < output.len; i++) {
		int c = ansi_take(&p->ansi, (unsigned char)output.ptr[i]);
		if (c != ANSI_NOTHING)
			grown = take(p, c) || grown;
	}
	return grown;
}

bool progress_pause(struct progress *p)
{
	return p->state == PROGRESS_PERCENT && accept_percent(p);
}
