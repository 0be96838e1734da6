#include "publisher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "stamp.h"

#define ANSWER_EACH 256 /* more than one update's answer */

static void publisher_fail(struct publisher *p, const char *why)
{
	load_error(p->load, why, p->index);
	if (p->connected && !p->waiting)
		p->load->idle_publishers--;
	p->connected = false;
	p->waiting = false;
	close(p->fd);
	p->fd = -1;
}

static void publisher_send(struct publisher *p)
{
	ssize_t n = send(p->fd, p->request.text + p->request_sent, p->request.len - p->request_sent, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN) {
		publisher_fail(p, "cannot post on publisher");
		return;
	}
	p->request_sent += n > 0 ? (uint32_t)n : 0;
	bool blocked = p->request_sent < p->request.len;
	if (blocked != p->blocked)
		load_rewatch(p->load, p->fd, blocked ? EPOLLIN | EPOLLOUT : EPOLLIN, &p->source);
	p->blocked = blocked;
}

static void publisher_post(struct publisher *p, uint64_t due_ns)
{
	struct load *load = p->load;
	struct stamp stamp = { p->job, p->index, p->counter + 1, due_ns };
	request_stamp(&p->request, &stamp);
	p->counter += p->request.batch;
	p->asked_ns = due_ns;
	p->request_sent = 0;
	p->waiting = true;
	p->posts++;
	load->idle_publishers--;
	if (load->posts_left != UINT64_MAX)
		load->posts_left--;
	publisher_send(p);
}

/* In an open loop the p'th publisher's n'th post has its appointment, and is stamped with it even
 * when it is made late: a server that stalls may not hide the wait of those that queue behind it.
 */
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
	return load->seen.deliveries + load->options.window * watchers > load->seen.updates * watchers;
}

/* Posts if it may. Returns the time it has to wait for, 0 if it is not time that holds it up. */
static uint64_t publisher_try(struct publisher *p)
{
	struct load *load = p->load;
	if (!p->connected || p->waiting || !load->publishing || !load->posts_left || !window_open(load))
		return 0;
	uint64_t due = publisher_due(p), now = clock_ns();
	if (due > now)
		return due;
	publisher_post(p, due ? due : now);
	return 0;
}

static void answer_take(struct publisher *p, int status)
{
	struct load *load = p->load;
	histogram_add(&load->answer, clock_ns() - p->asked_ns);
	p->waiting = false;
	load->idle_publishers++;
	if (status / 100 == 2) {
		load->committed[p->index] = p->counter;
		load->seen.answers++;
		load->seen.updates += load->options.batch;
	} else {
		/* Refused means wholly absent: the same counters go into the next post. */
		p->counter -= (uint32_t)load->options.batch;
		load_error(load, "post answered", (uint64_t)status);
	}
	publisher_try(p);
}

/* Length of the body, from a head that ends at `end`. */
static size_t content_length(const char *head, const char *end)
{
	for (const char *p = head; (p = memchr(p, '\n', (size_t)(end - p)));)
		if (end - ++p > 15 && !strncasecmp(p, "content-length:", 15))
			return strtoul(p + 15, NULL, 10);
	return 0;
}

static void answer_read(struct publisher *p)
{
	const char *end = memmem(p->answer, p->answer_len, "\r\n\r\n", 4);
	if (!end)
		return;
	size_t whole = (size_t)(end - p->answer) + 4 + content_length(p->answer, end);
	if (whole > p->answer_cap)
		publisher_fail(p, "answer too long on publisher");
	else if (p->answer_len > whole)
		publisher_fail(p, "more than one answer on publisher");
	else if (p->answer_len == whole) {
		p->answer_len = 0;
		answer_take(p, atoi(p->answer + 9));
	}
}

static void publisher_read(struct publisher *p)
{
	ssize_t n = recv(p->fd, p->answer + p->answer_len, p->answer_cap - p->answer_len, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		publisher_fail(p, n ? strerror(errno) : "server closed publisher");
		return;
	}
	p->answer_len += (uint32_t)n;
	answer_read(p);
}

static void publisher_ready(struct source *source, uint32_t events)
{
	struct publisher *p = (struct publisher *)(void *)source;
	if (p->fd < 0)
		return;
	if (!p->connected) {
		if (events & (EPOLLERR | EPOLLHUP)) {
			publisher_fail(p, "cannot connect publisher");
			return;
		}
		p->connected = true;
		p->load->idle_publishers++;
		load_rewatch(p->load, p->fd, EPOLLIN, &p->source);
		return;
	}
	if (p->blocked && events & EPOLLOUT)
		publisher_send(p);
	if (p->fd >= 0 && events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		publisher_read(p);
}

void publishers_create(struct load *load)
{
	const struct options *o = &load->options;
	load->publishers = calloc(o->publishers + 1, sizeof(*load->publishers));
	load->committed = calloc(o->publishers + 1, sizeof(*load->committed));
	if (!load->publishers || !load->committed)
		abort();
	for (uint32_t i = 0; i < o->publishers; i++) {
		struct publisher *p = &load->publishers[i];
		*p = (struct publisher){ .source.ready = publisher_ready, .load = load, .fd = -1 };
		p->index = i;
		p->job = (uint32_t)(i % o->jobs);
		request_init(&p->request, load, i);
		p->answer_cap = (uint32_t)(2048 + o->batch * ANSWER_EACH);
		p->answer = malloc(p->answer_cap);
		if (!p->answer)
			abort();
	}
}

void publishers_open(struct load *load)
{
	for (uint64_t i = 0; i < load->options.publishers; i++) {
		struct publisher *p = &load->publishers[i];
		p->fd = net_connect(&load->options, i);
		load_watch(load, p->fd, EPOLLOUT, &p->source);
	}
}

void publishers_destroy(struct load *load)
{
	for (uint64_t i = 0; i < load->options.publishers; i++) {
		if (load->publishers[i].fd >= 0)
			close(load->publishers[i].fd);
		request_finish(&load->publishers[i].request);
		free(load->publishers[i].answer);
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
		uint64_t due = publisher_try(&load->publishers[i]);
		if (due && (!next || due < next))
			next = due;
	}
	return next;
}

bool publishers_quiet(const struct load *load)
{
	for (uint64_t i = 0; i < load->options.publishers; i++)
		if (load->publishers[i].waiting)
			return false;
	return true;
}
