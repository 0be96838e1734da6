#include "view.h"

#include <stdlib.h>
#include <time.h>

#include "answer.h"
#include "job_lines.h"
#include "joblight/base/hash.h"
#include "joblight/base/clock.h"
#include "joblight/base/xalloc.h"

#define SHOWN_TASKS 20 /* of a snapshot */
#define REDRAW_MS 50
#define TITLE_COLUMNS 24
#define NARROW 50     /* columns */
#define MIN_COLUMNS 5 /* of the last line */
#define ERASE "\r\033[K"

struct view_task {
	UT_hash_handle hh;
	char *id, *title;
	double share; /* of the progress: 0 to 100; -1: does not count (cancelled) */
};

struct view {
	const struct output *output;
	struct view_task *tasks;
	char *title;
	const char *state;
	bool is_drawn;
	uint64_t drawn_ms;
};

struct view *view_create(const struct output *o)
{
	struct view *v = xcalloc(1, sizeof(*v));

	v->output = o;
	v->title = xstrdup("");
	return v;
}

static void forget_tasks(struct view *v)
{
	struct view_task *t, *next;

	HASH_ITER(hh, v->tasks, t, next) {
		HASH_DEL(v->tasks, t);
		free(t->id);
		free(t->title);
		free(t);
	}
}

void view_free(struct view *v)
{
	if (!v)
		return;
	forget_tasks(v);
	free(v->title);
	free(v);
}

/* ---- the tasks ---- */

static bool is(const char *text, const char *wanted)
{
	return text && strcmp(text, wanted) == 0;
}

static bool has_ended(const char *status)
{
	return is(status, "completed") || is(status, "failed") || is(status, "cancelled");
}

/* As the server computes the progress of a job. */
static double share_of(const cJSON *task)
{
	const char *status = answer_text(task, "status");

	if (is(status, "cancelled"))
		return -1;
	return has_ended(status) ? 100 : answer_number(task, "progress", 0);
}

static struct view_task *take_task(struct view *v, const char *id, const cJSON *task)
{
	const char *title = answer_text(task, "title");
	struct view_task *t;

	HASH_FIND_STR(v->tasks, id, t);
	if (!t) {
		t = xcalloc(1, sizeof(*t));
		t->id = xstrdup(id);
		HASH_ADD_KEYPTR(hh, v->tasks, t->id, strlen(t->id), t);
	}
	free(t->title);
	t->title = xstrdup(title ? title : id);
	t->share = share_of(task);
	return t;
}

static void take_job_title(struct view *v, const cJSON *job)
{
	const char *title = answer_text(job, "title");

	free(v->title);
	v->title = xstrdup(title ? title : "");
}

/* ---- the last line ---- */

struct total {
	double percent;
	unsigned count, done;
};

static struct total sum_up(const struct view *v)
{
	struct total total = { 0 };
	unsigned counted = 0;

	for (const struct view_task *t = v->tasks; t; t = t->hh.next) {
		total.count++;
		total.done += t->share < 0 || t->share >= 100;
		counted += t->share >= 0;
		total.percent += t->share >= 0 ? t->share : 0;
	}
	total.percent = counted ? total.percent / counted : 0;
	return total;
}

static void draw(struct view *v)
{
	struct total total = sum_up(v);
	unsigned columns = output_columns();
	struct buf line = { 0 };

	buf_text(&line, ERASE);
	if (columns >= NARROW)
		output_bar(v->output, &line, total.percent, columns / 3);
	buf_format(&line, " %3.0f%%", total.percent);
	unsigned used = 5 + (columns >= NARROW ? columns / 3 : 0);
	if (columns > used + 12) {
		buf_format(&line, " %u/%u  ", total.done, total.count);
		used += 16; /* at most, for jobs of less than 100,000 tasks */
	}
	if (columns > used + 1)
		output_text(v->output, &line, v->state ? v->state : v->title, columns - used - 1);
	output_bytes(buf_as_slice(&line));
	buf_finish(&line);
}

void view_refresh(struct view *v)
{
	uint64_t now = clock_monotonic_ms();

	if (!v->output->moves || now < v->drawn_ms + REDRAW_MS || output_columns() < MIN_COLUMNS)
		return;
	draw(v);
	v->is_drawn = true;
	v->drawn_ms = now;
}

void view_clear(struct view *v)
{
	if (v->is_drawn)
		output_bytes(SLICE(ERASE));
	v->is_drawn = false;
}

void view_state(struct view *v, const char *state)
{
	if (v->state == state)
		return;
	v->state = state;
	v->drawn_ms = 0;
	view_refresh(v);
}

/* ---- the lines ---- */

