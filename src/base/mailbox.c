#include "joblight/base/mailbox.h"

#include <errno.h>
#include <time.h>

void mailbox_init(struct mailbox *m, size_t capacity, void (*wake)(void *), void *context)
{
	pthread_condattr_t monotonic;

	*m = (struct mailbox){ .capacity = capacity, .wake = wake, .context = context };
	m->tail = &m->head;
	pthread_mutex_init(&m->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&m->filled, &monotonic);
	pthread_cond_init(&m->drained, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

void mailbox_finish(struct mailbox *m)
{
	pthread_cond_destroy(&m->drained);
	pthread_cond_destroy(&m->filled);
	pthread_mutex_destroy(&m->lock);
}

static bool append(struct mailbox *m, struct mail *mail)
{
	bool first = !m->head;

	mail->next = NULL;
	*m->tail = mail;
	m->tail = &mail->next;
	m->count++;
	return first;
}

/* The caller holds the lock; this releases it.  Only the first message wakes the taker. */
static void append_and_wake(struct mailbox *m, struct mail *mail)
{
	bool first = append(m, mail);

	pthread_mutex_unlock(
	    &m->lock); /* unlock before the signal, or the woken thread would wait for the lock */
	if (!first)
		return;
	if (m->wake)
		m->wake(m->context);
	pthread_cond_signal(&m->filled);
}

bool mailbox_post(struct mailbox *m, struct mail *mail)
{
	pthread_mutex_lock(&m->lock);
	if (m->closed || m->count >= m->capacity) {
		pthread_mutex_unlock(&m->lock);
		return false;
	}
	append_and_wake(m, mail);
	return true;
}

bool mailbox_post_wait(struct mailbox *m, struct mail *mail)
{
	pthread_mutex_lock(&m->lock);
	while (!m->closed && m->count >= m->capacity)
		pthread_cond_wait(&m->drained, &m->lock);
	if (m->closed) {
		pthread_mutex_unlock(&m->lock);
		return false;
	}
	append_and_wake(m, mail);
	return true;
}

static struct mail *take_locked(struct mailbox *m)
{
	struct mail *all = m->head;

	if (m->count >= m->capacity)
		pthread_cond_broadcast(&m->drained);
	m->head = NULL;
	m->tail = &m->head;
	m->count = 0;
	return all;
}

struct mail *mailbox_take(struct mailbox *m)
{
	pthread_mutex_lock(&m->lock);
	struct mail *all = take_locked(m);
	pthread_mutex_unlock(&m->lock);
	return all;
}

struct mail *mailbox_wait(struct mailbox *m, uint64_t timeout_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(timeout_ms / 1000);
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&m->lock);
	while (!m->head && !m->closed)
		if (pthread_cond_timedwait(&m->filled, &m->lock, &until) == ETIMEDOUT)
			break;
	struct mail *all = take_locked(m);
	pthread_mutex_unlock(&m->lock);
	return all;
}

void mailbox_close(struct mailbox *m)
{
	pthread_mutex_lock(&m->lock);
	m->closed = true;
	pthread_cond_broadcast(&m->filled);
	pthread_cond_broadcast(&m->drained);
	pthread_mutex_unlock(&m->lock);
	if (m->wake)
		m->wake(m->context);
}

bool mailbox_is_closed(struct mailbox *m)
{
	pthread_mutex_lock(&m->lock);
	bool closed = m->closed;
	pthread_mutex_unlock(&m->lock);
	return closed;
}

bool mailbox_is_empty(struct mailbox *m)
{
	pthread_mutex_lock(&m->lock);
	bool empty = !m->head;
	pthread_mutex_unlock(&m->lock);
	return empty;
}

size_t mailbox_depth(struct mailbox *m)
{
	pthread_mutex_lock(&m->lock);
	size_t depth = m->count;
	pthread_mutex_unlock(&m->lock);
	return depth;
}
