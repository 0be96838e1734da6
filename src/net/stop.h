/* The two steps of stopping a loop, in its own thread: see loops_close(). */
#ifndef JOBLIGHT_NET_STOP_H
#define JOBLIGHT_NET_STOP_H

struct loop;

void loop_close(struct loop *l);
void loop_stop(struct loop *l);

#endif
