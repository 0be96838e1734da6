/*
 * What the server tells systemd about its state: sd_notify(3), without libsystemd.  Without
 * NOTIFY_SOCKET in the environment nothing is sent, and a message that cannot be sent is dropped.
 *
 * Main thread only.  Times are monotonic milliseconds.
 */
#ifndef JOBLIGHT_SERVE_NOTIFY_H
#define JOBLIGHT_SERVE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct notify {
	struct sockaddr_un address; /* of family AF_UNSPEC: nobody wants to be told */
	socklen_t address_len;
	uint64_t watchdog_ms; /* the pause between two signs of life; 0: none are wanted */
	uint64_t due;         /* the next one */
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. */
void notify_start(struct notify *n);

/* Sends lines NAME=VALUE, such as "READY=1\nSTATUS=…". */
void notify_send(const struct notify *n, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void notify_reloading(const struct notify *n); /* "READY=1" follows when it has finished */

/* Sends a sign of life if one is due, unless a thread gives none. */
void notify_watchdog(struct notify *n, uint64_t now_ms, bool is_alive);
/* How long notify_watchdog() can wait; UINT64_MAX: forever. */
uint64_t notify_rest_ms(const struct notify *n, uint64_t now_ms);

#endif
