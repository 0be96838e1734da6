/*
 * getaddrinfo() that knows no name nowhere.test, and db.test, which is 127.0.0.1: while somebody
 * has locked the file $JOBLIGHT_TEST_RESOLVER_LOCK, it waits for that, as for a name server that
 * does not answer.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

typedef int resolve_function(const char *, const char *, const struct addrinfo *,
                             struct addrinfo **);

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
	resolve_function *resolve;

	*(void **)&resolve = dlsym(RTLD_NEXT, "getaddrinfo");
	if (node && strcmp(node, "nowhere.test") == 0)
		return EAI_NONAME;
	if (!node || (strcmp(node, "db.test") != 0 && strcmp(node, "db.test.") != 0))
		return resolve(node, service, hints, found);
	int lock = open(getenv("JOBLIGHT_TEST_RESOLVER_LOCK"), O_RDONLY | O_CLOEXEC);
	flock(lock, LOCK_SH);
	close(lock);
	return resolve("127.0.0.1", service, hints, found);
}
