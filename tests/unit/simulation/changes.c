#include "changes.h"

#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "world.h"

/* An op's document is one text, out of which its slices are cut; it is reserved whole, so that it
 * does not move. */
#define DOCUMENT_MOST 12000

struct document {
	struct buf text;
};

static void free_document(void *document)
{
	buf_finish(&((struct document *)document)->text);
	free(document);
}

static struct op *new_op(enum op_kind kind, const char *job_id)
{
	struct op *op = op_create(kind);
	struct document *d = xcalloc(1, sizeof(*d));

	buf_reserve(&d->text, DOCUMENT_MOST);
	op->document = d;
	op->document_free = free_document;
	snprintf(op->job_id, sizeof(op->job_id), "%s", job_id);
	return op;
}

static struct buf *document(struct op *op)
{
	return &((struct document *)op->document)->text;
}

static struct slice cut(struct op *op, size_t from)
{
	struct buf *text = document(op);

	promise(text->len <= DOCUMENT_MOST, "the test's own documents are too small");
	return (struct slice){ text->ptr + from, text->len - from };
}

/* What breaks a framing if it can be broken, in any order. */
static struct slice words(struct op *op, struct dice *d, const char *first, size_t most)
{
	static const char *const all[] = {
		"render ",
		"page ",
		"\n\n",
		"\nid: zzzzzzzzzz.9\ndata: {}\n\n",
		"\r\n",
		"\"",
		"\\",
		"\x01",
		"\xe2\x80\xa8",
		"\xc3\xa9",
		"\xf0\x9f\x92\xa1",
		"</script>",
		"{\"type\":\"end\"}",
		"%s",
		"\t",
		"0123456789abcdef",
	};
	size_t from = document(op)->len, len = dice_below(d, most);

	buf_text(document(op), first);
	while (document(op)->len - from < len)
		buf_text(document(op), all[dice_below(d, sizeof(all) / sizeof(all[0]))]);
	return cut(op, from);
}

static struct slice task_name(struct op *op, struct dice *d)
{
	size_t from = document(op)->len;

	buf_format(document(op), "t%llu", (unsigned long long)dice_below(d, 7));
	return cut(op, from);
}

static void change_task(struct world *w, struct op *op, size_t most)
{
	struct dice *d = &w->dice;
	struct task_change *t = &op->tasks[op->task_count++];

	t->id = task_name(op, d);
	if (dice_chance(d, 50)) {
		t->has_status = GIVEN_VALUE;
		t->status = (enum task_status)dice_below(d, TASK_STATUS_COUNT);
	}
	if (dice_chance(d, 60)) {
		t->has_note = dice_chance(d, 90) ? GIVEN_VALUE : GIVEN_NULL;
		t->note = words(op, d, "", dice_chance(d, 10) ? most : 80);
	}
	if (dice_chance(d, 40)) {
		t->has_progress = dice_chance(d, 80) ? GIVEN_VALUE : GIVEN_NULL;
		t->progress = (double)dice_below(d, 1001) / 10;
	}
	if (dice_chance(d, 10)) {
		t->has_title = GIVEN_VALUE;
		t->title = words(op, d, "T", 20);
	}
	if (dice_chance(d, 10)) {
		t->has_attempt = GIVEN_VALUE;
		t->attempt = (int64_t)dice_below(d, 3);
	}
	if (dice_chance(d, 10)) {
		t->has_silence = GIVEN_VALUE;
		t->silence_ms = (int64_t)DICE_PICK(d, 0, 100, 1000);
	}
}

static struct op *report(struct world *w, const char *id)
{
	struct op *op = new_op(OP_TASK_REPORT, id);
	size_t items = dice_chance(&w->dice, 20) ? dice_between(&w->dice, 1, 6) : 1;

	op->batch = items > 1;
	op->tasks = xcalloc(items, sizeof(*op->tasks));
	for (size_t i = 0; i < items; i++)
		change_task(w, op, 3000 / items);
	return op;
}

static struct op *put(struct world *w, const char *id)
{
	struct op *op = new_op(dice_chance(&w->dice, 50) ? OP_TASK_PUT : OP_TASK_CREATE, id);

	op->tasks = xcalloc(1, sizeof(*op->tasks));
	change_task(w, op, 3000);
	return op;
}

