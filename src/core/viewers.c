#include "viewers.h"

#include <stdlib.h>

#include "joblight/base/hash.h"
#include "joblight/core/credential.h"

struct viewer {
	char identity[IDENTITY_MAX + 1];
	unsigned subscriptions;
	UT_hash_handle hh;
};

struct viewer *viewers_join(struct viewer **all, const char *identity, bool *is_new)
{
	struct viewer *v;

	HASH_FIND_STR(*all, identity, v);
	*is_new = !v;
	if (!v) {
		v = xcalloc(1, sizeof(*v));
		memcpy(v->identity, identity, strlen(identity) + 1);
		HASH_ADD_STR(*all, identity, v);
	}
	v->subscriptions++;
	return v;
}

bool viewers_leave(struct viewer **all, struct viewer *v)
{
	if (--v->subscriptions)
		return false;
	HASH_DEL(*all, v);
	free(v);
	return true;
}

const char *viewer_identity(const struct viewer *v)
{
	return v->identity;
}
