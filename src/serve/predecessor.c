#include "predecessor.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "environment.h"
#include "joblight/base/log.h"
#include "joblight/base/thread.h"
#include "joblight/base/xalloc.h"
#include "joblight/net/loop.h"

#define WAIT_MS 30000     /* for the database */
#define WAIT_MAIN_MS 5000 /* for being the server */

static bool is_of_same_user(int control)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(control, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       peer.uid == geteuid();
}

bool predecessor_find(struct predecessor *p)
{
	uint64_t number;

	*p = (struct predecessor){ .control = -1 };
	if (!getenv(HANDOVER_VARIABLE))
		return true;
	bool is_number = environment_number(HANDOVER_VARIABLE, &number);
	int control = number > PASSED_FIRST + SLICES_MAX ? -1 : (int)number;
	unsetenv(HANDOVER_VARIABLE);
	if (is_number && control >= PASSED_FIRST && is_of_same_user(control) &&
	    handover_take(control, WAIT_MS, &p->packet) == HANDOVER_LISTENERS) {
		fcntl(control, F_SETFD, FD_CLOEXEC);
		p->control = control;
		return true;
	}
	fprintf(stderr, "joblight: " HANDOVER_VARIABLE " is set by a server that is upgraded, and "
	                "by nobody else\n");
	return false;
}

/* ---- sockets ---- */

static int find(const struct listens *listens, const char *name)
{
	char own[LISTEN_NAME_MAX];

	for (unsigned i = 0; i < listens->count; i++) {
		handover_name(&listens->items[i], own);
		if (strcmp(own, name) == 0)
			return (int)i;
	}
	return -1;
}

static void take(struct inherited *to, unsigned count, int first)
{
	to->fds = xcalloc(count + 1, sizeof(*to->fds));
	for (unsigned i = 0; i < count; i++) {
		to->fds[i] = first + (int)i;
		fcntl(to->fds[i], F_SETFD, FD_CLOEXEC);
	}
	to->count = count;
}

static void match_line(struct predecessor *p, const struct listens *listens, const char *line)
{
	unsigned count = 0, first = 0;
	int name = 0;

	if (sscanf(line, "%u %u %n", &count, &first, &name) != 2 || p->count == LISTENS_MAX)
		return;
	int index = find(listens, line + name);
	p->listens[p->count++] = index;
	if (index >= 0 && !p->inherited[index].count)
		take(&p->inherited[index], count, (int)first);
	else if (count)
		close_range(first, first + count - 1, 0);
}

void predecessor_match(struct predecessor *p, const struct listens *listens)
{
	char *rest = p->packet.bytes;

	if (p->control < 0)
		return;
	p->packet.bytes[p->packet.len] = '\0';
	for (char *line; (line = strsep(&rest, "\n")) && *line;)
		match_line(p, listens, line);
}

/* ---- the database ---- */

/* When the other process has ended, its database is free too. */
static bool wait_for(struct predecessor *p, enum handover kind, int wait_ms)
{
	enum handover said = handover_take(p->control, wait_ms, &p->packet);

	if (said == HANDOVER_END)
		log_warn("the process that was to be replaced has ended; this one goes on");
	return said == kind || said == HANDOVER_END;
}

bool predecessor_release(struct predecessor *p)
{
	if (p->control < 0)
		return true;
	handover_send(p->control, HANDOVER_PREPARED, NULL, 0, -1);
	if (wait_for(p, HANDOVER_RELEASED, WAIT_MS))
		return true;
	fprintf(stderr, "joblight: the server that is upgraded does not release its database\n");
	return false;
}

/* ---- clients ---- */

static void adopt(const struct predecessor *p)
{
	const struct handover_packet *packet = &p->packet;
	struct passed_client head;

	if (packet->fd < 0 || packet->len < sizeof(head))
		return;
	memcpy(&head, packet->bytes, sizeof(head));
	if (head.listen >= p->count || p->listens[head.listen] < 0 ||
	    packet->len != sizeof(head) + head.len) {
		close(packet->fd);
		return;
	}
	struct passed_client *client = (void *)xmemdup(packet->bytes, packet->len);
	client->fd = packet->fd;
	client->listen = (uint32_t)p->listens[head.listen];
	loops_adopt(p->loops, client);
}

static void *take_clients(void *context)
{
	struct predecessor *p = context;

	while (handover_take(p->control, -1, &p->packet) != HANDOVER_END)
		if (p->packet.kind == HANDOVER_CLIENT)
			adopt(p);
	atomic_store(&p->goes, false);
	return NULL;
}

void predecessor_follow(struct predecessor *p, struct loops *loops)
{
	if (p->control < 0)
		return;
	p->loops = loops;
	atomic_store(&p->goes, true);
	handover_send(p->control, HANDOVER_SERVING, NULL, 0, -1);
	wait_for(p, HANDOVER_MAIN, WAIT_MAIN_MS);
	thread_start(&p->thread, "handover", take_clients, p);
}

/* The thread may not have heard of the end yet. */
bool predecessor_goes(const struct predecessor *p)
{
	struct pollfd end = { .fd = p->control };

	return atomic_load(&p->goes) && !(poll(&end, 1, 0) == 1 && (end.revents & POLLHUP));
}

void predecessor_finish(struct predecessor *p)
{
	if (p->control < 0)
		return;
	shutdown(p->control, SHUT_RDWR);
	pthread_join(p->thread, NULL);
	close(p->control);
	for (unsigned i = 0; i < LISTENS_MAX; i++)
		free(p->inherited[i].fds);
}