static void add_state(struct world *w, struct op *op, unsigned terminal_percent)
{
	struct dice *d = &w->dice;

	op->has_title = GIVEN_VALUE;
	op->title = words(op, d, "J", 60);
	if (dice_chance(d, 30)) {
		op->has_metadata = GIVEN_VALUE;
		buf_format(&op->metadata, "{\"n\":%llu}", (unsigned long long)dice_below(d, 100));
	}
	if (dice_chance(d, 20)) {
		op->has_silence = GIVEN_VALUE;
		op->silence_ms = (int64_t)DICE_PICK(d, 0, 100, 1000);
	}
	if (dice_chance(d, 40)) {
		op->has_status = GIVEN_VALUE;
		op->status = (enum job_status)dice_below(d, JOB_COMPLETED);
	}
	if (dice_chance(d, terminal_percent)) {
		op->has_status = GIVEN_VALUE;
		op->status = (enum job_status)dice_between(d, JOB_COMPLETED, JOB_CANCELLED);
	}
}

static struct op *create(struct world *w, const char *id)
{
	struct op *op = new_op(OP_JOB_CREATE, id);
	size_t tasks = dice_below(&w->dice, 4);

	add_state(w, op, 2);
	op->tasks = xcalloc(tasks, sizeof(*op->tasks));
	for (size_t i = 0; i < tasks; i++)
		change_task(w, op, 400);
	return op;
}

static struct op *deliver(struct world *w, const char *id)
{
	struct dice *d = &w->dice;
	struct op *op = new_op(OP_DELIVERABLE, id);
	size_t from = document(op)->len;

	buf_format(document(op), "d%llu", (unsigned long long)dice_below(d, 5));
	op->deliverable_id = cut(op, from);
	op->has_title = GIVEN_VALUE;
	op->title = words(op, d, "D", 60);
	if (dice_chance(d, 50))
		op->url = SLICE("https://files.example/report.pdf?page=1&x=%22");
	if (dice_chance(d, 50))
		op->media_type = SLICE("application/pdf");
	return op;
}

static struct op *command(struct world *w, const char *id)
{
	struct op *op = new_op(OP_COMMAND, id);

	op->command = SLICE("cancel");
	buf_format(&op->payload, "{\"n\":%llu}", (unsigned long long)dice_below(&w->dice, 100));
	if (dice_chance(&w->dice, 50))
		snprintf(op->task_id, sizeof(op->task_id), "t%llu",
		         (unsigned long long)dice_below(&w->dice, 7));
	return op;
}

/* The store thread's own: it may come too early, or for a task that is not there. */
static struct op *stall(struct world *w, const char *id)
{
	struct op *op = new_op(OP_STALL, id);

	snprintf(op->task_id, sizeof(op->task_id), "t%llu",
	         (unsigned long long)dice_below(&w->dice, 7));
	return op;
}

static struct op *patch(struct world *w, const char *id)
{
	struct op *op = new_op(OP_JOB_PATCH, id);

	add_state(w, op, 12);
	return op;
}

struct op *changes_op(struct world *w)
{
	struct dice *d = &w->dice;
	char id[ID_MAX + 1];
	uint64_t what = dice_below(d, 100);
	struct op *op;

	world_job_name((unsigned)dice_below(d, w->job_count), id);
	const struct life *l = life_now(w->lives, id);
	if (!l || what < 1)
		op = create(w, id);
	else if (what < 3 || (l->over && what < 10))
		op = new_op(OP_JOB_DELETE, id);
	else if (what < 12)
		op = patch(w, id);
	else if (what < 30)
		op = put(w, id);
	else if (what < 35)
		op = deliver(w, id);
	else if (what < 40)
		op = command(w, id);
	else if (what < 45)
		op = stall(w, id);
	else
		op = report(w, id);
	if (op->kind != OP_STALL && dice_chance(d, 10))
		snprintf(op->key, sizeof(op->key), "k%llu", (unsigned long long)dice_below(d, 4));
	return op;
}

struct op *changes_nudge(const char *job_id)
{
	struct op *op = new_op(OP_JOB_PATCH, job_id);

	op->has_title = GIVEN_VALUE;
	op->title = SLICE("nudged");
	return op;
}

const char *changes_text(const struct op *op)
{
	static const char *const kinds[OP_KIND_COUNT] = {
		[OP_JOB_CREATE] = "create",        [OP_JOB_PATCH] = "patch",
		[OP_JOB_DELETE] = "delete",        [OP_TASK_CREATE] = "add a task",
		[OP_TASK_PUT] = "put a task into", [OP_TASK_REPORT] = "report to",
		[OP_DELIVERABLE] = "deliver to",   [OP_COMMAND] = "command",
		[OP_STALL] = "stall a task of",
	};
	static char text[ID_MAX + 64];

	snprintf(text, sizeof(text), "%s %s (%zu tasks%s)", kinds[op->kind], op->job_id,
	         op->task_count, op->replayed ? ", replayed" : "");
	return text;
}
