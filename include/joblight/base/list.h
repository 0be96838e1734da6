/*
 * An intrusive, circular, doubly linked list.  The head is a node like all others.  Removing a node
 * twice is harmless.
 */
#ifndef JOBLIGHT_BASE_LIST_H
#define JOBLIGHT_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

#define container_of(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void list_init(struct list *node)
{
	node->next = node->prev = node;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

static inline void list_append(struct list *head, struct list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

static inline void list_move(struct list *head, struct list *node)
{
	list_remove(node);
	list_append(head, node);
}

/* Moves the node into a sorted list, after its equals.  Looks from the end, where it mostly
 * belongs. */
static inline void list_move_sorted(struct list *head, struct list *node,
                                    bool (*is_later)(const struct list *a, const struct list *b))
{
	struct list *after;

	list_remove(node);
	for (after = head->prev; after != head && is_later(after, node); after = after->prev)
		;
	list_append(after->next, node);
}

#endif
