/*
 * The process joblight-send: started with one end of a pair of sockets as its standard input, and
 * with nothing else of this process: no other descriptor, no environment, no signal mask.  Its
 * program lies next to that of the server.  See joblight/base/send_wire.h.  One thread.
 */
#ifndef JOBLIGHT_SERVE_SEND_HELPER_H
#define JOBLIGHT_SERVE_SEND_HELPER_H

#include <stdbool.h>
#include <sys/types.h>

#include "joblight/base/buf.h"
#include "joblight/base/send_wire.h"

struct send_helper {
	pid_t pid;      /* 0: it does not run */
	int fd;         /* of the pair; non-blocking */
	struct buf out; /* frames that it has not taken yet */
	size_t written; /* bytes of them */
	char line[SEND_LINE_MAX];
	size_t line_len;
};

/* False: *cause says why. */
bool send_helper_start(struct send_helper *h, const char **cause);

/* Adds a frame, and writes what the helper takes now.  False: it has ended. */
bool send_helper_send(struct send_helper *h, struct slice body, uint32_t items);
bool send_helper_flush(struct send_helper *h);
/* Whether it has taken everything. */
bool send_helper_is_idle(const struct send_helper *h);

enum send_line { SEND_LINE, SEND_NO_LINE, SEND_ENDED };
/* Takes the next line that has arrived, without its end; valid until the next call. */
enum send_line send_helper_line(struct send_helper *h, const char **line);

/* Tells the helper that nothing more comes. */
void send_helper_end(struct send_helper *h);
/* Waits `wait_ms` for the end of the process, at most, and then kills it. */
void send_helper_reap(struct send_helper *h, unsigned wait_ms);

#endif
