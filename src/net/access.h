/* Access rights as bits: what a request or a WebSocket message needs, and what a connection has. */
#ifndef JOBLIGHT_NET_ACCESS_H
#define JOBLIGHT_NET_ACCESS_H

enum access { ACCESS_NONE = 0, ACCESS_READ = 1, ACCESS_WRITE = 2, ACCESS_ALL = 3 };

#endif
