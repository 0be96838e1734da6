/*
 * Frames: events and messages on the wire, as the rows of framings.def say; chunks, fragments and
 * data lines.
 */
#ifndef JOBLIGHT_CORE_FRAME_H
#define JOBLIGHT_CORE_FRAME_H

#include "joblight/core/cursor.h"

enum framing {
#define FRAMING(name, add, suffix, line, fragmented) FRAME_##name,
#define STREAM_FRAMING(name, add, suffix, line, fragmented, media_type, open) FRAME_##name,
#include "joblight/core/framings.def"
#undef FRAMING
#undef STREAM_FRAMING
	FRAMING_COUNT
};

#define FRAME_PREFIX_MAX (CURSOR_MAX + 48)

size_t frame_prefix(enum framing f, char out[FRAME_PREFIX_MAX], const char *epoch, uint64_t seq,
                    enum event_type type, size_t json_len);
struct slice frame_suffix(enum framing f);
/* The start of each further line of a snapshot; empty if a snapshot is one line. */
struct slice frame_line(enum framing f);
/* Whether each piece of a long message is a fragment: see wrap_fragment(). */
bool frame_is_fragmented(enum framing f);

void frame_add(struct buf *out, enum framing f, const char *epoch, uint64_t seq,
               enum event_type type, struct slice json);

/* Any message as one text frame. */
void frame_add_ws(struct buf *out, struct slice json);

/* An ephemeral message, which has no id. */
void frame_add_ephemeral(struct buf *out, enum framing f, enum event_type type, struct slice json);

/*
 * Wrapping puts a header before bytes in a buffer, so that both are sent in one write.
 * wrap_begin() reserves room for the header.  wrap_chunk() and wrap_fragment() write it directly
 * before the payload, which begins at `at` and ends with the buffer, and return the offset where
 * the wrapped bytes begin.
 *
 *   chunk     <length in hex>\r\n payload \r\n                    (HTTP/1.1, RFC 9112 section 7.1)
 *   fragment  a text frame, or a part of a fragmented message     (RFC 6455 section 5.4)
 */
#define WRAP_HEAD_MAX 18
#define WRAP_TAIL_MAX 2
#define LAST_CHUNK "0\r\n\r\n"

/* Empties the buffer and reserves `front` bytes and a header.  Returns the offset where the
 * payload begins. */
size_t wrap_begin(struct buf *b, size_t front);
/* An empty payload is not allowed: it would be the last chunk. */
size_t wrap_chunk(struct buf *b, size_t at);
size_t wrap_fragment(struct buf *b, size_t at, bool first, bool last);

/* A snapshot is sent in data lines of at most DATA_LINE_MAX bytes, which are cut between its
 * rows (tasks, deliverables).  A larger row has a line of its own. */
#define DATA_LINE_MAX (32 * 1024)

/* The end of the line that begins at `from` of the snapshot and already has `used` bytes before
 * it; `from` itself when these leave no room.  The rows begin at `rows_at`. */
size_t frame_line_end(struct slice snapshot, size_t rows_at, size_t from, size_t used);

#endif
