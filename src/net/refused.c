#include "refused.h"

#include <inttypes.h>
#include <stdio.h>

#include "joblight/base/audit.h"
#include "loop_private.h"

void refused_client(const struct conn *c, char out[OP_CLIENT_MAX + 1])
{
	client_address_format(&c->address, out);
}

static void tell_suppressed(struct refused_cause *cause, enum outcome o)
{
	char count[24];

	if (!cause->suppressed)
		return;
	snprintf(count, sizeof(count), "%" PRIu64, cause->suppressed);
	audit_event("action", "refused", "code", outcome_code(o), "suppressed", count, (char *)0);
	cause->suppressed = 0;
}

static bool may_write(struct refused_cause *cause, enum outcome o, uint64_t now_ms)
{
	if (now_ms - cause->since >= REFUSED_MS) {
		tell_suppressed(cause, o);
		cause->since = now_ms;
		cause->lines = 0;
	}
	if (cause->lines == REFUSED_LINES) {
		cause->suppressed++;
		return false;
	}
	cause->lines++;
	return true;
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
		if (r->causes[o].suppressed && now_ms - r->causes[o].since >= REFUSED_MS)
			tell_suppressed(&r->causes[o], (enum outcome)o);
}
