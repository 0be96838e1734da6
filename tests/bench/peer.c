#include "peer.h"

#include <stdio.h>
#include <string.h>

#define ORIGIN_SSE "/api/jobs/{job}/task-events"
#define ORIGIN_POST "/api/agent-hooks/task-update/{job}"

static const struct peer peers[] = {
	{ "joblight", ORIGIN_SSE, "/api/ws?job={job}", ORIGIN_POST, true, true, true },
	{ "floor", ORIGIN_SSE, "/api/ws?job={job}", ORIGIN_POST, false, true, true },
	{ "express", ORIGIN_SSE, NULL, ORIGIN_POST, true, true, false },
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
		len += (size_t)snprintf(out + len, size - len, "%s%s", i ? ", " : "", peers[i].name);
}
