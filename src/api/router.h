/* Which function answers which method and path: the rows of routes.def. */
#ifndef JOBLIGHT_API_ROUTER_H
#define JOBLIGHT_API_ROUTER_H

#include "net/access.h"
#include "net/request.h"

/* What a route takes as a body. */
enum body_kind { BODY_NONE, BODY_JSON, BODY_JSON_OR_FORM };

struct route {
	enum method method;
	const char *path;   /* segments; ":name" matches one segment */
	enum access access; /* what the connection needs for it */
	enum body_kind body;
	void (*handle)(struct conn *c, struct request *r);
	enum op_kind operation; /* of a WRITE_ROUTE */
};

/* Finds the route, sets r->route and r->params; otherwise the problem (404, or 405 with *allow
 * filled). */
bool router_find(struct request *r, struct buf *allow, struct problem *problem);

/* Checks the body's type and hands the request to its function. */
void router_dispatch(struct conn *c, struct request *r);

#define ROUTE(method, path, access, body, function)                                                \
	void function(struct conn *c, struct request *r);
#define WRITE_ROUTE(method, path, body, operation)
#include "routes.def"
#undef ROUTE
#undef WRITE_ROUTE

#endif
