/*
 * Passes the clients of a loop to another process that takes its place: see loops_pause().
 *
 *   PAUSED    nothing is accepted, and no next request is read; those that have begun are answered
 *   LEAVING   idle connections are passed, each as soon as it is idle; all others are told to
 *             reconnect, as at a stop
 *
 * The bytes that clients send meanwhile wait in their sockets.  What TLS has read cannot be passed,
 * so connections with TLS are closed when they are idle.  The thread of the loop.
 */
#ifndef JOBLIGHT_NET_MOVING_H
#define JOBLIGHT_NET_MOVING_H

#include "connection.h"
#include "joblight/net/passed_client.h"

void loop_pause(struct loop *l);
void loop_resume(struct loop *l);
void loop_leave(struct loop *l);
/* Goes on with a connection of another process.  Takes it. */
void moving_adopt(struct loop *l, struct passed_client *p);

#endif
