/* The connections of one loop by their ids, which are never used twice. */
#ifndef JOBLIGHT_NET_CONNECTION_TABLE_H
#define JOBLIGHT_NET_CONNECTION_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct conn;

struct connection_slot {
	struct conn *conn; /* NULL if free */
	uint32_t generation;
	uint32_t next_free;
};

struct connection_table {
	struct connection_slot *slots;
	uint32_t slot_count, first_free;
	size_t count; /* number of connections */
	size_t moves; /* connections added or removed since the user set it to 0 */
};

void connection_table_init(struct connection_table *t);
void connection_table_finish(struct connection_table *t);

uint64_t connection_table_add(struct connection_table *t, struct conn *c); /* returns the new id */
void connection_table_remove(struct connection_table *t, uint64_t id);
struct conn *connection_table_find(const struct connection_table *t,
                                   uint64_t id); /* NULL if it has gone */
/* Calls `visit` for each connection; `visit` may add and remove connections. */
void connection_table_each(struct connection_table *t, void (*visit)(struct conn *c));

#endif
