/* A connection that watches one job. */
#ifndef BENCH_SUBSCRIBER_H
#define BENCH_SUBSCRIBER_H

#include <stdbool.h>
#include <stdint.h>

#include "load.h"
#include "stream.h"

/* In the order in which they stand in load->subscribers. Only the first kind counts towards what
 * has to be delivered; from MANNER_STALLED on a server may close them. */
enum manner {
	MANNER_READS,
	MANNER_IDLE,
	MANNER_STALLED,
	MANNER_SLOW,
	MANNER_HALF,
	MANNER_VANISHED,
	MANNERS
};

struct subscriber {
	struct source source;
	struct load *load;
	struct stream stream;
	int fd;
	uint32_t index;
	uint32_t job;
	enum manner manner;
	bool asked; /* the request is sent */
	bool ready; /* the server has accepted it */
	bool caught_up;
	uint64_t goal;     /* the job's head when it came back */
	uint64_t since_ns; /* last heard of; on its way back: asked for */
};

void subscribers_create(struct load *load);
void subscribers_destroy(struct load *load);

/* What one read brought; `bytes` as stream_feed wants them. Closes the connection when they are not
 * understood. */
void subscriber_take(struct subscriber *subscriber, char *bytes, size_t len);

/* The server has accepted it: it watches. */
void subscriber_accepted(struct subscriber *subscriber);

/* Opens more of them, as long as fewer than options.width are on their way. */
void subscribers_open(struct load *load);

/* Cuts all connections; subscribers_open brings them back. */
void subscribers_cut(struct load *load, enum coming coming);

/* After the last delivery: whoever has not got everything committed has lost it. */
void subscribers_end(struct load *load);

/* Idle connections that have heard nothing since are silent, too. */
void subscribers_hear(struct load *load, bool begin);

/* Deliveries that `load->committed` calls for. */
uint64_t subscribers_due(const struct load *load);

#endif
