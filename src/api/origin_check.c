#include "origin_check.h"

#define SHOWN 80 /* a message shows at most so much of a name, in bytes */

static int shown(struct slice s)
{
	return (int)(s.len < SHOWN ? s.len : SHOWN);
}

/* Programs ask for these under whatever name they have. */
static bool is_health_check(const struct request *r)
{
	return slice_is(r->path, "/healthz") || slice_is(r->path, "/readyz");
}

static bool check_host(const struct origin_rules *rules, const struct request *r,
                       struct problem *problem)
{
	struct slice host = r->headers[HEADER_HOST];

	if (!host.len || origin_serves_host(rules->hosts, host) || is_health_check(r))
		return true;
	return problem_set(
	    problem, OUTCOME_HOST_NOT_SERVED,
	    "the name in Host, \"%.*s\", is not served: start joblight with --host NAME "
	    "for it, or use localhost or an address",
	    shown(host), host.ptr);
}

/*
 * The browser says in Sec-Fetch-Site which site the page belongs to.  Without that header, the
 * origin of the page is compared with Host.
 */
static bool is_of_this_server(const struct request *r)
{
	struct slice site = r->headers[HEADER_SEC_FETCH_SITE], origin = r->headers[HEADER_ORIGIN];

	if (site.len)
		return slice_is(site, "same-origin") || slice_is(site, "none");
	return !origin.len || origin_is_of_host(origin, r->headers[HEADER_HOST]);
}

bool origin_is_trusted(const struct origin_rules *rules, const struct request *r)
{
	return is_of_this_server(r) || origin_is_listed(rules->origins, r->headers[HEADER_ORIGIN]);
}

bool origin_may_connect(const struct origin_rules *rules, const struct request *r)
{
	return origin_is_trusted(rules, r) || origin_any_may_read(rules->origins);
}

bool origin_rights(const struct origin_rules *rules, const struct request *r, bool any_host,
                   enum right *rights, struct problem *problem)
{
	*rights = RIGHT_NONE;
	if (!any_host && !check_host(rules, r, problem))
		return false;
	/* a browser hides the answers from a foreign page */
	*rights = origin_is_trusted(rules, r) ? RIGHT_ALL : RIGHT_WATCH;
	return true;
}

bool origin_forbidden(const struct request *r, struct problem *problem)
{
	struct slice origin = r ? r->headers[HEADER_ORIGIN] : (struct slice){ 0 };

	return problem_set(
	    problem, OUTCOME_FORBIDDEN_ORIGIN,
	    "pages of %.*s may not do this: start joblight with --origin ORIGIN for it; a proxy "
	    "must pass Host unchanged",
	    origin.len ? shown(origin) : 13, origin.len ? origin.ptr : "other origins");
}
