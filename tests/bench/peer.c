#include "peer.h"

#include <stdio.h>
#include <string.h>

#define ORIGIN_SSE "/api/jobs/{job}/task-events"
#define ORIGIN_WS "/api/ws?job={job}"
#define ORIGIN_POST "/api/agent-hooks/task-update/{job}"

static const struct peer peers[] = {
	{ .name = "joblight",
	  .sse_path = ORIGIN_SSE,
	  .ws_path = ORIGIN_WS,
	  .post_path = ORIGIN_POST,
	  .ws_post_path = "/api/ws",
	  .has_jobs = true,
	  .says_connected = true,
	  .has_seq = true },
	{ .name = "floor",
	  .sse_path = ORIGIN_SSE,
	  .ws_path = ORIGIN_WS,
	  .post_path = ORIGIN_POST,
	  .says_connected = true,
	  .has_seq = true },
	{ .name = "express",
	  .sse_path = ORIGIN_SSE,
	  .post_path = ORIGIN_POST,
	  .has_jobs = true,
	  .says_connected = true },
	{ .name = "nchan",
	  .sse_path = "/sse/{job}",
	  .ws_path = "/ws/{job}",
	  .post_path = "/pub/{job}",
	  .relays = true },
	{ .name = "nats", .ws_path = "/", .ws_post_path = "/", .relays = true, .nats = true },
	{ .name = "ws", .ws_path = "/?job={job}", .ws_post_path = "/" },
};

enum { PEERS = sizeof(peers) / sizeof(*peers) };

const struct peer *peer_find(const char *name)
{
	for (size_t i = 0; i < PEERS; i++)
		if (!strcmp(peers[i].name, name))
			return &peers[i];
	return NULL;
}

void peer_names(char *out, size_t size)
{
	size_t len = 0;
	for (size_t i = 0; i < PEERS && len < size; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%s", i ? ", " : "",
		                        peers[i].name);
}
