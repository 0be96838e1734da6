#include "imports.h"

#include <stdlib.h>

#include "joblight/base/xalloc.h"

static struct import *import_at(struct list *link)
{
	return container_of(link, struct import, link);
}

struct import *imports_find(struct engine *e, const struct op *op)
{
	for (struct list *at = e->imports.next; at != &e->imports; at = at->next) {
		struct import *i = import_at(at);
		if (!i->done && i->loop == op->loop && i->connection == op->reply_to)
			return i;
	}
	return NULL;
}

static void forget(struct import *i)
{
	list_remove(&i->link);
	job_import_free(i->job);
	free(i);
}

void imports_touch(struct import *i)
{
	if (!i->touched)
		job_import_save(i->job);
	i->touched = true;
}

bool imports_drop(struct engine *e, struct import *i)
{
	imports_touch(i);
	i->done = true;
	return !store_failed(e, job_import_drop(i->job));
}

/* Those whose client has not sent anything for long. */
static bool drop_idle(struct engine *e)
{
	for (struct list *at = e->imports.next; at != &e->imports; at = at->next) {
		struct import *i = import_at(at);
		if (!i->done && e->steady - i->used > IMPORT_IDLE_MS && !imports_drop(e, i))
			return false;
	}
	return true;
}

static unsigned in_progress(struct engine *e)
{
	unsigned count = 0;

	for (struct list *at = e->imports.next; at != &e->imports; at = at->next)
		count += !import_at(at)->done;
	return count;
}

struct import *imports_begin(struct engine *e, struct op *op)
{
	enum store_result r;

	if (!drop_idle(e))
		return NULL;
	if (in_progress(e) >= IMPORTS_MAX) {
		problem_set(&op->problem, OUTCOME_OVERLOADED,
		            "%d imports are in progress; try again in a moment", IMPORTS_MAX);
		return NULL;
	}
	struct job_import *job = job_import_begin(e->store, op->job_id, &r);
	if (store_failed(e, r))
		return NULL;
	struct import *i = xcalloc(1, sizeof(*i));
	i->loop = op->loop;
	i->connection = op->reply_to;
	i->job = job;
	i->begun = i->touched = true;
	list_append(&e->imports, &i->link);
	return i;
}

void imports_committed(struct engine *e)
{
	for (struct list *at = e->imports.next, *next; at != &e->imports; at = next) {
		struct import *i = import_at(at);
		next = at->next;
		if (i->done)
			forget(i);
		else
			i->begun = i->touched = false;
	}
}

void imports_rolled_back(struct engine *e)
{
	for (struct list *at = e->imports.next, *next; at != &e->imports; at = next) {
		struct import *i = import_at(at);
		next = at->next;
		if (i->begun) { /* it has left no trace */
			forget(i);
			continue;
		}
		if (i->touched)
			job_import_restore(i->job);
		i->touched = i->done = false;
	}
}

void imports_free(struct engine *e)
{
	while (!list_empty(&e->imports))
		forget(import_at(e->imports.next));
}
