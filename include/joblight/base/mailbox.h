/*
 * Where two threads meet: a bounded FIFO of intrusive messages and a wake-up.
 *
 * Any thread may post; one thread takes.  The message belongs to the poster until it is posted,
 * then to the taker.  Nothing is allocated.  A taker that sleeps uses mailbox_wait(); a taker with
 * a loop of its own gives `wake`, which must be callable from any thread and cheap when repeated.
 */
#ifndef JOBLIGHT_BASE_MAILBOX_H
#define JOBLIGHT_BASE_MAILBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mail {
	struct mail *next;
};

struct mailbox {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	pthread_cond_t drained;
	struct mail *head, **tail;
	size_t count, capacity;
	bool closed;
	void (*wake)(void *context);
	void *context;
};

void mailbox_init(struct mailbox *m, size_t capacity, void (*wake)(void *), void *context);
void mailbox_finish(struct mailbox *m);

bool mailbox_post(struct mailbox *m, struct mail *mail); /* false: full or closed, still yours */
bool mailbox_post_wait(struct mailbox *m, struct mail *mail); /* waits for room; false: closed */
struct mail *mailbox_take(struct mailbox *m);                 /* all of it in order, or NULL */

/* Like take, but sleeps until there is something, it is closed (NULL), or timeout_ms passed (NULL).
 */
struct mail *mailbox_wait(struct mailbox *m, uint64_t timeout_ms);
void mailbox_close(
    struct mailbox *m); /* nothing more comes in; what is inside can still be taken */
bool mailbox_is_closed(struct mailbox *m);
bool mailbox_is_empty(struct mailbox *m);

#endif
