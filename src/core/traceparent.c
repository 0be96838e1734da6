#include "joblight/core/traceparent.h"

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; /* upper case is not valid */
}

static bool has_form(struct slice text)
{
	static const char form[] = "hh-hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh-hhhhhhhhhhhhhhhh-hh";

	if (text.len < TRACEPARENT_LEN)
		return false;
	for (size_t i = 0; i < TRACEPARENT_LEN; i++)
		if (form[i] == '-' ? text.ptr[i] != '-' : digit(text.ptr[i]) < 0)
			return false;
	return true;
}

static bool is_zero(struct slice id)
{
	for (size_t i = 0; i < id.len; i++)
		if (id.ptr[i] != '0')
			return false;
	return true;
}

/* Version 00 ends after the flags; a later one may have more after a dash; ff is forbidden. */
static bool has_version(struct slice text)
{
	if (memcmp(text.ptr, "ff", 2) == 0)
		return false;
	return text.len == TRACEPARENT_LEN ||
	       (memcmp(text.ptr, "00", 2) != 0 && text.ptr[TRACEPARENT_LEN] == '-');
}

bool traceparent_parse(struct slice text, char out[TRACEPARENT_LEN + 1])
{
	out[0] = '\0';
	if (!has_form(text) || !has_version(text) || is_zero(traceparent_trace_id(text.ptr)) ||
	    is_zero(traceparent_span_id(text.ptr)))
		return false;
	memcpy(out, text.ptr, TRACEPARENT_LEN);
	memcpy(out, "00", 2);
	out[TRACEPARENT_LEN - 2] = '0';
	out[TRACEPARENT_LEN - 1] = digit(text.ptr[TRACEPARENT_LEN - 1]) & 1 ? '1' : '0';
	out[TRACEPARENT_LEN] = '\0';
	return true;
}
