#include "ticket.h"

#include <stdio.h>

#include "access_grants.h"
#include "http_store.h"
#include "joblight/base/clock.h"
#include "joblight/base/random.h"
#include "joblight/core/json.h"
#include "joblight/core/op.h"
#include "net/loop_private.h"
#include "router.h"

#define PATH_OF_SOCKET "/api/ws"

/* A request without an upgrade opens no WebSocket. */
static bool opens_stream(const struct request *r)
{
	if (r->method != METHOD_GET || r->head)
		return false;
	return (r->route && r->route->handle == stream_open) ||
	       (slice_is(r->path, PATH_OF_SOCKET) && r->headers[HEADER_WEBSOCKET_KEY].len);
}

bool ticket_of(const struct request *r, struct slice *text)
{
	return opens_stream(r) && request_arg(r, "ticket", text);
}

/* A WebSocket continues with its messages, which come after it has opened. */
bool ticket_continues(const struct request *r)
{
	return r->headers[HEADER_LAST_EVENT_ID].len && !slice_is(r->path, PATH_OF_SOCKET);
}

static bool may_use(const struct conn *c, const struct token *t, int64_t now)
{
	struct tickets *tickets = c->loop->loops->tickets;

	if (tickets_have_nodes(tickets))
		return c->claim == CLAIM_GRANTED;
	return c->continues ? tickets_continue(tickets, t) : tickets_open(tickets, t, now);
}

struct credential *ticket_use(struct conn *c, const struct request *r, struct slice text,
                              const char **fault)
{
	int64_t now = clock_shared_ms();
	struct token t;

	if (!token_decode(c->loop->keyring, TOKEN_TICKET, text, now, &t, fault))
		return NULL;
	c->continues = ticket_continues(r);
	*fault = c->continues ? "this ticket has not opened a stream"
	                      : "this ticket was used, or has expired";
	if (access_is_backed(c->loop, t.credential) && may_use(c, &t, now)) {
		if (!c->continues)
			memcpy(c->ticket, t.id, sizeof(c->ticket));
		return t.credential;
	}
	credential_release(t.credential);
	return NULL;
}

/* Nobody waits for the answer. */
static void return_to_nodes(struct loop *l, const char *ticket_id)
{
	struct op *op = op_create(OP_TICKET_RETURN);

	memcpy(op->token.id, ticket_id, sizeof(op->token.id));
	op->loop = l;
	if (!l->service->submit(l->service->context, op))
		op_free(op);
}

void ticket_return(struct loop *l, const char *ticket_id)
{
	struct tickets *tickets = l->loops->tickets;

	if (tickets_have_nodes(tickets))
		return_to_nodes(l, ticket_id);
	tickets_give_back(tickets, ticket_id);
}

void ticket_give_back(struct conn *c)
{
	if (c->ticket[0])
		ticket_return(c->loop, c->ticket);
	c->ticket[0] = '\0';
}

static void answer(struct conn *c, struct read_result *job)
{
	int64_t now = clock_shared_ms();
	struct buf body = { 0 };
	char job_id[ID_MAX + 1];

	(void)job; /* it exists */
	id_copy(job_id, c->request->params[0]);
	struct token t = { .kind = TOKEN_TICKET,
		           .issued = now,
		           .expires = (now + TICKET_MS) / 1000 * 1000,
		           .run = tickets_run(c->loop->loops->tickets),
		           .credential = grant_part(c, RIGHT_ALL, job_id, 0) };
	token_identify(&t, random_bytes);
	buf_text(&body, "{\"ticket\":\"");
	token_encode(&body, &t, c->loop->keyring);
	buf_text(&body, "\",\"expiresAt\":");
	json_time(&body, t.expires);
	buf_char(&body, '}');
	credential_release(t.credential);
	reply_json_taken(c, OUTCOME_CREATED, "Cache-Control: no-store\r\n", &body);
}

void tickets_issue(struct conn *c, struct request *r)
{
	struct read_query q = { .kind = READ_HEAD };

	id_copy(q.job_id, r->params[0]);
	http_read(c, &q, answer);
}
