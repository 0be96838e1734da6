#include "redis_role.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static bool is_text(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING;
}

/* A number may come as a text. */
static int port_of(const redisReply *reply)
{
	if (reply->type == REDIS_REPLY_INTEGER)
		return reply->integer > 0 && reply->integer < 65536 ? (int)reply->integer : 0;
	return is_text(reply) ? atoi(reply->str) : 0;
}

/* A Redis may announce itself by a name, which is not looked up. */
static bool add(struct redis_addresses *a, const redisReply *host, const redisReply *port)
{
	struct sockaddr_storage *next = &a->items[a->count];
	int number = port_of(port);

	if (a->count == REDIS_ADDRESSES_MAX || !is_text(host) || number <= 0 ||
	    (uv_ip4_addr(host->str, number, (struct sockaddr_in *)next) &&
	     uv_ip6_addr(host->str, number, (struct sockaddr_in6 *)next)))
		return false;
	a->count++;
	return true;
}

static void read_replicas(struct redis_role *role, const redisReply *list)
{
	for (size_t i = 0; list->type == REDIS_REPLY_ARRAY && i < list->elements; i++) {
		const redisReply *replica = list->element[i];
		if (replica->type == REDIS_REPLY_ARRAY && replica->elements >= 2)
			add(&role->others, replica->element[0], replica->element[1]);
	}
}

static void read_names(struct redis_role *role, const redisReply *list)
{
	if (list->type == REDIS_REPLY_ARRAY && list->elements == 1 && is_text(list->element[0]) &&
	    strlen(list->element[0]->str) < sizeof(role->watched))
		snprintf(role->watched, sizeof(role->watched), "%s", list->element[0]->str);
}

bool redis_role_read(struct redis_role *role, const redisReply *reply)
{
	*role = (struct redis_role){ 0 };
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2 || !is_text(reply->element[0]))
		return false;
	const char *kind = reply->element[0]->str;
	if (strcmp(kind, "master") == 0 && reply->elements >= 3) {
		role->kind = REDIS_MASTER;
		read_replicas(role, reply->element[2]);
	} else if (strcmp(kind, "slave") == 0 && reply->elements >= 3) {
		role->kind = REDIS_REPLICA;
		add(&role->others, reply->element[1], reply->element[2]);
	} else if (strcmp(kind, "sentinel") == 0) {
		role->kind = REDIS_SENTINEL;
		read_names(role, reply->element[1]);
	} else {
		return false;
	}
	return true;
}

bool redis_role_read_address(struct redis_addresses *a, const redisReply *reply)
{
	a->count = 0;
	return reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
	       add(a, reply->element[0], reply->element[1]);
}

bool redis_role_is_refused(const char *error)
{
	return strcasestr(error, "'role'") || strcasestr(error, "`role`");
}
