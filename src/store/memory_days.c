/* The rows of days, in the order of days and jobs. */
#include "joblight/base/xalloc.h"
#include "memory.h"

static bool day_precedes(const struct job_day_row *a, int64_t day, int64_t job)
{
	return a->day < day || (a->day == day && a->job <= job);
}

/* Moves the item behind those of earlier days and jobs. */
static void day_place(struct memory *m, struct item *item)
{
	const struct job_day_row *row = item->row;
	struct list *before = item->in_order.prev;

	while (before != &m->job_days) {
		const struct job_day_row *other = container_of(before, struct item, in_order)->row;
		if (other && day_precedes(other, row->day, row->job))
			break;
		before = before->prev;
	}
	list_remove(&item->in_order);
	list_append(before->next, &item->in_order);
}

enum store_result memory_job_day_put(struct store *base, const struct job_day_row *row)
{
	struct memory *m = memory_of(base);
	struct name name = name_of(ITEM_JOB_DAY, row->job, &row->day, sizeof row->day);
	bool known = item_find(m, &name);
	struct item *item = item_put(m, ITEM_JOB_DAY, &name, &m->job_days,
	                             xmemdup(row, sizeof *row));

	if (!known)
		day_place(m, item);
	return STORE_OK;
}

enum store_result memory_job_days(struct store *base, int64_t day, int64_t job, size_t limit,
                                  job_day_visit *visit, void *context)
{
	struct memory *m = memory_of(base);
	size_t rows = 0;

	for (struct list *node = m->job_days.next; node != &m->job_days && rows < limit;
	     node = node->next) {
		const struct job_day_row *row = container_of(node, struct item, in_order)->row;
		if (!row || day_precedes(row, day, job))
			continue;
		rows++;
		if (!visit(context, row))
			break;
	}
	return rows ? STORE_OK : STORE_NONE;
}
