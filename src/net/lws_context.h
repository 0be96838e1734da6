/* The libwebsockets context of a loop, and what libwebsockets tells in its log alone. */
#ifndef JOBLIGHT_NET_LWS_CONTEXT_H
#define JOBLIGHT_NET_LWS_CONTEXT_H

#include <stdbool.h>

struct loop;

#define LWS_SUBPROTOCOL "joblight.v1" /* the subprotocol that a WebSocket may name */

bool lws_context_make(struct loop *l); /* sets l->lws and l->vhost */
void lws_context_set_log(void);        /* of the process, before the first context */

/* Why lws refused the last frame's head in this thread.  True: its length was 2^63 or more; false:
 * it was a control frame that was too long. */
bool lws_context_refused_length(void);

#endif