static void print_tasks(struct view *v, const cJSON *tasks)
{
	unsigned shown = 0, left = 0;
	struct buf line = { 0 };
	const cJSON *task;

	cJSON_ArrayForEach(task, tasks)
	{
		const char *id = answer_text(task, "id");
		if (!id)
			continue;
		take_task(v, id, task);
		if (!has_ended(answer_text(task, "status")) && ++shown <= SHOWN_TASKS)
			job_line_print(v->output, id, task);
		else
			left++;
	}
	buf_format(&line, "  and %u more", left);
	if (left)
		output_line(buf_as_slice(&line));
	buf_finish(&line);
}

void view_reset(struct view *v, const cJSON *job)
{
	const char *status = answer_text(job, "status");
	struct buf line = { 0 };

	view_clear(v);
	forget_tasks(v);
	take_job_title(v, job);
	output_mark(v->output, &line, status ? status : "");
	buf_char(&line, ' ');
	output_text(v->output, &line, v->title, output_room(2));
	output_line(buf_as_slice(&line));
	print_tasks(v, cJSON_GetObjectItemCaseSensitive(job, "tasks"));
	buf_finish(&line);
	view_refresh(v);
}

static void add_time(struct buf *line, const cJSON *event)
{
	const char *timestamp = answer_text(event, "timestamp");
	int64_t ms = 0;
	struct tm time;
	char text[16];

	clock_parse(slice_of(timestamp), &ms);
	time_t seconds = (time_t)(ms / 1000);
	localtime_r(&seconds, &time);
	strftime(text, sizeof(text), "%H:%M:%S ", &time);
	buf_text(line, text);
}

/* The name, the words and the progress of a line, in what is left of it. */
static void add_parts(struct view *v, struct buf *line, unsigned columns, const char *name,
                      const cJSON *event, const char *note)
{
	double progress = answer_number(event, "progress", -1);
	unsigned used = columns < TITLE_COLUMNS ? columns : TITLE_COLUMNS;

	if (!note && progress < 0)
		used = columns;
	if (used < columns)
		output_padded(v->output, line, name, used);
	else
		output_text(v->output, line, name, used);
	if (progress >= 0 && used + 6 <= columns) {
		buf_format(line, " %3.0f%%", progress);
		used += 5;
	}
	if (note && used + 4 <= columns) {
		buf_text(line, "  ");
		output_text(v->output, line, note, columns - used - 2);
	}
}

static void print_event(struct view *v, const cJSON *event, const char *status, const char *name,
                        const char *note)
{
	unsigned columns = output_room(1);
	struct buf line = { 0 };

	view_clear(v);
	if (columns >= NARROW) {
		add_time(&line, event);
		columns -= 9;
	}
	output_mark(v->output, &line, status ? status : "");
	buf_char(&line, ' ');
	if (columns > 2)
		add_parts(v, &line, columns - 2, name, event, note);
	output_line(buf_as_slice(&line));
	buf_finish(&line);
	view_refresh(v);
}

/* ---- the types of events ---- */

static void on_task(struct view *v, const cJSON *event)
{
	const char *id = answer_text(event, "taskId");
	bool stalled = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(event, "stalled"));

	if (!id)
		return;
	const struct view_task *t = take_task(v, id, event);
	print_event(v, event, answer_text(event, "status"), t->title,
	            stalled ? "stalled: nothing was heard of it" : answer_text(event, "note"));
}

static void on_job(struct view *v, const cJSON *event)
{
	const cJSON *tasks = cJSON_GetObjectItemCaseSensitive(event, "tasks"), *task;
	const char *status = answer_text(event, "status"), *id;

	take_job_title(v, event);
	cJSON_ArrayForEach(task, tasks)
	{
		if ((id = answer_text(task, "id")))
			take_task(v, id, task);
	}
	print_event(v, event, status, v->title, status);
}

static void on_deliverable(struct view *v, const cJSON *event)
{
	const char *title = answer_text(event, "title");

	print_event(v, event, "completed", title ? title : "", answer_text(event, "url"));
}

static void on_command(struct view *v, const cJSON *event)
{
	const char *command = answer_text(event, "command"), *task = answer_text(event, "taskId");
	const cJSON *args = cJSON_GetObjectItemCaseSensitive(event, "args");
	const char *text = answer_text(args, "text");

	print_event(v, event, "blocked", command ? command : "", text ? text : task);
}

void view_event(struct view *v, const cJSON *event)
{
	static const struct {
		const char *type;
		void (*show)(struct view *v, const cJSON *event);
	} types[] = { { "task_update", on_task },
		      { "job_update", on_job },
		      { "deliverable", on_deliverable },
		      { "command", on_command } };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (is(answer_text(event, "type"), types[i].type))
			types[i].show(v, event);
}
