/* How events and messages stand on a wire: the rows of framings.def, chunks, fragments, data lines.
 */
#ifndef JOBLIGHT_CORE_FRAME_H
#define JOBLIGHT_CORE_FRAME_H

#include "joblight/core/cursor.h"

enum framing {
#define FRAMING(name, add, suffix, line, fragmented) FRAME_##name,
#include "joblight/core/framings.def"
#undef FRAMING
	FRAMING_COUNT
};

#define FRAME_PREFIX_MAX (CURSOR_MAX + 48)

size_t frame_prefix(enum framing f, char out[FRAME_PREFIX_MAX], const char *epoch, uint64_t seq,
                    enum event_type type, size_t json_len);
struct slice frame_suffix(enum framing f);
/* What each further line of a snapshot begins with; empty: the snapshot stands in one piece. */
struct slice frame_line(enum framing f);
/* Each piece of a long message is a fragment: see wrap_fragment(). */
bool frame_is_fragmented(enum framing f);
size_t frame_ws_header(char out[FRAME_PREFIX_MAX], size_t payload); /* FIN + text */

void frame_add(struct buf *out, enum framing f, const char *epoch, uint64_t seq,
               enum event_type type, struct slice json);

/* A message of its own on a WebSocket, whatever it says. */
void frame_add_ws(struct buf *out, struct slice json);

/* An ephemeral message: it has no id. */
void frame_add_ephemeral(struct buf *out, enum framing f, enum event_type type, struct slice json);

/*
 * Wrapping: bytes that are made in a buffer get a header in front and go out in one write with it.
 * The buffer is begun with wrap_begin(), which leaves room; wrap_chunk() and wrap_fragment() write
 * the header right in front of the payload, which begins at `at` and ends with the buffer.  They
 * return where the wrapped bytes begin.
 *
 *   chunk     <length in hex>\r\n payload \r\n                    (HTTP/1.1, RFC 9112 section 7.1)
 *   fragment  a text frame, or a part of a fragmented message     (RFC 6455 section 5.4)
 */
#define WRAP_HEAD_MAX 18
#define WRAP_TAIL_MAX 2
#define LAST_CHUNK "0\r\n\r\n"

/* Empties the buffer and leaves room for `front` bytes and a header; returns where the payload
 * begins. */
size_t wrap_begin(struct buf *b, size_t front);
size_t wrap_chunk(struct buf *b,
                  size_t at); /* the payload is not empty: an empty chunk would be the last one */
size_t wrap_fragment(struct buf *b, size_t at, bool first, bool last);

/*
 * A snapshot stands in data lines of at most DATA_LINE_MAX bytes, cut between its rows (tasks,
 * deliverables). A row that is larger stands in one line.
 */
#define DATA_LINE_MAX (32 * 1024)

/*
 * Where the line ends that begins at `from` of the snapshot and has `used` bytes in front of that
 * already; `from` itself when those leave no room.  The rows are found behind `rows_at`.
 */
size_t frame_line_end(struct slice snapshot, size_t rows_at, size_t from, size_t used);

#endif
