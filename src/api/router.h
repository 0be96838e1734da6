/* Maps method and path to a function: the rows of routes.def. */
#ifndef JOBLIGHT_API_ROUTER_H
#define JOBLIGHT_API_ROUTER_H

#include "joblight/core/right.h"
#include "net/request.h"

/* The kinds of body that a route accepts. */
/* Which jobs the rights must be over: see routes.def. */
enum route_over { OVER_ANY, OVER_JOB, OVER_ALL, OVER_SERVER };

enum body_kind { BODY_NONE, BODY_JSON, BODY_JSON_OR_FORM, BODY_NDJSON };

struct route {
	enum method method;
	const char *path;  /* segments; ":name" matches one segment */
	enum right rights; /* the client needs one of them, or none */
	enum route_over over;
	enum body_kind body;
	void (*handle)(struct conn *c, struct request *r);
	enum op_kind operation; /* for a WRITE_ROUTE */
};

/*
 * Finds the route, and sets r->route and r->params.  False: *problem is a 404, or a 405 with *allow
 * filled.
 */
bool router_find(struct request *r, struct buf *allow, struct problem *problem);

/* Lists the methods of a path; `reads`: only those that the right `watch` is enough for. */
void router_list_methods(const struct request *r, bool reads, struct buf *list);
/* Whether the right `watch` is enough for this request, or none is needed. */
bool router_only_reads(const struct request *r);

/* Whether the path of a route begins with this segment. */
bool router_has_segment(struct slice segment);

/* Checks the type of the body, and calls the function of the route. */
void router_dispatch(struct conn *c, struct request *r);

#define ROUTE(method, path, rights, over, body, function)                                          \
	void function(struct conn *c, struct request *r);
#define WRITE_ROUTE(method, path, rights, over, body, operation)
#include "routes.def"
#undef ROUTE
#undef WRITE_ROUTE

#endif
