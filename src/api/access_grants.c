#include "access_grants.h"

#include "joblight/base/xalloc.h"
#include "net/connection.h"

static struct credential *anybody(void)
{
	struct access_key_row row = { .rights = RIGHT_ALL,
		                      .name = xstrdup(""),
		                      .jobs = xstrdup("*") };

	return credential_create(&row);
}

struct credential *grant_part(const struct conn *c, enum right rights, const char *job_id,
                              int64_t expires)
{
	struct credential *open = c->credential ? NULL : anybody();
	struct credential *part = credential_narrow(open ? open : c->credential, rights, job_id,
	                                            expires);

	credential_release(open);
	return part;
}
