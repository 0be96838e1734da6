/*
 * What a Redis answers to ROLE.  A replica delivers what its master publishes, but what is
 * published on the replica goes no further, so that a node must not stay there: it goes on to the
 * master. Thread of the bus.
 */
#ifndef JOBLIGHT_BUS_REDIS_ROLE_H
#define JOBLIGHT_BUS_REDIS_ROLE_H

#include "redis_resolver.h"

struct redisReply;

enum redis_role_kind { REDIS_MASTER, REDIS_REPLICA, REDIS_SENTINEL };

struct redis_role {
	enum redis_role_kind kind;
	/* Those that are given as numbers: the replicas of a master, the master of a replica. */
	struct redis_addresses others;
	/* The name of the master that a Sentinel watches; empty: it watches none, or several. */
	char watched[64];
};

/* False: the reply is of another command. */
bool redis_role_read(struct redis_role *role, const struct redisReply *reply);
/* The reply of a Sentinel that was asked for the address of a master.  False: it is none. */
bool redis_role_read_address(struct redis_addresses *a, const struct redisReply *reply);
/* Whether the text of an error says that ROLE is not known, or not allowed. */
bool redis_role_is_refused(const char *error);

#endif
