#include "reach.h"

#include <stdio.h>

#include "joblight/base/log.h"

static bool check_address(const struct config *c, const struct listen *l)
{
	char name[LISTEN_NAME_MAX];

	if (l->local)
		return true;
	listen_name(l, name);
	if (!c->insecure) {
		fprintf(
		    stderr,
		    "joblight: %s is not a loopback address and there are no keys: anybody who can "
		    "reach it could write.\n"
		    "Make a key with `joblight key create`, listen on 127.0.0.1, or pass "
		    "--insecure\n",
		    l->host);
		return false;
	}
	log_warn("anybody who can reach this address can read and write: --insecure", "listen",
	         name);
	return true;
}

bool reach_check(const struct config *c, const struct listens *listens)
{
	for (unsigned i = 0; i < listens->count; i++)
		if (!check_address(c, &listens->items[i]))
			return false;
	return true;
}

void reach_warn_of_operators(const struct listens *listens)
{
	char name[LISTEN_NAME_MAX];

	for (unsigned i = 0; i < listens->count; i++) {
		const struct listen *l = &listens->items[i];
		if (l->local || !l->operators)
			continue;
		listen_name(l, name);
		log_warn("anybody who can reach this address can read the metrics: operators",
		         "listen", name);
	}
}

bool reach_is_local(const struct listens *listens)
{
	bool local = true;

	for (unsigned i = 0; i < listens->count; i++)
		local = local && listens->items[i].local;
	return local;
}
