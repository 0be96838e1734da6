#include "joblight/core/job_copy.h"

#include <stdlib.h>

#include "joblight/base/xalloc.h"

enum part { PART_BEGIN, PART_EVENTS, PART_TASKS, PART_DELIVERABLES, PART_ANSWERS, PART_END };

struct job_copy {
	struct store *from;
	struct job_row row; /* of the job in `from`; owns its texts */
	struct job_row old; /* without texts; key 0: none */
	int64_t key;        /* in the other database */
	int64_t shift;
	enum part part; /* that is being written */
	bool hidden;    /* until the last piece */
	bool read_failed;
	uint64_t seq;             /* of the last event that was written */
	uint32_t position;        /* of the next task */
	uint32_t deliverables;    /* that were written */
	char answer[KEY_MAX + 1]; /* the key of the last one that was written */
};

struct job_copy *job_copy_begin(struct store *from, const struct job_row *row, int64_t shift,
                                const struct job_row *old)
{
	struct job_copy *c = xcalloc(1, sizeof(*c));

	c->from = from;
	c->row = *row;
	c->row.title = xstrdup(row->title);
	c->row.metadata = xstrdup(row->metadata);
	c->shift = shift;
	if (old)
		c->old = *old;
	return c;
}

void job_copy_free(struct job_copy *c)
{
	if (!c)
		return;
	job_row_finish(&c->row);
	free(c);
}

int64_t job_copy_key(const struct job_copy *c)
{
	return c->key;
}

bool job_copy_read_failed(const struct job_copy *c)
{
	return c->read_failed;
}

/* ---- how large it is ---- */

static bool count_answer(void *context, const struct idempotency_row *row)
{
	size_t *rows = context;

	(void)row;
	++*rows;
	return true;
}

enum store_result job_copy_fits(struct store *from, const struct job_row *row,
                                struct copy_room *room, bool *fits)
{
	uint64_t rows = row->seq - row->first + 2 + row->tasks + row->deliverables,
	         bytes = row->bytes - row->pruned;
	size_t answers = 0;
	char scope[ID_MAX + 1];

	*fits = rows <= room->rows && bytes <= room->bytes;
	if (!*fits)
		return STORE_OK;
	job_scope(row->key, scope);
	enum store_result r = from->ops->answers(from, scope, "", room->rows - rows + 1,
	                                         count_answer, &answers);
	*fits = rows + answers <= room->rows;
	if (*fits)
		*room = (struct copy_room){ room->rows - rows - answers, room->bytes - bytes };
	return r == STORE_NONE ? STORE_OK : r;
}

/* ---- one piece ---- */

struct piece {
	struct job_copy *copy;
	struct store *to;
	struct copy_room *room;    /* NULL: it has had its room */
	enum store_result written; /* the first failure of the writing session */
	bool full;
	uint32_t skip;
};

/* False: the walk is to end. */
static bool took(struct piece *p, enum store_result r, size_t bytes)
{
	struct copy_room *room = p->room;

	p->written = r;
	if (!room)
		return r == STORE_OK;
	room->rows -= room->rows > 0;
	room->bytes -= room->bytes > bytes ? bytes : room->bytes;
	p->full = !room->rows || !room->bytes;
	return r == STORE_OK && !p->full;
}

static bool put_event(void *context, const struct event_row *row)
{
	struct piece *p = context;

	p->copy->seq = row->seq;
	return took(p, p->to->ops->event_add(p->to, p->copy->key, row), row->json.len);
}

static bool put_task(void *context, const struct task_row *row)
{
	struct piece *p = context;
	struct task_row copy = *row;

	if (copy.stall_at)
		copy.stall_at += p->copy->shift;
	p->copy->position = row->position + 1;
	return took(p, p->to->ops->task_put(p->to, p->copy->key, &copy),
	            row->note ? strlen(row->note) : 0);
}

static bool put_deliverable(void *context, const struct deliverable_row *row)
{
	struct piece *p = context;

	if (p->skip) {
		p->skip--;
		return true;
	}
	p->copy->deliverables++;
	return took(p, p->to->ops->deliverable_put(p->to, p->copy->key, row),
	            row->url ? strlen(row->url) : 0);
}

static bool put_answer(void *context, const struct idempotency_row *row)
{
	struct piece *p = context;
	struct idempotency_row copy = *row;

	job_scope(p->copy->key, copy.scope);
	memcpy(p->copy->answer, row->key, sizeof(p->copy->answer));
	return took(p, p->to->ops->idempotency_put(p->to, &copy),
	            row->body ? strlen(row->body) : 0);
}

static enum store_result remove_old(const struct job_copy *c, struct store *to)
{
	return c->old.key ? to->ops->job_delete(to, &c->old) : STORE_OK;
}

static enum store_result put_job(struct job_copy *c, struct store *to)
{
	struct job_row row = c->row;
	enum store_result r = remove_old(c, to);

	row.key = 0;
	if (r == STORE_OK)
		r = to->ops->job_put(to, &row);
	c->key = row.key;
	return r;
}

static enum store_result begin(struct piece *p)
{
	struct job_copy *c = p->copy;

	c->hidden = p->room != NULL;
	return c->hidden ? p->to->ops->import_begin(p->to, &c->key) : put_job(c, p->to);
}

static enum store_result end(struct piece *p)
{
	struct job_copy *c = p->copy;
	struct job_row row = c->row;
	enum store_result r = c->hidden ? remove_old(c, p->to) : STORE_OK;

	return r == STORE_OK && c->hidden ? p->to->ops->import_end(p->to, c->key, &row) : r;
}

static enum store_result walk(struct piece *p)
{
	struct job_copy *c = p->copy;
	struct store *from = c->from;
	char scope[ID_MAX + 1];

	switch (c->part) {
	case PART_EVENTS:
		return from->ops->events(from, c->row.key, c->seq, false, SIZE_MAX, put_event, p);
	case PART_TASKS:
		return from->ops->tasks(from, c->row.key, c->position, put_task, p);
	case PART_DELIVERABLES:
		p->skip = c->deliverables;
		return from->ops->deliverables(from, c->row.key, put_deliverable, p);
	default:
		job_scope(c->row.key, scope);
		return from->ops->answers(from, scope, c->answer, SIZE_MAX, put_answer, p);
	}
}

static enum store_result put_part(struct piece *p)
{
	if (p->copy->part == PART_BEGIN)
		return begin(p);
	enum store_result r = walk(p);
	p->copy->read_failed = r != STORE_OK && r != STORE_NONE;
	return p->copy->read_failed ? r : p->written;
}

enum store_result job_copy_piece(struct job_copy *c, struct store *to, struct copy_room *room,
                                 bool *done)
{
	struct piece p = { .copy = c, .to = to, .room = room };
	enum store_result r = STORE_OK;

	*done = false;
	while (r == STORE_OK && !p.full && c->part < PART_END) {
		r = put_part(&p);
		if (r == STORE_OK && !p.full)
			c->part++;
	}
	if (r != STORE_OK || p.full)
		return r;
	*done = true;
	return end(&p);
}
