#include "joblight/core/frame.h"

#include <stdio.h>

size_t frame_ws_header(char out[FRAME_PREFIX_MAX], size_t payload)
{
	unsigned char *at = (unsigned char *)out;
	unsigned width = payload < 126 ? 0 : payload < 65536 ? 2 : 8;

	at[0] = 0x81; /* FIN, text */
	at[1] = (unsigned char)(width == 0 ? payload : width == 2 ? 126 : 127);
	for (unsigned i = 0; i < width; i++)
		at[2 + i] = (unsigned char)((uint64_t)payload >> (8 * (width - 1 - i)));
	return 2 + width;
}

size_t frame_prefix(enum framing f, char out[FRAME_PREFIX_MAX], const char *epoch, uint64_t seq, enum event_type type,
		    size_t json_len)
{
	struct buf b = { out, 0, FRAME_PREFIX_MAX };

	if (f == FRAME_WS)
		return frame_ws_header(out, json_len);
	if (f == FRAME_NAMED) {
		buf_text(&b, "event: ");
		buf_text(&b, event_type_text(type));
		buf_char(&b, '\n');
	}
	buf_text(&b, "id: ");
	cursor_add(&b, epoch, seq);
	buf_text(&b, "\ndata: ");
	return b.len;
}

struct slice frame_suffix(enum framing f)
{
	return f == FRAME_WS ? SLICE("") : SLICE("\n\n");
}

void frame_add(struct buf *out, enum framing f, const char *epoch, uint64_t seq, enum event_type type,
	       struct slice json)
{
	char prefix[FRAME_PREFIX_MAX];
	size_t len = frame_prefix(f, prefix, epoch, seq, type, json.len);

	buf_reserve(out, len + json.len + 2);
	buf_add(out, prefix, len);
	buf_slice(out, json);
	buf_slice(out, frame_suffix(f));
}

void frame_add_passing(struct buf *out, enum framing f, struct slice json)
{
	char header[FRAME_PREFIX_MAX];

	if (f == FRAME_WS)
		buf_add(out, header, frame_ws_header(header, json.len));
	else
		buf_text(out, f == FRAME_NAMED ? "event: presence\ndata: " : "data: ");
	buf_slice(out, json);
	buf_slice(out, frame_suffix(f));
}
