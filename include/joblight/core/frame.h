/*
 * How one event's JSON stands on a wire.  A frame is prefix + JSON + suffix; the JSON is the same bytes in
 * all of them.
 *
 *   FRAME_SSE    id: <cursor>\n data: <json>\n \n                (WHATWG HTML, server-sent events)
 *   FRAME_NAMED  event: <type>\n in front of that               (?named=1)
 *   FRAME_WS     an unfragmented text frame from a server       (RFC 6455 section 5.2)
 */
#ifndef JOBLIGHT_CORE_FRAME_H
#define JOBLIGHT_CORE_FRAME_H

#include "joblight/core/cursor.h"

enum framing { FRAME_SSE, FRAME_NAMED, FRAME_WS, FRAMING_COUNT };

#define FRAME_PREFIX_MAX (CURSOR_MAX + 48)

size_t frame_prefix(enum framing f, char out[FRAME_PREFIX_MAX], const char *epoch, uint64_t seq, enum event_type type,
		    size_t json_len);
struct slice frame_suffix(enum framing f);
size_t frame_ws_header(char out[FRAME_PREFIX_MAX], size_t payload); /* FIN + text */

void frame_add(struct buf *out, enum framing f, const char *epoch, uint64_t seq, enum event_type type,
	       struct slice json);

/* A message that is not logged: it has no id. */
void frame_add_passing(struct buf *out, enum framing f, struct slice json);

#endif
