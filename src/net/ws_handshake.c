/* The rules of opening and closing a WebSocket: RFC 6455 sections 4.2.1 and 7.4. */
#include "ws.h"

#include <libwebsockets.h>

#include "router.h"

#define SUBPROTOCOL "joblight.v1"

/* One of the header's words is "upgrade". */
static bool connection_upgrades(struct lws *wsi)
{
	char list[128];

	if (lws_hdr_copy(wsi, list, sizeof(list), WSI_TOKEN_CONNECTION) <= 0)
		return false;
	for (char *rest = list, *word; (word = strsep(&rest, ", \t")) != NULL;)
		if (strcasecmp(word, "upgrade") == 0)
			return true;
	return false;
}

static bool subprotocol_known(struct lws *wsi)
{
	char list[256];
	int len = lws_hdr_total_length(wsi, WSI_TOKEN_PROTOCOL);

	if (len <= 0)
		return true;
	if (lws_hdr_copy(wsi, list, sizeof(list), WSI_TOKEN_PROTOCOL) < 0)
		return false;
	for (char *rest = list, *name; (name = strsep(&rest, ", ")) != NULL;)
		if (strcmp(name, SUBPROTOCOL) == 0)
			return true;
	return false;
}

bool ws_upgrade_wanted(struct lws *wsi, const struct request *r, struct problem *p)
{
	char version[8] = "";
	char http[16] = "";

	lws_hdr_copy(wsi, http, sizeof(http), WSI_TOKEN_HTTP);
	if (strcmp(http, "HTTP/1.1") != 0)
		return problem_set(p, OUTCOME_BAD_REQUEST, "a WebSocket needs HTTP/1.1");
	if (r->method != METHOD_GET || r->head || r->length)
		return problem_set(p, OUTCOME_METHOD_NOT_ALLOWED, "a WebSocket begins with a GET");
	lws_hdr_copy(wsi, version, sizeof(version), WSI_TOKEN_VERSION);
	if (strcmp(version, "13") != 0)
		return problem_set(p, OUTCOME_UPGRADE_REQUIRED, "send Sec-WebSocket-Version: 13");
	if (!connection_upgrades(wsi))
		return problem_set(p, OUTCOME_UPGRADE_REQUIRED, "send Connection: Upgrade");
	if (lws_hdr_total_length(wsi, WSI_TOKEN_KEY) != 24)
		return problem_set(p, OUTCOME_BAD_REQUEST, "Sec-WebSocket-Key must be 16 bytes in base 64");
	return subprotocol_known(wsi) ||
	       problem_set(p, OUTCOME_BAD_REQUEST, "the subprotocol is " SUBPROTOCOL ", or none");
}

/* A plain GET of the WebSocket's URL. */
void ws_not_upgraded(struct conn *c, struct request *r)
{
	struct problem p = { .outcome = OUTCOME_UPGRADE_REQUIRED,
			     .detail = "this is a WebSocket: connect with Upgrade: websocket and version 13" };

	(void)r;
	reply_problem(c, &p, "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
}

/* 1000..1003, 1007..1014 and what applications define; no code at all is allowed too. */
static bool close_code_allowed(unsigned code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

bool ws_close_allowed(const void *payload, size_t len)
{
	const unsigned char *bytes = payload;

	return len == 0 || (len >= 2 && close_code_allowed((unsigned)bytes[0] << 8 | bytes[1]));
}
