/* GET /api/connection: how this request has reached the server, for those who set up a proxy. */
#include "context.h"
#include "joblight/core/json.h"
#include "router.h"

static void add_text(struct buf *body, const char *name, struct slice text)
{
	size_t start = body->len;

	json_name(body, name);
	json_string(body, text);
	utf8_mend(body->ptr + start, body->len - start); /* a header may have any bytes */
}

static void add_flag(struct buf *body, const char *name, bool value)
{
	json_name(body, name);
	buf_text(body, value ? "true" : "false");
}

static void add_number(struct buf *body, const char *name, uint64_t value)
{
	json_name(body, name);
	buf_format(body, "%llu", (unsigned long long)value);
}

static void add_client(const struct conn *c, const struct request *r, struct buf *body)
{
	char client[CLIENT_ADDRESS_TEXT];

	client_address_format(&c->address, client);
	buf_text(body, "\"client\":");
	json_string(body, slice_of(client));
	add_number(body, "port", conn_peer_port(c));
	add_text(body, "host", r->headers[HEADER_HOST]);
	add_text(body, "http", slice_of(r->http_1_0 ? "1.0" : "1.1"));
	add_flag(body, "tls", c->tls != NULL);
	add_flag(body, "https", conn_is_https(c, r));
	add_flag(body, "forwardedFor", r->headers[HEADER_X_FORWARDED_FOR].len > 0);
	add_flag(body, "forwardedProto", r->headers[HEADER_X_FORWARDED_PROTO].len > 0);
	add_flag(body, "trusted", c->by_proxy);
}

void connection_get(struct conn *c, struct request *r)
{
	const struct limits *limits = c->loop->limits;
	struct buf body = { 0 };

	buf_char(&body, '{');
	add_client(c, r, &body);
	add_text(&body, "basePath", slice_of(api_of(c)->base_path));
	add_flag(&body, "open", access_is_open(c->loop));
	add_number(&body, "maxBody", limits->body_bytes);
	add_number(&body, "maxConnections", limits->connections);
	add_number(&body, "heartbeatMs", limits->heartbeat_ms);
	add_text(&body, "version", slice_of(JOBLIGHT_VERSION));
	buf_char(&body, '}');
	reply_json_taken(c, OUTCOME_OK, "Cache-Control: no-store\r\n", &body);
}
