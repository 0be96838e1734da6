/* Takes what other threads have posted, in the loop's own thread; finished reads: see ask.h. */
#ifndef JOBLIGHT_NET_THREAD_MAIL_TAKE_H
#define JOBLIGHT_NET_THREAD_MAIL_TAKE_H

struct loop;

/* Call it after the wake-up. */
void thread_mail_take(struct loop *l);

#endif
