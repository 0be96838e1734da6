#include "publisher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "answer.h"
#include "net.h"
#include "peer.h"
#include "stamp.h"
#include "websocket.h"

#define ANSWER_EACH 256 /* more than one update's answer */

static bool has_room(const struct publisher *p)
{
	return p->ready && p->flying < p->load->options.depth;
}

void publisher_ready(struct publisher *p)
{
	p->ready = true;
	p->load->idle_publishers++;
}

void publisher_leave(struct publisher *p)
{
	if (has_room(p))
		p->load->idle_publishers--;
	p->ready = false;
	p->flying = 0;
	close(p->fd);
	p->fd = -1;
}

void publisher_fail(struct publisher *p, const char *why)
{
	load_error(p->load, why, p->index);
	publisher_leave(p);
}

static void publisher_flush(struct publisher *p)
{
	ssize_t n = net_send(p->fd, p->out, p->out_len);
	if (n < 0 && errno != EAGAIN) {
		publisher_fail(p, "cannot post on publisher");
		return;
	}
	uint32_t sent = n > 0 ? (uint32_t)n : 0;
	p->out_len -= sent;
	memmove(p->out, p->out + sent, p->out_len);
	bool blocked = p->out_len > 0;
	if (blocked != p->blocked)
		load_rewatch(p->load, p->fd, blocked ? EPOLLIN | EPOLLOUT : EPOLLIN, &p->source);
	p->blocked = blocked;
}

static void publisher_post(struct publisher *p, uint64_t due_ns)
{
	struct load *load = p->load;
	const struct options *o = &load->options;
	if (o->walk)
		p->job = (uint32_t)((p->job + o->publishers) % o->jobs);
	request_stamp(&p->request, &(struct stamp){ p->job, p->index, p->counter + 1, due_ns });
	memcpy(p->out + p->out_len, p->request.text, p->request.len);
	p->out_len += p->request.len;
	p->due_ns[(p->oldest + p->flying++) % o->depth] = due_ns;
	p->counter += p->request.batch;
	p->posts++;
	if (!has_room(p))
		load->idle_publishers--;
	if (load->posts_left != UINT64_MAX)
		load->posts_left--;
}

/* In an open loop the p'th publisher's n'th post has a fixed time, and is stamped with it even when
 * it is made late; otherwise a server that stalls would hide the wait of the posts behind it. */
static uint64_t publisher_due(const struct publisher *p)
{
	const struct options *o = &p->load->options;
	if (!o->rate)
		return 0;
	double turn = (double)(p->posts * o->publishers + p->index);
	return p->load->publish_since + (uint64_t)(turn * 1e9 / (double)o->rate);
}

static bool window_open(const struct load *load)
{
	if (!load->options.window)
		return true;
	uint64_t watchers = load->options.subscribers / load->options.jobs;
	return load->seen.deliveries + load->options.window * watchers >
	       load->seen.updates * watchers;
}

/* Posts what it may, in one write. Returns the time of its next post; 0: it does not wait for a
 * time. */
static uint64_t publisher_fill(struct publisher *p)
{
	struct load *load = p->load;
	uint64_t due = 0, now = 0;
	bool posted = false;
	while (has_room(p) && load->publishing && load->posts_left && window_open(load)) {
		due = publisher_due(p);
		now = now ? now : clock_ns();
		if (due > now)
			break;
		publisher_post(p, due ? due : now);
		posted = true;
		due = 0;
	}
	if (posted && !p->blocked)
		publisher_flush(p);
	return due;
}

void publisher_answered(struct publisher *p, bool accepted)
{
	struct load *load = p->load;
	uint32_t batch = (uint32_t)load->options.batch;
	histogram_add(&load->answer, load->read_ns - p->due_ns[p->oldest]);
	p->oldest = (p->oldest + 1) % (uint32_t)load->options.depth;
	if (!has_room(p))
		load->idle_publishers++;
	p->flying--;
	if (accepted) {
		load->committed[p->index] = p->counter - p->flying * batch;
		load->seen.answers++;
		load->seen.updates += batch;
	} else if (!p->flying) {
		/* Nothing of a refused post is stored, so the next one has the same counters. */
		p->counter -= batch;
	}
}

