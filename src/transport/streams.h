/* GET /api/jobs/:job/task-events: the request chooses the format of the stream by its media type.
 */
#ifndef JOBLIGHT_TRANSPORT_STREAMS_H
#define JOBLIGHT_TRANSPORT_STREAMS_H

#include "net/connection.h"

/* Handles the request; the functions that it calls are those of framings.def. */
void stream_open(struct conn *c, struct request *r);

#define FRAMING(name, add, suffix, line, fragmented)
#define STREAM_FRAMING(name, add, suffix, line, fragmented, media_type, open)                      \
	void open(struct conn *c, struct request *r);
#include "joblight/core/framings.def"
#undef FRAMING
#undef STREAM_FRAMING

#endif
