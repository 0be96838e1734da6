/*
 * The jobs that the copy has already: those of a copy that was interrupted, or was made before the
 * original went on.  Nothing is written unless all of them are, or were, jobs of the original;
 * those that were are then removed.
 */
#include <stdlib.h>
#include <string.h>

#include "copying.h"
#include "joblight/base/xalloc.h"

#define PAGE_JOBS 256

enum fate {
	FATE_UNKNOWN, /* the original does not have it */
	FATE_KEPT,    /* it has it */
	FATE_DELETED, /* it had it */
	FATE_AHEAD,   /* it has it, with fewer events */
};

/* A page of jobs of the copy, the newest first. */
struct page {
	struct job_row rows[PAGE_JOBS]; /* without texts */
	char ids[PAGE_JOBS][ID_MAX + 1];
	enum fate fates[PAGE_JOBS];
	size_t count;
};

static bool keep_job(void *context, const struct job_row *row)
{
	struct page *p = context;

	p->rows[p->count] = *row;
	p->rows[p->count].title = p->rows[p->count].metadata = NULL;
	memcpy(p->ids[p->count], row->id, sizeof(row->id));
	p->fates[p->count++] = FATE_UNKNOWN;
	return true;
}

static bool compare_head(void *context, const struct job_head *head)
{
	struct page *p = context;
	size_t i = 0;

	while (i < p->count && strcmp(p->ids[i], head->job_id) != 0)
		i++;
	if (i < p->count && strcmp(p->rows[i].epoch, head->epoch) == 0)
		p->fates[i] = p->rows[i].seq > head->seq ? FATE_AHEAD : FATE_KEPT;
	return true;
}

/* Whether the original remembers that it has deleted the job. */
static enum store_result look_for_deletion(struct copying *c, const struct job_row *row,
                                           enum fate *fate)
{
	char key[KEY_MAX + 1];
	struct idempotency_row answer = { .time = 0 };

	deleted_key(row->epoch, key);
	enum store_result r = c->from->ops->idempotency_get(c->from, row->id, key, &answer);
	if (r == STORE_OK)
		*fate = FATE_DELETED;
	free(answer.body);
	return r == STORE_NONE ? STORE_OK : r;
}

static bool set_fates(struct copying *c, struct page *p)
{
	enum store_result r = c->from->ops->job_heads(c->from, p->ids, p->count, compare_head, p);

	if (r == STORE_NONE)
		r = STORE_OK;
	for (size_t i = 0; i < p->count && r == STORE_OK; i++)
		if (p->fates[i] == FATE_UNKNOWN)
			r = look_for_deletion(c, &p->rows[i], &p->fates[i]);
	return r == STORE_OK || copy_read_failed(c);
}

/* The jobs below this key; *below is 0 after the last page. */
static bool read_page(struct copying *c, int64_t *below, struct page *p)
{
	struct store *s = c->back;
	enum store_result r = s->ops->begin(s);

	p->count = 0;
	if (r == STORE_OK)
		r = s->ops->jobs(s, -1, *below, PAGE_JOBS, keep_job, p);
	bool ok = r == STORE_OK || r == STORE_NONE || copy_back_failed(c);
	s->ops->rollback(s);
	*below = p->count == PAGE_JOBS ? p->rows[p->count - 1].key : 0;
	return ok && set_fates(c, p);
}

static void refuse_page(struct copying *c, const struct page *p)
{
	for (size_t i = 0; i < p->count; i++) {
		if (p->fates[i] == FATE_AHEAD)
			copy_fault(c, p->ids[i],
			           "the copy has events that the original does not have");
		if (p->fates[i] == FATE_UNKNOWN)
			copy_fault(c, p->ids[i],
			           "the copy has it, and it is no job of the original");
	}
}

static enum store_result remove_page(struct store *s, const struct page *p)
{
	enum store_result r = s->ops->begin(s);

	for (size_t i = 0; i < p->count && r == STORE_OK; i++)
		if (p->fates[i] == FATE_DELETED)
			r = s->ops->job_delete(s, &p->rows[i]);
	if (r == STORE_OK)
		r = s->ops->commit(s);
	if (r != STORE_OK)
		s->ops->rollback(s);
	return r;
}

static bool each_page(struct copying *c, bool removes)
{
	struct page *p = xcalloc(1, sizeof(*p));
	int64_t below = 0;
	bool ok;

	do {
		ok = read_page(c, &below, p);
		if (ok && removes)
			ok = remove_page(c->to, p) == STORE_OK || copy_write_failed(c);
		else if (ok)
			refuse_page(c, p);
		c->known += removes ? 0 : p->count;
	} while (ok && below > 1);
	free(p);
	return ok;
}

bool copy_known(struct copying *c)
{
	if (!each_page(c, false))
		return false;
	if (!c->faults)
		return true;
	fprintf(stderr,
	        "joblight: %s: it has been used; copy into another database that is empty\n",
	        c->to_name);
	return false;
}

bool copy_known_remove(struct copying *c)
{
	return !c->known || each_page(c, true);
}
