/* The libwebsockets context of a loop, and the errors that libwebsockets only logs. */
#ifndef JOBLIGHT_NET_LWS_CONTEXT_H
#define JOBLIGHT_NET_LWS_CONTEXT_H

#include <stdbool.h>

struct loop;

#define LWS_SUBPROTOCOL "joblight.v1" /* the subprotocol that a WebSocket may name */

bool lws_context_make(struct loop *l); /* sets l->lws and l->vhost */
void lws_context_set_log(void); /* for the process; call it before the first context is made */

/*
 * Why lws rejected the last frame's head in this thread.  True: its length was 2^63 or more.
 * False: it was a control frame that was too long.
 */
bool lws_context_refused_length(void);

#endif
