#include "joblight/base/log_output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "joblight/base/log_line.h"

#define TICK_MS 1000
#define KEPT_BYTES (64 * 1024) /* of a buffer that was larger */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t filled, written;
	pthread_t thread;
	void (*tick)(void);
	bool running;    /* there is a thread */
	bool stopping;   /* it is to end when the queue is empty */
	bool given_up;   /* it did not end in time */
	bool torn;       /* the last line was written in part; only who writes uses it */
	struct buf next; /* waits */
	size_t current;  /* bytes that the thread is writing */
	uint64_t lost;   /* lines */
} out = { .lock = PTHREAD_MUTEX_INITIALIZER,
	  .filled = PTHREAD_COND_INITIALIZER,
	  .written = PTHREAD_COND_INITIALIZER };

static uint64_t count_lines(struct slice s)
{
	uint64_t count = 0;

	for (const char *at; (at = memchr(s.ptr, '\n', s.len)) != NULL; count++) {
		s.len -= (size_t)(at + 1 - s.ptr);
		s.ptr = at + 1;
	}
	return count;
}

/* Writing. */

/* Another process may have set O_NONBLOCK on what it shares with this one. */
static void wait_for_room(void)
{
	struct pollfd standard_error = { .fd = STDERR_FILENO, .events = POLLOUT };

	poll(&standard_error, 1, -1);
}

static bool write_all(struct slice s)
{
	while (s.len) {
		ssize_t n = write(STDERR_FILENO, s.ptr, s.len);
		if (n > 0) {
			out.torn = (size_t)n < s.len;
			s = (struct slice){ s.ptr + n, s.len - (size_t)n };
		} else if (n < 0 && errno == EAGAIN) {
			wait_for_room();
		} else if (n == 0 || errno != EINTR) {
			return false;
		}
	}
	return true;
}

/* Takes whole lines: one, or as many as a pipe takes in one piece. */
static struct slice take_lines(struct slice *s)
{
	struct slice lines = { s->ptr, 0 };

	while (lines.len < s->len) {
		const char *start = s->ptr + lines.len;
		size_t len = (size_t)((const char *)memchr(start, '\n', s->len - lines.len) + 1 -
		                      start);
		if (lines.len && lines.len + len > PIPE_BUF)
			break;
		lines.len += len;
	}
	*s = (struct slice){ s->ptr + lines.len, s->len - lines.len };
	return lines;
}

/* Ends a line that was cut off, so that the next one is whole. */
static bool mend(void)
{
	return !out.torn || write_all(SLICE("\n"));
}

/* Returns how many lines were lost. */
static uint64_t write_lines(struct slice s)
{
	uint64_t lost = 0;

	while (s.len) {
		struct slice lines = take_lines(&s);
		if (!mend() || !write_all(lines))
			lost += count_lines(lines);
	}
	return lost;
}

/* False: they are not told, because that cannot be written either. */
static bool tell_lost(uint64_t count)
{
	struct log_line line;

	log_line_begin(&line, LOG_TO_STDERR, LOG_LEVEL_WARN, "lines of the log are lost");
	log_line_number(&line, "lost", count);
	log_line_end(&line);
	bool told = write_lines(buf_as_slice(&line.text)) == 0;
	buf_finish(&line.text);
	return told;
}

/* The thread. */

static struct timespec in_ms(unsigned ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += ms / 1000;
	at.tv_nsec += (long)(ms % 1000) * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	return at;
}

/* With the lock, which it gives up meanwhile. */
static void write_next(struct buf *current)
{
	uint64_t lost = out.lost;
	struct buf empty = *current;

	*current = out.next;
	out.next = empty;
	out.current = current->len;
	out.lost = 0;
	pthread_mutex_unlock(&out.lock);
	if (lost && tell_lost(lost))
		lost = 0;
	lost += write_lines(buf_as_slice(current));
	current->len = 0;
	if (current->cap > KEPT_BYTES)
		buf_finish(current);
	pthread_mutex_lock(&out.lock);
	out.lost += lost;
	out.current = 0;
	pthread_cond_broadcast(&out.written);
}

static void *run(void *unused)
{
	struct buf current = { 0 };

	pthread_mutex_lock(&out.lock);
	while (!out.stopping || out.next.len) {
		const struct timespec next_tick = in_ms(TICK_MS);
		while (!out.next.len && !out.stopping &&
		       pthread_cond_clockwait(&out.filled, &out.lock, CLOCK_MONOTONIC,
		                              &next_tick) == 0)
			;
		if (out.next.len || out.lost)
			write_next(&current);
		pthread_mutex_unlock(&out.lock);
		out.tick();
		pthread_mutex_lock(&out.lock);
	}
	if (out.lost)
		write_next(&current);
	out.running = false;
	pthread_cond_broadcast(&out.written);
	pthread_mutex_unlock(&out.lock);
	buf_finish(&current);
	return unused;
}

/* With the lock. */
static void queue(struct slice lines, enum log_weight weight)
{
	size_t max = weight == LOG_WEIGHT_BULK ? LOG_BULK_BYTES : LOG_QUEUE_BYTES;

	if (out.current + out.next.len + lines.len > max) {
		out.lost += count_lines(lines);
		return;
	}
	if (!out.next.len)
		pthread_cond_signal(&out.filled);
	buf_slice(&out.next, lines);
}

void log_output_write(struct slice lines, enum log_weight weight)
{
	pthread_mutex_lock(&out.lock);
	if (out.running)
		queue(lines, weight);
	else if (!out.given_up)
		write_lines(lines);
	pthread_mutex_unlock(&out.lock);
}

void log_output_start(void (*tick)(void))
{
	out.tick = tick;
	out.running = pthread_create(&out.thread, NULL, run, NULL) == 0;
	if (out.running)
		pthread_setname_np(out.thread, "log");
}

/* With the lock. */
static bool wait_until_written(unsigned wait_ms)
{
	const struct timespec end = in_ms(wait_ms);
	int result = 0;

	while (out.running && (out.stopping || out.next.len || out.current) && result == 0)
		result = pthread_cond_clockwait(&out.written, &out.lock, CLOCK_MONOTONIC, &end);
	return result == 0;
}

void log_output_flush(unsigned wait_ms)
{
	pthread_mutex_lock(&out.lock);
	wait_until_written(wait_ms);
	pthread_mutex_unlock(&out.lock);
}

void log_output_stop(unsigned wait_ms)
{
	pthread_mutex_lock(&out.lock);
	bool was_running = out.running;
	out.stopping = true;
	pthread_cond_signal(&out.filled);
	bool written = wait_until_written(wait_ms);
	out.stopping = false;
	out.given_up = !written;
	out.running = false;
	pthread_mutex_unlock(&out.lock);
	if (!was_running)
		return;
	if (written)
		pthread_join(out.thread, NULL);
	else
		pthread_detach(out.thread);
}
