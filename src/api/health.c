/* GET /healthz and GET /readyz. */
#include "joblight/core/json.h"
#include "net/canary.h"
#include "net/capacity.h"
#include "net/loop_private.h"
#include "operator.h"
#include "router.h"

void health_get(struct conn *c, struct request *r)
{
	(void)r;
	reply_json(c, OUTCOME_OK, "Cache-Control: no-store\r\n", SLICE("{\"status\":\"ok\"}"));
}

/* A bus that is away does not make the server unready: it reads the database instead. */
static void add_bus(struct conn *c, struct buf *json)
{
	struct bus *b = c->loop->bus;
	struct bus_health health;

	if (!b->ops->health || !operator_admits(c))
		return;
	b->ops->health(b, &health);
	buf_text(json, ",\"bus\":");
	json_string(json, slice_of(health.text));
}

static void answer_ready(struct conn *c)
{
	struct buf json = { 0 };

	buf_text(&json, "{\"status\":\"ready\"");
	add_bus(c, &json);
	buf_char(&json, '}');
	reply_json(c, OUTCOME_OK, "Cache-Control: no-store\r\n", buf_as_slice(&json));
	buf_finish(&json);
}

static void answer(struct conn *c, const struct canary_verdict *v)
{
	if (v->ok)
		answer_ready(c);
	else
		reply_refuse(c, OUTCOME_NOT_READY, "%s",
		             operator_admits(c) ? v->reason
		                                : "a write does not get through; the operator "
		                                  "of the server is told why");
}

void health_ready(struct conn *c, struct request *r)
{
	(void)r;
	if (c->loop->stopping)
		reply_problem(c, &capacity_stopping, "");
	else
		canary_ask(c, answer);
}
