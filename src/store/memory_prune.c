/* What removes rows of the memory store. */
#include "memory.h"

static void sweep(struct memory *m, struct list *group, size_t *budget)
{
	for (struct list *node = group->next; node != group && *budget; node = node->next) {
		struct item *item = container_of(node, struct item, in_order);
		if (!item->row)
			continue;
		item_drop(m, item);
		--*budget;
	}
}

static void sweep_answers(struct memory *m, struct list *group, size_t *budget)
{
	for (struct list *node = group->next; node != group && *budget; node = node->next) {
		struct item *item = &container_of(node, struct answer, of_job)->item;
		if (!item->row)
			continue;
		item_drop(m, item);
		--*budget;
	}
}

static bool job_is_empty(const struct job *job)
{
	return list_empty(&job->tasks) && list_empty(&job->deliverables) &&
	       list_empty(&job->events) && list_empty(&job->answers);
}

/* Freeing a job without rows is not a step of the transaction, because nobody can see it.  It is
 * counted as a row, as the mark of a deleted job is in SQLite. */
static void sweep_deleted(struct memory *m, size_t *budget)
{
	for (struct list *node = m->deleted.next, *next; node != &m->deleted && *budget;
	     node = next) {
		struct job *job = container_of(node, struct job, item.in_order);
		next = node->next;
		sweep(m, &job->tasks, budget);
		sweep(m, &job->deliverables, budget);
		sweep(m, &job->events, budget);
		sweep_answers(m, &job->answers, budget);
		if (!job_is_empty(job))
			continue;
		job_forget(m, job);
		--*budget;
	}
}

static void prune_answers(struct memory *m, int64_t before, size_t *budget)
{
	for (struct list *node = m->answers.next; node != &m->answers && *budget;
	     node = node->next) {
		struct item *item = container_of(node, struct item, in_order);
		const struct idempotency_row *row = item->row;
		if (!row || row->time >= before)
			continue;
		item_drop(m, item);
		--*budget;
	}
}

static void prune_days(struct memory *m, int64_t before, size_t *budget)
{
	for (struct list *node = m->job_days.next; node != &m->job_days && *budget;
	     node = node->next) {
		struct item *item = container_of(node, struct item, in_order);
		const struct job_day_row *row = item->row;
		if (!row || row->day >= before)
			continue;
		item_drop(m, item);
		--*budget;
	}
}

static uint64_t bytes_kept(const struct job_row *row)
{
	return row->bytes > row->pruned ? row->bytes - row->pruned : 0;
}

/* Removes events below `first`, while more than `bytes` are kept. */
static void prune_events(struct memory *m, struct job *job, uint64_t first, uint64_t bytes,
                         size_t *budget)
{
	struct job_row row = *(struct job_row *)job->item.row;

	for (struct list *node = job->events.next; node != &job->events && *budget;
	     node = node->next) {
		struct item *item = container_of(node, struct item, in_order);
		const struct event_row *event = item->row;
		if (!event)
			continue;
		if (event->seq >= first || (bytes && bytes_kept(&row) <= bytes))
			break;
		row.first = event->seq + 1;
		row.pruned += event->json.len;
		item_drop(m, item);
		--*budget;
	}
	if (row.first != ((struct job_row *)job->item.row)->first)
		memory_job_set(m, job, &row);
}

static const struct job_row *ended_row(const struct job *job)
{
	const struct job_row *row = job ? job->item.row : NULL;

	return row && row->ended && !memory_job_is_hidden(job) ? row : NULL;
}

/* The rules one after another, because each looks at what the one before has left. */
static void prune_log(struct memory *m, struct job *job, const struct prune_limits *l,
                      size_t *budget)
{
	const struct job_row *row = ended_row(job);
	uint64_t max = l->max_events ? l->max_events : 1;

	if (job_kept_since(row) < l->logs_before)
		prune_events(m, job, row->seq, 0, budget);
	row = ended_row(job);
	if (row->seq >= max)
		prune_events(m, job, row->seq - max + 1, 0, budget);
	row = ended_row(job);
	if (bytes_kept(row) > l->max_bytes)
		prune_events(m, job, row->seq, l->max_bytes ? l->max_bytes : 1, budget);
}

