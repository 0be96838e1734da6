/* The frames of the server, as they arrive on a socket: joblight/base/send_wire.h.  One thread. */
#ifndef JOBLIGHT_SEND_FRAMES_H
#define JOBLIGHT_SEND_FRAMES_H

#include "joblight/base/buf.h"
#include "joblight/base/send_wire.h"

struct frames {
	int fd;
	unsigned char head[SEND_HEAD_BYTES];
	size_t head_len;
	struct buf body;
	bool ended; /* the server has closed its end, or what it sent cannot be read */
};

/*
 * Reads without waiting.  True: a frame is complete, in f->body, which the caller takes; *items is
 * what it stands for.
 */
bool frames_read(struct frames *f, uint32_t *items);
/* Whether the server has closed its end, even if there are frames before that. */
bool frames_are_ending(const struct frames *f);

#endif
