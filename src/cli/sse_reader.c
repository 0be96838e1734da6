#include "sse_reader.h"

#define BOM "\xef\xbb\xbf"
#define RETRY_DIGITS 9
#define MESSAGE_MAX (64u << 20) /* bytes; a server that sends no end of a line ends here */

void sse_reader_begin(struct sse_reader *r)
{
	r->line.len = r->data.len = r->type.len = r->id.len = 0;
	r->has_data = r->after_cr = r->begun = r->stopped = false;
	r->retry_ms = 0;
}

void sse_reader_finish(struct sse_reader *r)
{
	buf_finish(&r->line);
	buf_finish(&r->data);
	buf_finish(&r->type);
	buf_finish(&r->id);
}

static void dispatch(struct sse_reader *r)
{
	struct sse_message m = { buf_as_slice(&r->type), buf_as_slice(&r->data) };

	if (r->has_data && !r->message(r->context, &m))
		r->stopped = true;
	r->data.len = r->type.len = 0;
	r->has_data = false;
}

static void take_field(struct sse_reader *r, struct slice name, struct slice value)
{
	uint64_t retry;

	if (slice_is(name, "data")) {
		if (r->has_data)
			buf_char(&r->data, '\n');
		r->has_data = true;
		buf_slice(&r->data, value);
	} else if (slice_is(name, "event")) {
		r->type.len = 0;
		buf_slice(&r->type, value);
	} else if (slice_is(name, "id") && !(value.len && memchr(value.ptr, '\0', value.len))) {
		r->id.len = 0;
		buf_slice(&r->id, value);
	} else if (slice_is(name, "retry") && slice_number(value, RETRY_DIGITS, &retry)) {
		r->retry_ms = (int64_t)retry;
	}
}

static void take_line(struct sse_reader *r)
{
	struct slice line = buf_as_slice(&r->line), value = { 0 };

	if (!r->begun && line.len >= 3 && memcmp(line.ptr, BOM, 3) == 0)
		line = (struct slice){ line.ptr + 3, line.len - 3 };
	r->begun = true;
	r->line.len = 0;
	if (!line.len) {
		dispatch(r);
		return;
	}
	const char *colon = memchr(line.ptr, ':', line.len);
	struct slice name = { line.ptr, colon ? (size_t)(colon - line.ptr) : line.len };
	if (colon) {
		value = (struct slice){ colon + 1, line.len - name.len - 1 };
		if (value.len && *value.ptr == ' ')
			value = (struct slice){ value.ptr + 1, value.len - 1 };
	}
	take_field(r, name, value); /* a comment has an empty name */
}

/* The bytes before the next end of a line. */
static size_t length_of_line(struct slice bytes)
{
	const char *lf = memchr(bytes.ptr, '\n', bytes.len);
	size_t len = lf ? (size_t)(lf - bytes.ptr) : bytes.len;
	const char *cr = memchr(bytes.ptr, '\r', len);

	return cr ? (size_t)(cr - bytes.ptr) : len;
}

bool sse_reader_take(struct sse_reader *r, struct slice bytes)
{
	while (bytes.len && !r->stopped) {
		if (r->after_cr && *bytes.ptr == '\n')
			bytes = (struct slice){ bytes.ptr + 1, bytes.len - 1 };
		r->after_cr = false;
		if (!bytes.len)
			break;
		size_t len = length_of_line(bytes);
		buf_add(&r->line, bytes.ptr, len);
		if (r->line.len + r->data.len > MESSAGE_MAX)
			r->stopped = true;
		if (len == bytes.len)
			break;
		r->after_cr = bytes.ptr[len] == '\r';
		bytes = (struct slice){ bytes.ptr + len + 1, bytes.len - len - 1 };
		take_line(r);
	}
	return !r->stopped;
}
