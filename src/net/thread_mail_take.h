/* The loop's own thread takes what other threads have posted, but for answered reads: see ask.h. */
#ifndef JOBLIGHT_NET_THREAD_MAIL_TAKE_H
#define JOBLIGHT_NET_THREAD_MAIL_TAKE_H

struct loop;

/* After the wake-up: broadcasts, answers and hears. */
void thread_mail_take(struct loop *l);

#endif
