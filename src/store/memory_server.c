/* The rows of the server itself in the memory store: access keys, tokens, the clock. */
#include "memory.h"

#include "joblight/base/xalloc.h"

/* ---- access keys ---- */

enum store_result memory_access_key_put(struct store *base, const struct access_key_row *row)
{
	struct memory *m = memory_of(base);
	struct name name = name_of(ITEM_ACCESS_KEY, 0, row->id, ACCESS_KEY_ID_LEN);
	struct access_key_row *copy = xmalloc(sizeof *copy);

	*copy = *row;
	copy->name = xstrdup(row->name);
	copy->jobs = xstrdup(row->jobs);
	item_put(m, ITEM_ACCESS_KEY, &name, &m->access_keys, copy);
	return STORE_OK;
}

enum store_result memory_access_keys(struct store *base, access_key_visit *visit, void *context)
{
	struct memory *m = memory_of(base);
	bool any = false;

	for (struct list *node = m->access_keys.next; node != &m->access_keys; node = node->next) {
		const struct access_key_row *row = container_of(node, struct item, in_order)->row;
		if (!row)
			continue;
		any = true;
		if (!visit(context, row))
			break;
	}
	return any ? STORE_OK : STORE_NONE;
}

/* ---- the clock ---- */

enum store_result memory_clock_get(struct store *base, struct clock_row *row)
{
	*row = memory_of(base)->clock;
	return row->boot[0] ? STORE_OK : STORE_NONE;
}

enum store_result memory_clock_put(struct store *base, const struct clock_row *row)
{
	memory_of(base)->clock = *row;
	return STORE_OK;
}

/* ---- tokens ---- */

enum store_result memory_signing_key_get(struct store *base, struct signing_key_row *row)
{
	*row = memory_of(base)->signing_key;
	return row->id[0] ? STORE_OK : STORE_NONE;
}

enum store_result memory_signing_key_put(struct store *base, const struct signing_key_row *row)
{
	memory_of(base)->signing_key = *row;
	return STORE_OK;
}

enum store_result memory_revoked_token_put(struct store *base, const struct revoked_token_row *row)
{
	struct memory *m = memory_of(base);
	struct name name = name_of(ITEM_REVOKED_TOKEN, 0, row->id, strlen(row->id));
	const struct item *item = item_find(m, &name);

	if (item && item->row)
		return STORE_NONE;
	item_put(m, ITEM_REVOKED_TOKEN, &name, &m->revoked_tokens, xmemdup(row, sizeof *row));
	return STORE_OK;
}

enum store_result memory_revoked_tokens(struct store *base, revoked_token_visit *visit,
                                        void *context)
{
	struct memory *m = memory_of(base);
	bool any = false;

	for (struct list *node = m->revoked_tokens.next; node != &m->revoked_tokens;
	     node = node->next) {
		const struct revoked_token_row *row =
		    container_of(node, struct item, in_order)->row;
		if (!row)
			continue;
		any = true;
		if (!visit(context, row))
			break;
	}
	return any ? STORE_OK : STORE_NONE;
}

enum store_result memory_revoked_tokens_prune(struct store *base, int64_t before)
{
	struct memory *m = memory_of(base);

	for (struct list *node = m->revoked_tokens.next, *next; node != &m->revoked_tokens;
	     node = next) {
		struct item *item = container_of(node, struct item, in_order);
		const struct revoked_token_row *row = item->row;
		next = node->next;
		if (row && row->expires < before)
			item_drop(m, item);
	}
	return STORE_OK;
}

/* ---- what only several nodes need ---- */

enum store_result memory_keys_version(struct store *base, int64_t *version)
{
	(void)base;
	(void)version;
	return STORE_NONE;
}

enum store_result memory_used_ticket_put(struct store *base, const char *id, uint64_t keep_ms)
{
	(void)base;
	(void)id;
	(void)keep_ms;
	return STORE_OK;
}

enum store_result memory_used_ticket_get(struct store *base, const char *id)
{
	(void)base;
	(void)id;
	return STORE_OK;
}

enum store_result memory_used_ticket_delete(struct store *base, const char *id)
{
	(void)base;
	(void)id;
	return STORE_OK;
}

enum store_result memory_lease_take(struct store *base, const char *name, uint64_t ms)
{
	(void)base;
	(void)name;
	(void)ms;
	return STORE_OK;
}
