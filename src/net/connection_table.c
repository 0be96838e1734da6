#include "connection_table.h"

#include <stdlib.h>

#include "joblight/base/xalloc.h"

#define NONE UINT32_MAX

void connection_table_init(struct connection_table *t)
{
	*t = (struct connection_table){ .first_free = NONE };
}

void connection_table_finish(struct connection_table *t)
{
	free(t->slots);
}

static void grow(struct connection_table *t)
{
	uint32_t count = t->slot_count ? t->slot_count * 2 : 64;

	t->slots = xrealloc(t->slots, count * sizeof(*t->slots));
	for (uint32_t i = count; i-- > t->slot_count;) {
		t->slots[i] = (struct connection_slot){ .generation = 1,
			                                .next_free = t->first_free };
		t->first_free = i;
	}
	t->slot_count = count;
}

uint64_t connection_table_add(struct connection_table *t, struct conn *c)
{
	if (t->first_free == NONE)
		grow(t);
	uint32_t index = t->first_free;
	struct connection_slot *s = &t->slots[index];
	t->first_free = s->next_free;
	s->conn = c;
	t->count++;
	t->moves++;
	return (uint64_t)s->generation << 32 | index;
}

void connection_table_remove(struct connection_table *t, uint64_t id)
{
	uint32_t index = (uint32_t)id;
	struct connection_slot *s = &t->slots[index];

	s->conn = NULL;
	s->generation++;
	s->next_free = t->first_free;
	t->first_free = index;
	t->count--;
	t->moves++;
}

struct conn *connection_table_find(const struct connection_table *t, uint64_t id)
{
	uint32_t index = (uint32_t)id;

	if (index >= t->slot_count || t->slots[index].generation != (uint32_t)(id >> 32))
		return NULL;
	return t->slots[index].conn;
}

void connection_table_each(struct connection_table *t, void (*visit)(struct conn *c))
{
	for (uint32_t i = 0; i < t->slot_count; i++)
		if (t->slots[i].conn)
			visit(t->slots[i].conn);
}
