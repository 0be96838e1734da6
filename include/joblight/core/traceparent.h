/*
 * The header traceparent of W3C Trace Context, level 1 (https://www.w3.org/TR/trace-context-1/):
 *
 *      00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
 *      version - trace id - id of the span that sent it - flags
 *
 * Pure functions.
 */
#ifndef JOBLIGHT_CORE_TRACEPARENT_H
#define JOBLIGHT_CORE_TRACEPARENT_H

#include <stdbool.h>

#include "joblight/base/slice.h"

#define TRACEPARENT_LEN 55
#define TRACE_ID_LEN 32 /* hexadecimal digits */
#define SPAN_ID_LEN 16

/*
 * Sets `out` to the text in version 00: of a later version the parts that version 00 has, and of
 * the flags the only one that level 1 defines.  False: it is not valid, and has to be ignored
 * (section 3.2.2.5); `out` is "".
 */
bool traceparent_parse(struct slice text, char out[TRACEPARENT_LEN + 1]);

/* The parts of a text that traceparent_parse() has made. */
static inline struct slice traceparent_trace_id(const char *text)
{
	return (struct slice){ text + 3, TRACE_ID_LEN };
}

static inline struct slice traceparent_span_id(const char *text)
{
	return (struct slice){ text + 3 + TRACE_ID_LEN + 1, SPAN_ID_LEN };
}

/* Whether the sender records the trace. */
static inline bool traceparent_is_sampled(const char *text)
{
	return text[TRACEPARENT_LEN - 1] == '1';
}

#endif
