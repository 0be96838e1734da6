/* The servers that can be measured: one row each. `{job}` in a path stands for the job's id. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>

struct peer {
	const char *name;
	const char *sse_path;     /* NULL, here and below: it has none */
	const char *ws_path;      /* for watching over WebSocket */
	const char *post_path;    /* for publishing over HTTP */
	const char *ws_post_path; /* for publishing over WebSocket */
	bool has_jobs;            /* jobs are created with POST /api/jobs before anything else */
	bool says_connected;      /* the first message is `connected`; otherwise the head
	                             means ready */
	bool has_seq;             /* events are numbered, and one without a number is a fault */
	bool relays;              /* what is posted goes out as it came, so that a whole event is
	                             posted */
	bool nats;                /* its WebSocket frames carry the NATS protocol (nats.h) */
};

const struct peer *peer_find(const char *name);

/* "joblight, express, …" for the help text. */
void peer_names(char *out, size_t size);

#endif
