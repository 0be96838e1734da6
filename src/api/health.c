/* GET /healthz. */
#include "router.h"

void health_get(struct conn *c, struct request *r)
{
	(void)r;
	reply_json(c, OUTCOME_OK, "Cache-Control: no-store\r\n", SLICE("{\"status\":\"ok\"}"));
}
