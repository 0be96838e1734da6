/* The answers that are remembered for idempotency keys. */
#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "memory.h"

static struct name name_of_answer(const char *scope, const char *key)
{
	struct name n = { 1, { ITEM_ANSWER } };

	name_add(&n, scope, strlen(scope) + 1);
	name_add(&n, key, strlen(key));
	return n;
}

enum store_result memory_idempotency_get(struct store *base, const char *scope, const char *key,
                                         struct idempotency_row *row)
{
	struct name name = name_of_answer(scope, key);
	struct item *item = item_find(memory_of(base), &name);

	if (!item)
		return STORE_NONE;
	*row = *(struct idempotency_row *)item->row;
	row->body = own(row->body);
	return STORE_OK;
}

static int compare_answers(const void *a, const void *b)
{
	const struct idempotency_row *x = *(const struct idempotency_row *const *)a,
	                             *y = *(const struct idempotency_row *const *)b;
	int scopes = strcmp(x->scope, y->scope);

	return scopes ? scopes : strcmp(x->key, y->key);
}

/* Whether the walk of `scope` (NULL: of the lasting ones) has the row, which is after `from`. */
static bool answer_is_walked(const struct idempotency_row *row, const char *scope,
                             const struct idempotency_row *from)
{
	bool of_job = row->scope[0] == '#';

	return (scope ? strcmp(row->scope, scope) == 0 : !of_job) &&
	       compare_answers(&row, &from) > 0;
}

/* Sorts them for each walk: they are kept in the order in which they were put. */
static enum store_result walk_answers(struct memory *m, const char *scope,
                                      const struct idempotency_row *from, size_t limit,
                                      idempotency_visit *visit, void *context)
{
	const struct idempotency_row **rows = NULL;
	size_t count = 0, visited = 0;

	for (struct list *node = m->answers.next; node != &m->answers; node = node->next) {
		const struct idempotency_row *row = container_of(node, struct item, in_order)->row;
		if (!row || !answer_is_walked(row, scope, from))
			continue;
		rows = xrealloc(rows, (count + 1) * sizeof *rows);
		rows[count++] = row;
	}
	if (!rows)
		return STORE_NONE;
	qsort(rows, count, sizeof *rows, compare_answers);
	while (visited < count && visited < limit)
		if (!visit(context, rows[visited++]))
			break;
	free(rows);
	return visited ? STORE_OK : STORE_NONE;
}

static struct idempotency_row row_before(const char *scope, const char *key)
{
	struct idempotency_row row = { .time = 0 };

	snprintf(row.scope, sizeof row.scope, "%s", scope);
	snprintf(row.key, sizeof row.key, "%s", key);
	return row;
}

enum store_result memory_answers(struct store *base, const char *scope, const char *key,
                                 size_t limit, idempotency_visit *visit, void *context)
{
	struct idempotency_row from = row_before(scope, key);

	return walk_answers(memory_of(base), scope, &from, limit, visit, context);
}

enum store_result memory_lasting_answers(struct store *base, const char *scope, const char *key,
                                         size_t limit, idempotency_visit *visit, void *context)
{
	struct idempotency_row from = row_before(scope, key);

	return walk_answers(memory_of(base), NULL, &from, limit, visit, context);
}

enum store_result memory_idempotency_put(struct store *base, const struct idempotency_row *row)
{
	struct memory *m = memory_of(base);
	struct name name = name_of_answer(row->scope, row->key);
	struct idempotency_row *copy = xmalloc(sizeof *copy);

	*copy = *row;
	copy->body = own(row->body);
	struct answer *answer = (struct answer *)item_put(m, ITEM_ANSWER, &name, &m->answers, copy);
	struct job *job = row->scope[0] == '#' ? memory_job_at(m, strtoll(row->scope + 1, NULL, 10))
	                                       : NULL;
	if (job)
		list_move(&job->answers, &answer->of_job);
	return STORE_OK;
}
