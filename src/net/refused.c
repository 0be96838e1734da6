#include "refused.h"

#include <inttypes.h>
#include <stdio.h>

#include "joblight/base/audit.h"
#include "loop_private.h"

void refused_client(const struct conn *c, char out[OP_CLIENT_MAX + 1])
{
	client_address_format(&c->address, out);
}

static void tell_left_out(struct log_limit *cause, enum outcome o, uint64_t now_ms)
{
	uint64_t left_out = log_limit_left_out(cause, now_ms);
	char count[24];

	if (!left_out)
		return;
	snprintf(count, sizeof(count), "%" PRIu64, left_out);
	audit_event("action", "refused", "code", outcome_code(o), "suppressed", count, (char *)0);
}

static bool may_write(struct log_limit *cause, enum outcome o, uint64_t now_ms)
{
	tell_left_out(cause, o, now_ms);
	return log_limit_takes(cause, now_ms);
}

void refused_note(const struct conn *c, enum outcome o, const char *route, const char *job_id)
{
	char client[OP_CLIENT_MAX + 1];

	if (!may_write(&c->loop->refused.causes[o], o, loop_now(c->loop)))
		return;
	refused_client(c, client);
	audit_event("action", "refused", "code", outcome_code(o), "method",
	            route && c->request ? method_text(c->request->method) : NULL, "route",
	            route ? route : "message", "job", job_id, CREDENTIAL_PAIRS(c->credential),
	            "client", client, (char *)0);
}

void refused_tick(struct refused *r, uint64_t now_ms)
{
	for (int o = 0; o < OUTCOME_COUNT; o++)
		tell_left_out(&r->causes[o], (enum outcome)o, now_ms);
}
