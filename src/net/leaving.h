/*
 * Passes idle connections to another process, one by one: see moving.h.  The thread of the loop.
 */
#ifndef JOBLIGHT_NET_LEAVING_H
#define JOBLIGHT_NET_LEAVING_H

struct loop;

/*
 * While the loop is PAUSED: finds out whether requests are under way.  While it is LEAVING: passes
 * the connections that are idle now.  Outside of all callbacks of libwebsockets.
 */
void moving_tick(struct loop *l);

#endif
