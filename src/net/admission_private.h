/* A connection that waits to be admitted, for the files of admission.h. */
#ifndef JOBLIGHT_NET_ADMISSION_PRIVATE_H
#define JOBLIGHT_NET_ADMISSION_PRIVATE_H

#include "admission.h"
#include "joblight/base/buf.h"

struct pending {
	struct admission *admission;
	uv_poll_t poll;
	struct arrival arrival;
	struct buf read; /* what was read of a connection that is not looked at */
	bool refused;
	bool has_begun; /* the first bytes were those of TLS */
	size_t seen, drained;
	uint64_t due;
	struct list link;
};

/* What becomes of a connection after its next bytes. */
enum admission_step { STEP_WAIT, STEP_ENTER, STEP_REJECT, STEP_REFUSE, STEP_DROP };

/* Makes poll report only bytes beyond those that were looked at. */
void admission_expect_more_than(int fd, size_t bytes);
/* Whether the head is read; that of other connections is looked at. */
bool admission_is_read(const struct arrival *a);
/* Counts the connection for its client, once.  False: close it. */
bool admission_count(struct admission *d, struct arrival *a);
/* REFUSE: *problem is set. */
enum admission_step admission_look(struct admission *d, struct arrival *a, size_t *seen,
                                   struct problem *problem);
enum admission_step admission_read_on(struct pending *g, struct problem *problem);
/* The bytes that begin with the head, after ENTER or REJECT. */
struct slice admission_seen(const struct pending *g);

/*
 * The last bytes that the client gets.  `r` is what is known of the request, `lines` what every
 * answer to it has.
 */
void admission_send_refusal(const struct arrival *a, const struct problem *p,
                            const struct request *r, const char *lines);
void admission_send_event(const struct arrival *a, enum outcome o, unsigned wait_ms,
                          const char *lines);

#endif
