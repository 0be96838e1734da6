/*
 * The messages between a server and the process that takes its place, on a socket pair that the
 * latter inherits.  Each is one packet that begins with its kind:
 *
 *   old                                          new
 *   LISTENERS  where it listens ───────────────>
 *              <─────────────────────────────── PREPARED  all is read that needs no database
 *   RELEASED   the database is free ───────────>
 *              <─────────────────────────────── SERVING   it is opened, and clients are served
 *   MAIN       the new one is the server now ──>
 *   CLIENT …   an idle connection, again and again
 *
 * The end of the socket is the end of the other process.
 */
#ifndef JOBLIGHT_SERVE_HANDOVER_H
#define JOBLIGHT_SERVE_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>

#include "joblight/net/listen.h"
#include "joblight/net/passed_client.h"

#define HANDOVER_VARIABLE "JOBLIGHT_UPGRADE_FD" /* the descriptor of the new process */
#define HANDOVER_PACKET_MAX (sizeof(struct passed_client) + PASSED_BYTES_MAX + 64)

enum handover {
	HANDOVER_END, /* the other process has ended, or sends what cannot be read */
	HANDOVER_NOTHING,
	HANDOVER_LISTENERS = 'L',
	HANDOVER_PREPARED = 'P',
	HANDOVER_RELEASED = 'R',
	HANDOVER_SERVING = 'S',
	HANDOVER_MAIN = 'M',
	HANDOVER_CLIENT = 'C',
};

/* Sends a packet, with a descriptor if it is not negative.  False: not now, or never again. */
bool handover_send(int control, enum handover kind, const void *bytes, size_t len, int fd);

struct handover_packet {
	enum handover kind;
	size_t len;
	int fd; /* of CLIENT; the caller closes it */
	_Alignas(max_align_t) char bytes[HANDOVER_PACKET_MAX];
};

/* Waits for the next one, `wait_ms` at most, or forever if that is negative. */
enum handover handover_take(int control, int wait_ms, struct handover_packet *p);

/* The text by which both know an address of the configuration. */
void handover_name(const struct listen *l, char name[LISTEN_NAME_MAX]);

#endif
