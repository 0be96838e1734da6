#include "operator.h"

#include "context.h"
#include "joblight/core/credential.h"
#include "origin_check.h"

/* Under a name that is not served, a foreign page could read the answer (DNS rebinding). */
static bool is_own_page(const struct conn *c, const struct request *r)
{
	const struct origin_rules *rules = &api_of(c)->origin_rules;
	struct slice host = r->headers[HEADER_HOST];

	return (listen_is_unix(c->listen) || !host.len || origin_serves_host(rules->hosts, host)) &&
	       origin_is_trusted(rules, r);
}

/* A proxy passes the name that its clients use, or says whose request it is. */
static bool is_of_this_machine(const struct conn *c, const struct request *r)
{
	return c->address.family == ADDRESS_IP && client_address_is_loopback(&c->address) &&
	       !c->by_proxy && !r->headers[HEADER_X_FORWARDED_FOR].ptr &&
	       !r->headers[HEADER_X_FORWARDED_PROTO].ptr &&
	       origin_host_is_loopback(r->headers[HEADER_HOST]);
}

/*
 * With keys, the gate does not look at Host and Origin, because a page has no key.  Listed origins
 * are for pages that show jobs.
 */
static bool is_at_their_listener(const struct conn *c, struct problem *problem)
{
	static const struct slices none;
	const struct origin_rules rules = { api_of(c)->origin_rules.hosts, &none };
	enum right rights;

	if (!c->listen->operators)
		return false;
	if (!origin_rights(&rules, c->request, listen_is_unix(c->listen), &rights, problem))
		return false;
	return ((rights & RIGHT_ADMIN) && is_own_page(c, c->request)) ||
	       origin_forbidden(c->request, problem);
}

bool operator_is_known(const struct conn *c, struct problem *problem)
{
	if (access_is_open(c->loop))
		return (c->rights & RIGHT_ADMIN) && is_own_page(c, c->request);
	if (c->credential && (c->rights & RIGHT_ADMIN) && credential_covers(c->credential, "*"))
		return true;
	return is_at_their_listener(c, problem);
}

bool operator_admits(const struct conn *c)
{
	struct problem problem = { 0 };
	bool known = operator_is_known(c, &problem);

	problem_finish(&problem);
	return known || (is_own_page(c, c->request) && is_of_this_machine(c, c->request));
}
