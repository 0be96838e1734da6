#include "trouble.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "peer.h"

#define SECOND 1000000000ull
#define LOOK_EVERY (SECOND / 4)
#define SMALL_BUFFER 4096

struct quitter {
	struct source source;
	struct load *load;
	int fd;
	bool resets;
};

int trouble_receive_bytes(enum manner manner)
{
	return manner == MANNER_STALLED || manner == MANNER_SLOW ? SMALL_BUFFER : 0;
}

/* The kernel asks the filter about every packet before TCP sees it: nothing is acknowledged,
 * nothing is refused. */
static void vanish(struct subscriber *s)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog filter = { .len = 1, .filter = &drop };
	if (setsockopt(s->fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)))
		load_error(s->load, "cannot vanish: connection", s->index);
}

static void note(struct subscriber *s)
{
	struct trouble *t = s->load->trouble;
	struct sockaddr_in own = { 0 };
	socklen_t len = sizeof(own);
	if (t->count == t->room || getsockname(s->fd, (struct sockaddr *)&own, &len))
		abort();
	t->culprits[t->count++] = (struct culprit){ s->manner, own.sin_addr.s_addr,
		                                    ntohs(own.sin_port) };
}

void trouble_begin(struct subscriber *s)
{
	note(s);
	if (s->manner == MANNER_HALF) {
		shutdown(s->fd, SHUT_WR);
		return;
	}
	if (s->manner == MANNER_VANISHED)
		vanish(s);
	load_rewatch(s->load, s->fd, 0, &s->source);
}

void trouble_create(struct load *load)
{
	const struct options *o = &load->options;
	struct trouble *t = calloc(1, sizeof(*t));
	if (!t || !(t->post = malloc(1024)))
		abort();
	t->room = (uint32_t)(o->stalled + o->slow + o->half + o->vanished);
	t->culprits = calloc(t->room + 1, sizeof(*t->culprits));
	if (!t->culprits)
		abort();
	load->trouble = t;
	if (!o->quitters)
		return;
	static const char body[] =
	    "{\"taskId\":\"t0\",\"status\":\"in_progress\",\"note\":\"I will not wait\"}";
	char path[LOAD_PATH_SIZE];
	load_path(load, o->peer->post_path, (uint32_t)o->jobs, path);
	t->post_len = snprintf(
	    t->post, 1024,
	    "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Type: application/json\r\n"
	    "Content-Length: %zu\r\n\r\n%s",
	    path, (unsigned)o->port, sizeof(body) - 1, body);
}

void trouble_destroy(struct load *load)
{
	if (load->trouble) {
		free(load->trouble->post);
		free(load->trouble->culprits);
	}
	free(load->trouble);
	load->trouble = NULL;
}

/* Closing with SO_LINGER 0 is a reset: the server may find out in the middle of anything. */
static void quitter_quit(struct source *source, uint32_t events)
{
	struct quitter *q = (struct quitter *)(void *)source;
	struct trouble *t = q->load->trouble;
	if (events & EPOLLERR ||
	    send(q->fd, t->post, (size_t)t->post_len, MSG_NOSIGNAL) != t->post_len)
		load_error(q->load, "quitter could not post; so far", t->quits);
	t->quits++;
	if (q->resets)
		setsockopt(q->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 },
		           sizeof(struct linger));
	close(q->fd);
	free(q);
}

static void quitter_come(struct load *load)
{
	struct quitter *q = calloc(1, sizeof(*q));
	if (!q)
		abort();
	*q = (struct quitter){ { quitter_quit },
		               load,
		               net_connect(&load->options, load->options.port,
		                           load->trouble->quit_due, 0),
		               false };
	q->resets = load->trouble->quit_due++ % 2;
	load_watch(load, q->fd, EPOLLOUT, &q->source);
}

static void read_bytes(struct load *load)
{
	char byte;
	for (uint64_t i = 0; i < load->subscriber_count; i++) {
		struct subscriber *s = &load->subscribers[i];
		if (s->manner == MANNER_SLOW && s->fd >= 0 && s->ready &&
		    recv(s->fd, &byte, 1, 0) < 0 && errno != EAGAIN) {
			close(s->fd);
			s->fd = -1;
		}
	}
}

/* The manner of who is at the other end of this line of /proc/net/tcp; MANNER_READS for anybody
 * else. A socket without an inode belongs to no process any more. */
static enum manner owner_of(const struct load *load, const char *line)
{
	unsigned own_port, address, port;
	unsigned long inode;
	const struct trouble *t = load->trouble;
	if (sscanf(line, " %*d: %*x:%x %x:%x %*x %*s %*s %*s %*u %*u %lu", &own_port, &address,
	           &port, &inode) != 4 ||
	    own_port != load->options.port || !inode)
		return MANNER_READS;
	for (uint32_t i = 0; i < t->count; i++)
		if (t->culprits[i].address == address && t->culprits[i].port == port)
			return t->culprits[i].manner;
	return MANNER_READS;
}

static void look(struct load *load, uint64_t now)
{
	struct trouble *t = load->trouble;
	uint32_t open[MANNERS] = { 0 };
	char line[256];
	FILE *file = fopen("/proc/net/tcp", "re");
	while (file && fgets(line, sizeof(line), file))
		open[owner_of(load, line)]++;
	t->seen[MANNER_HALF] |= t->hung_up && t->hung_up == load->options.half;
	for (int manner = MANNER_STALLED; file && manner < MANNERS; manner++) {
		t->seen[manner] |= open[manner] > 0;
		if (!open[manner] && t->seen[manner] && !t->gone_ns[manner])
			t->gone_ns[manner] = now;
	}
	if (file)
		fclose(file);
}

double trouble_gone_s(const struct trouble *t, enum manner manner)
{
	return t->gone_ns[manner] ? (double)(t->gone_ns[manner] - t->since_ns) / 1e9 : -1;
}

bool trouble_over(const struct trouble *t)
{
	for (uint32_t i = 0; i < t->count; i++)
		if (t->culprits[i].manner != MANNER_HALF && !t->gone_ns[t->culprits[i].manner])
			return false;
	return true;
}

void trouble_start(struct load *load)
{
	struct trouble *t = load->trouble;
	t->since_ns = t->byte_ns = t->look_ns = clock_ns();
	t->quitting = load->options.quitters > 0;
}

void trouble_calm(struct load *load)
{
	load->trouble->quitting = false;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* Each has a fixed time, as in an open loop. */
static uint64_t quitters_turn(struct load *load, uint64_t now)
{
	struct trouble *t = load->trouble;
	if (!t->quitting)
		return 0;
	uint64_t each = SECOND / load->options.quitters;
	while (t->since_ns + t->quit_due * each <= now)
		quitter_come(load);
	return t->since_ns + t->quit_due * each;
}

uint64_t trouble_turn(struct load *load)
{
	struct trouble *t = load->trouble;
	if (!t || !t->since_ns)
		return 0;
	uint64_t now = clock_ns(), next = quitters_turn(load, now);
	if (load->options.slow && t->byte_ns <= now) {
		read_bytes(load);
		t->byte_ns += SECOND;
	}
	if (!trouble_over(t) && t->look_ns <= now) {
		look(load, now);
		t->look_ns = now + LOOK_EVERY;
	}
	next = sooner(next, load->options.slow ? t->byte_ns : 0);
	return sooner(next, !trouble_over(t) ? t->look_ns : 0);
}
