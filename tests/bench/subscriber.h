/* A connection that watches one job. */
#ifndef BENCH_SUBSCRIBER_H
#define BENCH_SUBSCRIBER_H

#include <stdbool.h>
#include <stdint.h>

#include "load.h"
#include "stream.h"

struct subscriber {
	struct source source;
	struct load *load;
	struct stream stream;
	int fd;
	uint32_t index;
	uint32_t job;
	bool asked;   /* the request is sent */
	bool ready;   /* the server has accepted it */
	bool stalled; /* never reads again once ready */
};

void subscribers_create(struct load *load);
void subscribers_destroy(struct load *load);

/* What one read brought; `bytes` as stream_feed wants them. Closes the connection when they are not
 * understood. */
void subscriber_take(struct subscriber *subscriber, char *bytes, size_t len);

/* Opens more of them, as long as fewer than a few hundred are on their way. */
void subscribers_open(struct load *load);

/* After the last delivery: whoever has not got everything committed has lost it. */
void subscribers_end(struct load *load);

/* Deliveries that `load->committed` calls for. */
uint64_t subscribers_due(const struct load *load);

#endif
