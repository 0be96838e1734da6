/* The connections of one loop by their ids, which are never used twice. */
#ifndef JOBLIGHT_NET_CONNECTION_TABLE_H
#define JOBLIGHT_NET_CONNECTION_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct conn;

struct connection_slot {
	struct conn *conn; /* NULL: free */
	uint32_t generation;
	uint32_t next_free;
};

struct connection_table {
	struct connection_slot *slots;
	uint32_t slot_count, first_free;
	size_t count; /* of connections */
	size_t moves; /* connections that came or left; the user sets it back */
};

void connection_table_init(struct connection_table *t);
void connection_table_finish(struct connection_table *t);

uint64_t connection_table_add(struct connection_table *t, struct conn *c); /* returns its id */
void connection_table_remove(struct connection_table *t, uint64_t id);
struct conn *connection_table_find(const struct connection_table *t, uint64_t id); /* NULL: gone */
/* Calls `visit` for each; it may remove connections and add some. */
void connection_table_each(struct connection_table *t, void (*visit)(struct conn *c));

#endif
