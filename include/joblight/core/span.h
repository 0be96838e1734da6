/*
 * One request, or one write of a WebSocket, as a trace shows it.  Plain data.  `route` and `method`
 * live forever; a text that is "" is not there.
 */
#ifndef JOBLIGHT_CORE_SPAN_H
#define JOBLIGHT_CORE_SPAN_H

#include "joblight/core/model.h"
#include "joblight/core/op.h"

#define SPAN_REQUEST_ID_MAX 128
#define SPAN_PATH_MAX 256 /* bytes; a longer path is left out */

struct span {
	char trace_id[TRACE_ID_LEN + 1], span_id[SPAN_ID_LEN + 1];
	char parent_id[SPAN_ID_LEN + 1]; /* "": it is the root of its trace */
	const char *method;              /* of HTTP; NULL: it was a message, or could not be read */
	const char *route;               /* a row of routes.def; "update", "command"; NULL: none */
	char path[SPAN_PATH_MAX + 1];
	int64_t began_us, ended_us; /* wall time, since 1970 */
	int64_t committed_us;       /* likewise; 0: nothing was written */
	uint64_t seq;               /* of the last event that it made; 0: none */
	int status;                 /* of the answer; 0: none */
	bool replayed;              /* the answer is that of an earlier write */
	char job_id[ID_MAX + 1], task_id[ID_MAX + 1];
	char request_id[SPAN_REQUEST_ID_MAX + 1];
	char client[OP_CLIENT_MAX + 1];
};

/* Where spans go.  add() copies, and does not wait; any thread. */
struct span_sink {
	void (*add)(void *context, const struct span *s);
	void *context;
	unsigned root_percent; /* so many of 100 requests without a traceparent get a span */
};

#endif
