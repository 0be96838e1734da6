/*
 * A bounded FIFO between threads, of intrusive messages, with a wake-up.
 *
 * Any thread may post; one thread takes.  A message belongs to the poster until it is posted, then
 * to the taker.  Nothing is allocated.  A taker that sleeps uses mailbox_wait().  A taker that also
 * waits for something else passes `wake`, which must be callable from any thread and cheap when
 * called repeatedly.
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

bool mailbox_post(struct mailbox *m,
                  struct mail *mail); /* false: full or closed; the message stays yours */
bool mailbox_post_wait(struct mailbox *m, struct mail *mail); /* waits for room; false: closed */
struct mail *mailbox_take(struct mailbox *m);                 /* all messages in order, or NULL */

/*
 * Like take, but sleeps until there is a message.  NULL: the mailbox was closed, or timeout_ms
 * passed.
 */
struct mail *mailbox_wait(struct mailbox *m, uint64_t timeout_ms);
void mailbox_close(
    struct mailbox *m); /* no more messages are accepted; those inside can still be taken */
bool mailbox_is_closed(struct mailbox *m);
bool mailbox_is_empty(struct mailbox *m);
size_t mailbox_depth(struct mailbox *m); /* the messages that wait */

#endif
