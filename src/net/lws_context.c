#include "lws_context.h"

#include <stdio.h>

#include "joblight/base/log.h"
#include "loop_private.h"
#include "lws_events.h"

/* The log. */

/* lws reports why it rejected the head of a frame only in its log. */
static _Thread_local bool length_refused;

static void note_refusal(const char *line)
{
	if (strstr(line, "b63 of length"))
		length_refused = true;
	else if (strstr(line, "Control frame"))
		length_refused = false;
}

bool lws_context_refused_length(void)
{
	return length_refused;
}

/*
 * What lws logs as an error, but is none: a socket whose first bytes are there already; and no
 * netlink socket, by which lws follows the routes of clients, in a sandbox that allows none.
 */
static bool is_no_error(const char *line)
{
	return strstr(line, "adopt_socket_readbuf") || strstr(line, "unable to open netlink");
}

static void lws_log(int level, const char *line)
{
	char text[256];
	size_t len = strcspn(line, "\n");

	note_refusal(line);
	if (is_no_error(line))
		level = LLL_DEBUG;
	snprintf(text, sizeof(text), "%.*s", (int)(len < 200 ? len : 200), line);
	log_event(level & LLL_ERR ? LOG_LEVEL_ERROR : LOG_LEVEL_DEBUG, "libwebsockets", "text",
	          text, (char *)0);
}

#define LOGGED (LLL_ERR | LLL_WARN)

void lws_context_set_log(void)
{
	lws_set_log_level(LOGGED, lws_log);
}

static void set_log_of(struct loop *l, struct lws_context_creation_info *info)
{
#ifdef LWS_HAS_LOG_CONTEXTS
	l->lws_log = (lws_log_cx_t){ .u.emit = lws_log, .lll_flags = LOGGED };
	info->log_cx = &l->lws_log;
#else
	(void)l;
	(void)info;
#endif
}

/* The context. */

#define HEAD_BYTES 16000 /* read at a time from raw sockets; the buffer of lws has 16 KiB */
#define RECEIVE_BYTES                                                                              \
	128 /* lws allocates this for each WebSocket; a ping must fit, and messages arrive in      \
	       pieces of this size */

/*
 * The first is for WebSockets that name no subprotocol.  The last is for connections that we parse
 * (lws_events.c); its name has a space, so no client can ask for it.
 */
static const struct lws_protocols protocols[] = {
	{ "joblight", conn_callback, 0, RECEIVE_BYTES, 0, NULL, 65536 },
	{ LWS_SUBPROTOCOL, conn_callback, 0, RECEIVE_BYTES, 0, NULL, 65536 },
	{ LWS_RAW_PROTOCOL, conn_callback, 0, HEAD_BYTES, 0, NULL, 65536 },
	{ NULL, NULL, 0, 0, 0, NULL, 0 },
};

/*
 * Has no `.protocol`: with one, lws reads no input while a request runs, and a hang-up then makes
 * the loop spin.
 */
static const struct lws_http_mount mount = {
	.mountpoint = "/",
	.mountpoint_len = 1,
	.origin = "joblight",
	.origin_protocol = LWSMPRO_CALLBACK,
};

static const lws_retry_bo_t
    no_validity_checks; /* zeroed, so that lws sets no timers of its own on streams */

bool lws_context_make(struct loop *l)
{
	void *uv = &l->uv;
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN_SERVER,
		.protocols = protocols,
		.mounts = &mount,
		.user = l,
		.pcontext = &l->lws,
		.foreign_loops = &uv,
		.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
		           LWS_SERVER_OPTION_VALIDATE_UTF8 |
		           LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME,
		.pt_serv_buf_size = 16384,
		.timeout_secs = (unsigned int)(l->limits->header_timeout_ms / 1000),
		.timeout_secs_ah_idle = (unsigned int)(l->limits->header_timeout_ms / 1000),
		.keepalive_timeout = (int)(l->limits->keepalive_ms / 1000),
		.retry_and_idle_policy = &no_validity_checks,
		.alpn = "http/1.1",
		.vhost_name = "joblight",
	};

	set_log_of(l, &info);
	l->lws = lws_create_context(&info);
	l->vhost = l->lws ? lws_create_vhost(l->lws, &info) : NULL;
	return l->vhost != NULL;
}
