#include "notify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "environment.h"
#include "joblight/base/clock.h"

#define MESSAGE_MAX 512

/* A path, or "@" and the name of an abstract socket. */
static void read_address(struct notify *n, const char *text)
{
	size_t len = strlen(text);

	if ((text[0] != '/' && text[0] != '@') || len < 2 || len >= sizeof(n->address.sun_path))
		return;
	memcpy(n->address.sun_path, text, len);
	if (text[0] == '@')
		n->address.sun_path[0] = '\0';
	n->address.sun_family = AF_UNIX;
	n->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

void notify_start(struct notify *n)
{
	const char *socket = getenv("NOTIFY_SOCKET");
	uint64_t pid, usec;
	bool told = environment_number("WATCHDOG_PID", &pid) &&
	            environment_number("WATCHDOG_USEC", &usec);

	*n = (struct notify){ .address = { .sun_family = AF_UNSPEC } };
	if (!socket)
		return;
	read_address(n, socket);
	if (!told || !usec || (pid && pid != (uint64_t)getpid()))
		return;
	n->watchdog_ms = usec / 2000; /* twice as often as systemd asks for, as it recommends */
	if (!n->watchdog_ms)
		n->watchdog_ms = 1;
}

void notify_send(const struct notify *n, const char *format, ...)
{
	char message[MESSAGE_MAX];
	va_list arguments;

	if (n->address.sun_family != AF_UNIX)
		return;
	va_start(arguments, format);
	int len = vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	sendto(fd, message, len < MESSAGE_MAX ? (size_t)len : MESSAGE_MAX - 1,
	       MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&n->address, n->address_len);
	close(fd);
}

void notify_reloading(const struct notify *n)
{
	notify_send(n, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_monotonic_us());
}

void notify_watchdog(struct notify *n, uint64_t now_ms, bool is_alive)
{
	if (!n->watchdog_ms || now_ms < n->due)
		return;
	n->due = now_ms + n->watchdog_ms;
	if (is_alive)
		notify_send(n, "WATCHDOG=1");
}

uint64_t notify_rest_ms(const struct notify *n, uint64_t now_ms)
{
	if (!n->watchdog_ms)
		return UINT64_MAX;
	return n->due > now_ms ? n->due - now_ms : 0;
}
