/*
 * The values of --listen:
 *
 *   HOST:PORT, [V6]:PORT    a TCP port; [::] takes IPv4 connections, too
 *   unix:PATH               a Unix socket
 *   systemd, systemd:NAME   the sockets that systemd has passed, or those of this name
 *
 * Options follow, separated by commas: `plain` (no TLS) and `operators` for all, `ipv6only` for a
 * TCP port, `mode=0660` and `owner=USER[:GROUP]` for a Unix socket.
 */
#ifndef JOBLIGHT_SERVE_LISTEN_OPTION_H
#define JOBLIGHT_SERVE_LISTEN_OPTION_H

#include "joblight/base/slice.h"
#include "joblight/net/listen.h"
#include "passed_sockets.h"

#define LISTENS_MAX 64

struct listens {
	struct listen items[LISTENS_MAX];
	unsigned count;
};

/*
 * Reads all values.  Without any, the passed sockets are used, or 127.0.0.1:3001 if there are none.
 * `tls`: TCP ports speak TLS unless they are marked `plain`.  False: a message on stderr says what
 * is wrong.
 */
bool listens_read(struct listens *l, const struct slices *values,
                  const struct passed_sockets *passed, bool tls);

#endif