static void publisher_read(struct publisher *p)
{
	size_t room = p->answer_cap - p->answer_len;
	bool websocket = p->load->options.publish_ws;
	char *to = websocket ? stream_buffer(&room) : p->answer + p->answer_len;
	ssize_t n = net_recv(p->fd, to, room);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n == 0 && !p->flying && !p->load->publishing) {
		publisher_leave(p); /* long silent: a server may close it */
		return;
	}
	if (n <= 0) {
		publisher_fail(p, n ? strerror(errno) : "server closed publisher");
		return;
	}
	p->load->read_ns = clock_ns();
	if (websocket)
		answer_frames(p, to, (size_t)n);
	else
		answer_http(p, (size_t)n);
	publisher_fill(p);
}

static void publisher_ask(struct publisher *p)
{
	char request[512];
	const struct options *o = &p->load->options;
	p->asked = true;
	load_rewatch(p->load, p->fd, EPOLLIN, &p->source);
	if (!o->publish_ws) {
		publisher_ready(p);
		return;
	}
	size_t len = websocket_request(request, sizeof(request), o->peer->ws_post_path,
	                               (unsigned)o->port);
	if (net_send(p->fd, request, len) != (ssize_t)len)
		publisher_fail(p, "cannot ask on publisher");
}

static void publisher_event(struct source *source, uint32_t events)
{
	struct publisher *p = (struct publisher *)(void *)source;
	if (p->fd < 0)
		return;
	if (!p->asked) {
		if (events & (EPOLLERR | EPOLLHUP))
			publisher_fail(p, "cannot connect publisher");
		else
			publisher_ask(p);
		return;
	}
	if (p->blocked && events & EPOLLOUT)
		publisher_flush(p);
	if (p->fd >= 0 && events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		publisher_read(p);
}

static void *allocate(size_t size)
{
	void *memory = malloc(size);
	if (!memory)
		abort();
	return memory;
}

static void publisher_init(struct publisher *p, struct load *load, uint32_t index)
{
	const struct options *o = &load->options;
	*p = (struct publisher){
		.source.ready = publisher_event, .load = load, .fd = -1, .index = index
	};
	p->job = (uint32_t)(index % o->jobs);
	request_init(&p->request, load, index);
	p->due_ns = allocate(o->depth * sizeof(*p->due_ns));
	p->out_cap = p->request.len * (uint32_t)o->depth;
	p->out = allocate(p->out_cap);
	p->answer_cap = (uint32_t)(2048 + o->batch * ANSWER_EACH);
	p->answer = allocate(p->answer_cap);
	stream_init(&p->stream);
	p->stream.nats = o->peer->nats;
}

void publishers_create(struct load *load)
{
	const struct options *o = &load->options;
	load->publishers = calloc(o->publishers + 1, sizeof(*load->publishers));
	load->committed = calloc(o->publishers + 1, sizeof(*load->committed));
	if (!load->publishers || !load->committed)
		abort();
	for (uint32_t i = 0; i < o->publishers; i++)
		publisher_init(&load->publishers[i], load, i);
}

void publishers_open(struct load *load)
{
	const struct options *o = &load->options;
	for (uint64_t i = 0; i < o->publishers; i++) {
		struct publisher *p = &load->publishers[i];
		p->fd = net_connect(o, o->post_to.all[i % o->post_to.count], i, 0);
		load_watch(load, p->fd, EPOLLOUT, &p->source);
	}
}

void publishers_destroy(struct load *load)
{
	for (uint64_t i = 0; i < load->options.publishers; i++) {
		struct publisher *p = &load->publishers[i];
		if (p->fd >= 0)
			close(p->fd);
		request_finish(&p->request);
		stream_finish(&p->stream);
		free(p->due_ns);
		free(p->out);
		free(p->answer);
	}
	free(load->publishers);
	free(load->committed);
}

void publishers_start(struct load *load, uint64_t posts)
{
	load->publishing = true;
	load->posts_left = posts ? posts : UINT64_MAX;
	load->publish_since = clock_ns();
	for (uint64_t i = 0; i < load->options.publishers; i++)
		load->publishers[i].posts = 0;
}

void publishers_stop(struct load *load)
{
	load->publishing = false;
}

uint64_t publishers_turn(struct load *load)
{
	uint64_t next = 0;
	if (!load->publishing || !load->idle_publishers)
		return 0;
	for (uint64_t i = 0; i < load->options.publishers; i++) {
		uint64_t due = publisher_fill(&load->publishers[i]);
		if (due && (!next || due < next))
			next = due;
	}
	return next;
}

bool publishers_quiet(const struct load *load)
{
	for (uint64_t i = 0; i < load->options.publishers; i++)
		if (load->publishers[i].flying)
			return false;
	return true;
}
