/* Where a server listens: the addresses that its loops accept connections on. */
#ifndef JOBLIGHT_NET_LISTEN_H
#define JOBLIGHT_NET_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum listen_kind {
	LISTEN_TCP,
	LISTEN_UNIX,
	LISTEN_PASSED, /* the process has inherited the listening socket */
};

#define LISTEN_HOST_MAX 256
#define LISTEN_PATH_MAX 108 /* sun_path of unix(7), with its NUL */

struct listen {
	enum listen_kind kind;
	char host[LISTEN_HOST_MAX]; /* TCP: address or name, without brackets */
	unsigned port;              /* TCP: 0 picks a free one */
	bool ipv6_only;             /* TCP: "::" does not take IPv4 connections */
	char path[LISTEN_PATH_MAX]; /* of a Unix socket, also a passed one; otherwise empty */
	mode_t mode;                /* UNIX */
	uid_t owner;                /* UNIX; (uid_t)-1: unchanged */
	gid_t group;                /* UNIX; (gid_t)-1: unchanged */
	int fd;                     /* PASSED */
	bool is_unix;               /* a Unix socket, also a passed one; its path may be empty */
	bool local;                 /* only this machine can reach it */
	bool tls;
	bool operators; /* its clients are the operators of the server */
};

/* Listening sockets of one address, which another process has passed.  Owned by the loops, once
 * they have been created. */
struct inherited {
	unsigned count;
	int *fds;
};

static inline bool listen_is_unix(const struct listen *l)
{
	return l->is_unix;
}

#define LISTEN_NAME_MAX 320

/* The address for people, such as http://127.0.0.1:3001 or unix:/run/joblight.sock. */
void listen_name(const struct listen *l, char name[LISTEN_NAME_MAX]);

/*
 * Whether this machine has the address and the process may listen there, without listening.  A port
 * that is in use is no fault: the server that uses it may be the one that is asked about.  Of an
 * inherited socket nothing is checked.  False: `error` says why.
 */
bool listen_check(const struct listen *l, char *error, size_t error_len);

#endif
