/* The distinct clients among the subscribers of a channel, by the identity of their credentials.  A
 * client that watches in three tabs is one watcher. */
#ifndef JOBLIGHT_CORE_VIEWERS_H
#define JOBLIGHT_CORE_VIEWERS_H

#include <stdbool.h>

struct viewer;

/* Adds a subscription of this client.  *is_new says whether it is the client's first one. */
struct viewer *viewers_join(struct viewer **all, const char *identity, bool *is_new);
/* Takes one away.  True: it was the client's last one, and the viewer is freed. */
bool viewers_leave(struct viewer **all, struct viewer *v);
const char *viewer_identity(const struct viewer *v);

#endif
