#include "joblight/core/frame.h"

#include <assert.h>
#include <stdio.h>

#define WS_CONTINUATION 0x00
#define WS_TEXT 0x01
#define WS_FIN 0x80

#define LOGGED(name, text)                                                                         \
	_Static_assert(sizeof("event: " text "\nid: \ndata: ") <= FRAME_PREFIX_MAX - CURSOR_MAX,   \
	               "FRAME_PREFIX_MAX has room for " text);
#define EPHEMERAL(name, text)
#include "joblight/core/events.def"
#undef LOGGED
#undef EPHEMERAL

static size_t put_ws_header(char *out, unsigned first_byte, size_t payload)
{
	unsigned char *at = (unsigned char *)out;
	unsigned width = payload < 126 ? 0 : payload < 65536 ? 2 : 8;

	at[0] = (unsigned char)first_byte;
	at[1] = (unsigned char)(width == 0 ? payload : width == 2 ? 126 : 127);
	for (unsigned i = 0; i < width; i++)
		at[2 + i] = (unsigned char)((uint64_t)payload >> (8 * (width - 1 - i)));
	return 2 + width;
}

/* Writes the header of a message that is one frame. */
static size_t put_ws_message_header(char out[FRAME_PREFIX_MAX], size_t payload)
{
	return put_ws_header(out, WS_FIN | WS_TEXT, payload);
}

/* What a frame is made for; an ephemeral message has no epoch, and gets no id. */
struct subject {
	const char *epoch;
	uint64_t seq;
	enum event_type type;
	size_t json_len;
};

static void add_sse(struct buf *out, const struct subject *s)
{
	if (s->epoch) {
		buf_text(out, "id: ");
		cursor_add(out, s->epoch, s->seq);
	}
	buf_text(out, s->epoch ? "\ndata: " : "data: ");
}

static void add_named(struct buf *out, const struct subject *s)
{
	buf_text(out, "event: ");
	buf_text(out, event_type_text(s->type));
	buf_char(out, '\n');
	add_sse(out, s);
}

static void add_ws(struct buf *out, const struct subject *s)
{
	char header[FRAME_PREFIX_MAX];

	buf_add(out, header, put_ws_message_header(header, s->json_len));
}

static const struct {
	void (*add)(struct buf *out, const struct subject *s);
	struct slice suffix, line;
	bool fragmented;
} framings[FRAMING_COUNT] = {
#define FRAMING(name, add, suffix, line, fragmented)                                               \
	[FRAME_##name] = {                                                                         \
		add, { suffix, sizeof(suffix) - 1 }, { line, sizeof(line) - 1 }, fragmented        \
	},
#define STREAM_FRAMING(name, add, suffix, line, fragmented, media_type, open)                      \
	FRAMING(name, add, suffix, line, fragmented)
#include "joblight/core/framings.def"
#undef FRAMING
#undef STREAM_FRAMING
};

static void add_start(struct buf *out, enum framing f, const struct subject *s)
{
	if (framings[f].add)
		framings[f].add(out, s);
}

size_t frame_prefix(enum framing f, char out[FRAME_PREFIX_MAX], const char *epoch, uint64_t seq,
                    enum event_type type, size_t json_len)
{
	struct buf b = { out, 0, FRAME_PREFIX_MAX };

	add_start(&b, f, &(struct subject){ epoch, seq, type, json_len });
	return b.len;
}

struct slice frame_suffix(enum framing f)
{
	return framings[f].suffix;
}

struct slice frame_line(enum framing f)
{
	return framings[f].line;
}

bool frame_is_fragmented(enum framing f)
{
	return framings[f].fragmented;
}

void frame_add(struct buf *out, enum framing f, const char *epoch, uint64_t seq,
               enum event_type type, struct slice json)
{
	char prefix[FRAME_PREFIX_MAX];
	size_t len = frame_prefix(f, prefix, epoch, seq, type, json.len);

	buf_reserve(out, len + json.len + 2);
	buf_add(out, prefix, len);
	buf_slice(out, json);
	buf_slice(out, frame_suffix(f));
}

void frame_add_ws(struct buf *out, struct slice json)
{
	char header[FRAME_PREFIX_MAX];

	buf_add(out, header, put_ws_message_header(header, json.len));
	buf_slice(out, json);
}

void frame_add_ephemeral(struct buf *out, enum framing f, enum event_type type, struct slice json)
{
	add_start(out, f, &(struct subject){ .type = type, .json_len = json.len });
	buf_slice(out, json);
	buf_slice(out, frame_suffix(f));
}

/* Wrapping. */

size_t wrap_begin(struct buf *b, size_t front)
{
	b->len = 0;
	buf_reserve(b, front + WRAP_HEAD_MAX);
	b->len = front + WRAP_HEAD_MAX;
	return b->len;
}

static size_t put_in_front(struct buf *b, size_t at, const char *header, size_t len)
{
	assert(len <= WRAP_HEAD_MAX && len <= at);
	memcpy(b->ptr + at - len, header, len);
	return at - len;
}

size_t wrap_chunk(struct buf *b, size_t at)
{
	char header[WRAP_HEAD_MAX + 1];

	assert(b->len > at);
	int len = snprintf(header, sizeof(header), "%zx\r\n", b->len - at);
	buf_add(b, "\r\n", WRAP_TAIL_MAX);
	return put_in_front(b, at, header, (size_t)len);
}

size_t wrap_fragment(struct buf *b, size_t at, bool first, bool last)
{
	char header[FRAME_PREFIX_MAX];
	unsigned first_byte = (first ? WS_TEXT : WS_CONTINUATION) | (last ? WS_FIN : 0);
	size_t len = put_ws_header(header, first_byte, b->len - at);

	return put_in_front(b, at, header, len);
}

/* Lines. */

#define ROW "{\"id\":\"" /* a quote within a string is escaped, so no string holds this */
#define LINE_ROOM (DATA_LINE_MAX - 16) /* "data: ", the end of the message, and the line feed */

static bool is_row(struct slice s, size_t rows_at, size_t at)
{
	return at > rows_at && s.len - at >= sizeof(ROW) - 1 &&
	       !memcmp(s.ptr + at, ROW, sizeof(ROW) - 1) &&
	       (s.ptr[at - 1] == ',' || s.ptr[at - 1] == '[');
}

/* The last row that begins in [from, to]; 0: none. */
static size_t last_row(struct slice s, size_t rows_at, size_t from, size_t to)
{
	for (size_t end = to + 1; end > from;) {
		const char *found = memrchr(s.ptr + from, '{', end - from);
		if (!found)
			return 0;
		end = (size_t)(found - s.ptr);
		if (is_row(s, rows_at, end))
			return end;
	}
	return 0;
}

static size_t next_row(struct slice s, size_t rows_at, size_t from)
{
	const char *found;

	while ((found = memmem(s.ptr + from, s.len - from, ROW, sizeof(ROW) - 1))) {
		size_t at = (size_t)(found - s.ptr);
		if (is_row(s, rows_at, at))
			return at;
		from = at + 1;
	}
	return s.len;
}

size_t frame_line_end(struct slice snapshot, size_t rows_at, size_t from, size_t used)
{
	size_t room = used < LINE_ROOM ? LINE_ROOM - used : 0;

	if (snapshot.len - from <= room)
		return snapshot.len;
	size_t end = last_row(snapshot, rows_at, from + 1, from + room);
	if (end)
		return end;
	return used ? from : next_row(snapshot, rows_at, from + 1);
}
