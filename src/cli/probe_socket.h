/* A WebSocket to the server that is measured: RFC 6455, as much of it as a quiet client needs. */
#ifndef JOBLIGHT_CLI_PROBE_SOCKET_H
#define JOBLIGHT_CLI_PROBE_SOCKET_H

#include "probe.h"

struct probe_socket {
	struct probe *probe;
	CURL *curl;
	curl_socket_t fd;
	CURLcode result; /* of the connection */
	int status;      /* of the answer to the handshake; 101: it is open.  0: none */
	bool ended;      /* the other side has closed it, or broken it off */
	uint64_t ended_us;
	struct buf in;   /* bytes that are no whole frame yet; first the head of the answer */
	struct buf text; /* the messages that have arrived */
};

/* False: it was not opened, see `result` and `status`.  probe_socket_close() is needed in both
 * cases. */
bool probe_socket_open(struct probe_socket *s, struct probe *p, unsigned ms);
void probe_socket_close(struct probe_socket *s);

void probe_socket_send(struct probe_socket *s, const char *text);
/* Reads what has arrived, and answers pings. */
void probe_socket_take(struct probe_socket *s);
/* Whether the text arrives in a message, within so long. */
bool probe_socket_wait_for(struct probe_socket *s, const char *text, unsigned ms);

#endif
