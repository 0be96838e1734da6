/*
 * Somebody else who may write in the folder of a Unix socket.  As soon as the file of the socket is
 * there, it is moved away, and JOBLIGHT_TEST_REPLACED is moved to its place; "@FILE" puts a link to
 * FILE there.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int bind(int fd, const struct sockaddr *address, socklen_t len)
{
	int (*real)(int, const struct sockaddr *, socklen_t);
	const char *path = ((const struct sockaddr_un *)address)->sun_path;
	const char *other = getenv("JOBLIGHT_TEST_REPLACED");
	char away[200];

	*(void **)&real = dlsym(RTLD_NEXT, "bind");
	int bound = real(fd, address, len);
	if (bound || address->sa_family != AF_UNIX || !path[0] || !other)
		return bound;
	snprintf(away, sizeof(away), "%s.away", path);
	if (rename(path, away) ||
	    (other[0] == '@' ? symlink(other + 1, path) : rename(other, path)))
		abort();
	return bound;
}
