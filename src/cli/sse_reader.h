/*
 * Reads a stream of server-sent events (WHATWG HTML, section 9.2) in pieces of any size.  Messages
 * may have any size.
 */
#ifndef JOBLIGHT_CLI_SSE_READER_H
#define JOBLIGHT_CLI_SSE_READER_H

#include "joblight/base/buf.h"

struct sse_message {
	struct slice type; /* of its `event:` line; empty: there was none */
	struct slice data; /* the lines are joined by line feeds */
};

struct sse_reader {
	/* Called for each message; reader->id is the last `id:` so far.  False: stop reading. */
	bool (*message)(void *context, const struct sse_message *m);
	void *context;
	struct buf id;    /* empty: there was none */
	int64_t retry_ms; /* 0: there was none */
	/* Private. */
	struct buf line, data, type;
	bool has_data, after_cr, begun, stopped;
};

/* Before the first piece of each connection; keeps `message`, `context` and the memory. */
void sse_reader_begin(struct sse_reader *r);
void sse_reader_finish(struct sse_reader *r);

/* False: the message function wants no more. */
bool sse_reader_take(struct sse_reader *r, struct slice bytes);

#endif