enum store_result memory_prune(struct store *base, const struct prune_limits *limits, size_t budget)
{
	struct memory *m = memory_of(base);
	size_t left = budget;

	sweep_deleted(m, &left);
	prune_answers(m, limits->keys_before, &left);
	prune_days(m, limits->days_before, &left);
	for (int64_t key = 1; key <= (int64_t)m->job_count && left; key++) {
		struct job *job = memory_job_at(m, key);
		if (ended_row(job))
			prune_log(m, job, limits, &left);
	}
	return left == budget ? STORE_NONE : STORE_OK;
}

enum store_result memory_prune_oldest(struct store *base, size_t budget)
{
	struct memory *m = memory_of(base);
	struct job *oldest = NULL;

	for (int64_t key = 1; key <= (int64_t)m->job_count; key++) {
		struct job *job = memory_job_at(m, key);
		const struct job_row *row = ended_row(job);
		if (row && row->first < row->seq &&
		    (!oldest || job_kept_since(row) < job_kept_since(oldest->item.row)))
			oldest = job;
	}
	if (!oldest)
		return STORE_NONE;
	prune_events(m, oldest, ended_row(oldest)->seq, 0, &budget);
	return STORE_OK;
}

static uint64_t prunable_events(const struct job_row *row, const struct prune_limits *l)
{
	uint64_t max = l->max_events ? l->max_events : 1;

	if (job_kept_since(row) < l->logs_before)
		return row->seq - row->first;
	return row->seq - row->first >= max ? row->seq - row->first + 1 - max : 0;
}

enum store_result memory_prunable(struct store *base, const struct prune_limits *limits,
                                  size_t limit, uint64_t *rows)
{
	struct memory *m = memory_of(base);

	*rows = 0;
	for (struct list *node = m->deleted.next; node != &m->deleted; node = node->next)
		++*rows;
	for (struct list *node = m->answers.next; node != &m->answers && *rows < limit;
	     node = node->next) {
		const struct idempotency_row *row = container_of(node, struct item, in_order)->row;
		*rows += row && row->time < limits->keys_before;
	}
	for (struct list *node = m->job_days.next; node != &m->job_days && *rows < limit;
	     node = node->next) {
		const struct job_day_row *row = container_of(node, struct item, in_order)->row;
		*rows += row && row->day < limits->days_before;
	}
	for (int64_t key = 1; key <= (int64_t)m->job_count; key++) {
		const struct job_row *row = ended_row(memory_job_at(m, key));
		*rows += row ? prunable_events(row, limits) : 0;
	}
	return STORE_OK;
}

/* ---- ended jobs ---- */

static const struct job_row *next_ended(struct memory *m, const struct job_row *after,
                                        int64_t before)
{
	const struct job_row *found = NULL;

	for (int64_t key = 1; key <= (int64_t)m->job_count; key++) {
		const struct job_row *row = ended_row(memory_job_at(m, key));
		int64_t since = row ? job_kept_since(row) : 0;
		if (!row || since >= before || (found && since >= job_kept_since(found)))
			continue;
		if (!after || since > job_kept_since(after) ||
		    (since == job_kept_since(after) && key > after->key))
			found = row;
	}
	return found;
}

enum store_result memory_ended_jobs(struct store *base, int64_t before, size_t limit,
                                    ended_visit *visit, void *context)
{
	struct memory *m = memory_of(base);
	const struct job_row *row = NULL;
	size_t rows = 0;

	while (rows < limit && (row = next_ended(m, row, before))) {
		rows++;
		if (!visit(context, row->id))
			break;
	}
	return rows ? STORE_OK : STORE_NONE;
}

/* ---- space ---- */

enum store_result memory_space(struct store *base, struct store_space *space)
{
	*space = (struct store_space){ .used = memory_of(base)->event_bytes };
	return STORE_OK;
}

enum store_result memory_give_back(struct store *base, size_t pages)
{
	(void)base;
	(void)pages;
	return STORE_NONE;
}

/* ---- what only matters to several nodes ---- */

enum store_result memory_expect(struct store *base, const struct expected *rows)
{
	(void)base;
	(void)rows;
	return STORE_NONE;
}

enum store_result memory_now(struct store *base, int64_t *ms)
{
	(void)base;
	(void)ms;
	return STORE_NONE;
}
