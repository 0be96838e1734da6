/* Connections that misbehave: those that watch and do not read, or are not there any more, and
 * publishers that hang up before their answer. The server has to close them in time, at no cost to
 * others.
 *
 *   stalled   never reads again once it is accepted
 *   slow      reads one byte a second
 *   half      has shut down its own direction: reads, but will never say a word
 *   vanished  its machine is gone: every packet to it is dropped, so that not even TCP answers
 *   quitter   posts, and closes (one in two: resets) the connection at once */
#ifndef BENCH_TROUBLE_H
#define BENCH_TROUBLE_H

#include <stdint.h>

#include "load.h"
#include "subscriber.h"

/* One that misbehaves, as the kernel names its connection. */
struct culprit {
	enum manner manner;
	uint32_t address; /* of the client, as in /proc/net/tcp */
	uint16_t port;
};

struct trouble {
	struct culprit *culprits;
	uint32_t count, room;
	uint64_t since_ns; /* the beginning of the trouble */
	uint64_t
	    gone_ns[MANNERS]; /* when the server had closed the last of this manner; 0: not yet */
	bool seen[MANNERS];   /* was open in the kernel's table at some time */
	uint64_t hung_up;     /* half-closed connections that the server closed */
	uint64_t look_ns;     /* when to look next */
	uint64_t byte_ns;     /* when the slow ones read next */
	uint64_t quit_due;    /* posts that quitters should have made */
	uint64_t quits;       /* posts that they have made */
	bool quitting;
	char *post;
	int post_len;
};

void trouble_create(struct load *load);
void trouble_destroy(struct load *load);

/* The size of the receive buffer of one of this manner, in bytes (0: the kernel's default). */
int trouble_receive_bytes(enum manner manner);

/* The server has accepted this one; it starts to misbehave. */
void trouble_begin(struct subscriber *subscriber);

/* All connections are open: from now on the run notes when the server closes which, and quitters
 * quit until trouble_calm(). */
void trouble_start(struct load *load);
void trouble_calm(struct load *load);

/* Seconds until the server had closed the last of this manner; negative: it has not. */
double trouble_gone_s(const struct trouble *trouble, enum manner manner);

/* Whether all are gone; half-closed ones may stay, since they do read. */
bool trouble_over(const struct trouble *trouble);

/* Once per turn; returns when it is due again (0: never). */
uint64_t trouble_turn(struct load *load);

#endif
