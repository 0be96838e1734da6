#include "router.h"

#include "body_type.h"
#include "write.h"

static const struct route routes[] = {
#define ROUTE(method, path, rights, over, body, function)                                          \
	{ METHOD_##method, path, RIGHT_##rights, OVER_##over, body, function, OP_KIND_COUNT },
#define WRITE_ROUTE(method, path, rights, over, body, operation)                                   \
	{ METHOD_##method, path, RIGHT_##rights, OVER_##over, body, write_run, OP_##operation },
#include "routes.def"
#undef ROUTE
#undef WRITE_ROUTE
};

#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))

static struct slice segment(const char **at, const char *end)
{
	const char *start = ++*at; /* after the slash */

	while (*at < end && **at != '/')
		(*at)++;
	return (struct slice){ start, (size_t)(*at - start) };
}

/*
 * Compares segment by segment.  A route ends with its last segment, or with a star that matches the
 * rest of the path.
 */
static bool matches(const struct route *route, struct slice path,
                    struct slice params[REQUEST_PARAMS])
{
	const char *want = route->path, *want_end = want + strlen(want);
	const char *got = path.ptr, *got_end = path.ptr + path.len;
	int count = 0;

	while (want < want_end && got < got_end) {
		struct slice w = segment(&want, want_end), g = segment(&got, got_end);
		if (slice_is(w, "*"))
			return true;
		if (w.len && w.ptr[0] == ':' && g.len)
			params[count++] = g;
		else if (w.len != g.len || memcmp(w.ptr, g.ptr, w.len) != 0)
			return false;
	}
	return want == want_end && got == got_end;
}

bool router_has_segment(struct slice first)
{
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		const char *at = routes[i].path;
		struct slice own = segment(&at, at + strlen(at));
		if (own.len == first.len && memcmp(own.ptr, first.ptr, own.len) == 0)
			return true;
	}
	return false;
}

static bool is_catch_all(const struct route *route)
{
	return strcmp(route->path, "/*") == 0;
}

static void list_method(struct buf *list, enum method m)
{
	buf_format(list, "%s%s%s", list->len ? ", " : "", method_text(m),
	           m == METHOD_GET ? ", HEAD" : "");
}

/* Lists the methods of a path.  False: no route has this path. */
static bool list_allowed(const struct request *r, struct buf *allow)
{
	struct slice params[REQUEST_PARAMS];

	for (size_t i = 0; i < ROUTE_COUNT; i++)
		if (!is_catch_all(&routes[i]) && matches(&routes[i], r->path, params))
			list_method(allow, routes[i].method);
	return allow->len > 0;
}

static bool only_reads(const struct route *route)
{
	return route->method == METHOD_GET && !(route->rights & ~(unsigned)RIGHT_WATCH);
}

void router_list_methods(const struct request *r, bool reads, struct buf *list)
{
	struct slice params[REQUEST_PARAMS];

	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		if (is_catch_all(&routes[i]) && list->len)
			break;
		if (matches(&routes[i], r->path, params) && (!reads || only_reads(&routes[i])))
			list_method(list, routes[i].method);
	}
}

bool router_only_reads(const struct request *r)
{
	return r->route ? only_reads(r->route)
	                : r->method == METHOD_GET || r->method == METHOD_OPTIONS;
}

/* The page of a job accepts any text as an id, because people type it. */
static bool check_params(struct request *r, struct problem *problem)
{
	if (r->route->handle == pages_job)
		return true;
	for (int i = 0; i < REQUEST_PARAMS; i++)
		if (r->params[i].ptr && !id_valid(r->params[i]))
			return problem_set(problem, OUTCOME_INVALID_ID,
			                   "an id is 1 to 128 of A-Z a-z 0-9 . _ ~ - and begins "
			                   "with a letter or digit");
	return true;
}

bool router_find(struct request *r, struct buf *allow, struct problem *problem)
{
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		struct slice params[REQUEST_PARAMS] = { { 0 } };
		if (routes[i].method != r->method || !matches(&routes[i], r->path, params))
			continue;
		if (is_catch_all(&routes[i]) && list_allowed(r, allow))
			break; /* an API path exists with another method */
		r->route = &routes[i];
		memcpy(r->params, params, sizeof(params));
		return check_params(r, problem);
	}
	if (allow->len || list_allowed(r, allow))
		return problem_set(problem, OUTCOME_METHOD_NOT_ALLOWED, "this path allows %s",
		                   buf_string(allow));
	return problem_set(problem, OUTCOME_NOT_FOUND, "there is nothing at this path");
}

static const char *const body_types[] = {
	[BODY_JSON] = "application/json",
	[BODY_JSON_OR_FORM] = "application/json or application/x-www-form-urlencoded",
	[BODY_NDJSON] = "application/x-ndjson",
};

void router_dispatch(struct conn *c, struct request *r)
{
	if (body_type_is_allowed(r))
		r->route->handle(c, r);
	else
		reply_refuse(c, OUTCOME_UNSUPPORTED_MEDIA_TYPE, "send Content-Type: %s",
		             body_types[r->route->body]);
}
