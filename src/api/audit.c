#include "audit.h"

#include "joblight/base/audit.h"
#include "joblight/core/right.h"
#include "net/connection.h"
#include "net/dispatch.h"
#include "net/loop_private.h"
#include "net/refused.h"
#include "router.h"

void audit_token(const struct conn *c, const char *action, const struct token *t,
                 const char *job_id)
{
	const struct access_key_row *key = &t->credential->key;
	char client[OP_CLIENT_MAX + 1];
	struct buf scope = { 0 };

	right_describe(&scope, credential_rights(t->credential));
	refused_client(c, client);
	audit_event("action", action, "job", job_id, "made", t->id, "scope", buf_string(&scope),
	            "key", key->id[0] ? key->id : NULL, "name", key->name[0] ? key->name : NULL,
	            "client", client[0] ? client : NULL, (char *)0);
	buf_finish(&scope);
}

/* The id of a job comes from a client that is known, or it may be anything. */
void audit_refusal(const struct conn *c, const struct request *r, enum outcome o)
{
	char job_id[ID_MAX + 1] = "";
	const struct route *route = r->route;
	const char *path = c->loop->dispatch->route_of(r);

	if (o != OUTCOME_UNAUTHORIZED && o != OUTCOME_FORBIDDEN && o != OUTCOME_FORBIDDEN_ORIGIN &&
	    o != OUTCOME_HOST_NOT_SERVED && o != OUTCOME_RATE_LIMITED)
		return;
	if (c->credential && route && strstr(route->path, "/:job") && id_valid(r->params[0]))
		id_copy(job_id, r->params[0]);
	refused_note(c, o, path ? path : "none", job_id[0] ? job_id : NULL);
}
