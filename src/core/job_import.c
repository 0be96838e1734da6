#include "joblight/core/job_import.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/encode.h"
#include "joblight/core/fold.h"
#include "joblight/core/job_export.h"
#include "decode_row.h"

/* What the lines of a file are, in their order. */
enum part { PART_HEAD, PART_EVENTS, PART_TASKS, PART_DELIVERABLES, PART_JOB, PART_END };

/* What changes with the bytes that come. */
struct progress {
	enum part part;  /* of the last line */
	uint64_t line;   /* number of the line that is arriving */
	struct buf rest; /* the beginning of a line whose end has not come yet */
	struct digest *all, *deliverable_lines;
	struct fold fold;
	struct job_row row; /* as the file has it; owns its texts */
	struct export_at counts;
};

struct job_import {
	struct store *store;
	int64_t key;
	char as[ID_MAX + 1];
	bool check_only;
	struct progress at, saved; /* a line may be long: saved.rest has the bytes only when it has
	                              ended since, and until then they are in at.rest */
	size_t saved_rest_len;
	int64_t steady;
};

static void progress_init(struct progress *p)
{
	p->all = digest_create();
	p->deliverable_lines = digest_create();
}

static void progress_finish(struct progress *p)
{
	buf_finish(&p->rest);
	digest_free(p->all);
	digest_free(p->deliverable_lines);
	fold_finish(&p->fold);
	job_row_finish(&p->row);
}

static void copy_row(struct job_row *to, const struct job_row *from)
{
	job_row_finish(to);
	*to = *from;
	to->title = from->title ? xstrdup(from->title) : NULL;
	to->metadata = from->metadata ? xstrdup(from->metadata) : NULL;
}

/* Everything but the rest. */
static void progress_copy(struct progress *to, const struct progress *from)
{
	struct job_row folded = to->fold.row;

	copy_row(&folded, &from->fold.row);
	to->fold = from->fold;
	to->fold.row = folded;
	copy_row(&to->row, &from->row);
	digest_copy(to->all, from->all);
	digest_copy(to->deliverable_lines, from->deliverable_lines);
	to->part = from->part;
	to->line = from->line;
	to->counts = from->counts;
}

void job_import_save(struct job_import *i)
{
	progress_copy(&i->saved, &i->at);
	i->saved.rest.len = 0;
	i->saved_rest_len = i->at.rest.len;
}

void job_import_restore(struct job_import *i)
{
	struct buf later = i->at.rest;

	progress_copy(&i->at, &i->saved);
	if (i->saved.rest.len) {
		i->at.rest = i->saved.rest;
		i->saved.rest = later;
		i->saved.rest.len = 0;
	}
	i->at.rest.len = i->saved_rest_len;
}

struct job_import *job_import_begin(struct store *s, const char *as, enum store_result *r)
{
	int64_t key;

	*r = s->ops->import_begin(s, &key);
	if (*r != STORE_OK)
		return NULL;
	struct job_import *i = xcalloc(1, sizeof(*i));
	i->store = s;
	i->key = key;
	i->at.line = 1;
	i->check_only = !as;
	snprintf(i->as, sizeof(i->as), "%s", as ? as : "");
	progress_init(&i->at);
	progress_init(&i->saved);
	return i;
}

void job_import_free(struct job_import *i)
{
	if (!i)
		return;
	progress_finish(&i->at);
	progress_finish(&i->saved);
	free(i);
}

static bool refuse(const struct job_import *i, struct problem *problem, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Sets the problem, with the number of the line; returns false. */
static bool refuse(const struct job_import *i, struct problem *problem, const char *format, ...)
{
	char words[160];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	return problem_set(problem, OUTCOME_INVALID_IMPORT, "line %llu: %s",
	                   (unsigned long long)i->at.line, words);
}

/* ---- lines: false with a problem, or with r set when the store failed ---- */

typedef bool take_line(struct job_import *i, struct slice line, enum store_result *r,
                       struct problem *problem);

static bool take_head(struct job_import *i, struct slice line, enum store_result *r,
                      struct problem *problem)
{
	struct export_head head;
	const char *fault = decode_export_head(line, &head);

	(void)r;
	if (fault)
		return refuse(i, problem, "%s", fault);
	if (head.version != EXPORT_VERSION)
		return refuse(i, problem, "its version is %llu, and this joblight knows %d",
		              (unsigned long long)head.version, EXPORT_VERSION);
	fold_begin(&i->at.fold, i->store, i->key, head.id, head.epoch, head.first);
	return true;
}

/* An event of the job under another id, with which each event begins. */
static bool rename_event(const struct job_import *i, struct slice line, struct buf *out)
{
	struct slice after;
	struct buf start = { 0 };
	const char *type = memchr(line.ptr, ',', line.len);
	size_t type_len = type ? (size_t)(type - line.ptr) : 0;

	buf_add(&start, line.ptr, type_len);
	buf_format(&start, ",\"jobId\":\"%s\",", i->at.fold.row.id);
	bool begins = line.len > start.len && memcmp(line.ptr, start.ptr, start.len) == 0;
	after = (struct slice){ line.ptr + start.len, begins ? line.len - start.len : 0 };
	buf_finish(&start);
	if (!begins)
		return false;
	buf_add(out, line.ptr, type_len);
	buf_format(out, ",\"jobId\":\"%s\",", i->as);
	buf_slice(out, after);
	return true;
}

static enum store_result add_event(struct job_import *i, struct slice line, enum event_type type,
                                   int64_t time, bool *renamed)
{
	struct event_row row = { i->at.fold.row.seq, type, time, line };
	struct buf text = { 0 };

	*renamed = !i->as[0] || rename_event(i, line, &text);
	if (i->as[0] && *renamed) {
		row.json = buf_as_slice(&text);
		i->at.fold.row.bytes += text.len - line.len;
	}
	enum store_result r = *renamed ? i->store->ops->event_add(i->store, i->key, &row)
	                               : STORE_OK;
	buf_finish(&text);
	return r;
}

static bool take_event(struct job_import *i, struct slice line, enum store_result *r,
                       struct problem *problem)
{
	enum event_type type;
	const char *fault;
	int64_t time;
	bool renamed = true;

	*r = fold_event(&i->at.fold, line, &type, &time, &fault);
	if (fault)
		return refuse(i, problem, "%s", fault);
	if (*r == STORE_OK && !i->check_only)
		*r = add_event(i, line, type, time, &renamed);
	if (!renamed)
		return refuse(i, problem, "the event cannot get another jobId");
	return *r == STORE_OK;
}

/* A task that the events made must be the same here. */
static bool is_as_folded(struct job_import *i, struct slice line, const struct task_row *row,
                         enum store_result *r)
{
	struct task_row folded = { 0 };
	struct buf text = { 0 };

	*r = i->store->ops->task_get(i->store, i->key, row->id, &folded);
	if (*r != STORE_OK)
		return false;
	buf_text(&text, "{\"task\":");
	encode_task(&text, &folded);
	buf_char(&text, '}');
	bool same = text.len == line.len && memcmp(text.ptr, line.ptr, line.len) == 0;
	buf_finish(&text);
	task_row_finish(&folded);
	return same;
}

/* When it is waited for: the last report is not known, so it gets the whole limit. */
static int64_t stall_at(const struct job_import *i, const struct task_row *row)
{
	int64_t limit = row->silence_ms < 0 ? i->at.fold.row.silence_ms : row->silence_ms;

	return row->status == TASK_IN_PROGRESS && !row->stalled && !i->at.fold.row.ended && limit
	           ? i->steady + limit
	           : 0;
}

static bool put_task(struct job_import *i, struct task_row *row, enum store_result *r)
{
	row->stall_at = stall_at(i, row);
	*r = !i->at.fold.whole || row->stall_at ? i->store->ops->task_put(i->store, i->key, row)
	                                        : STORE_OK;
	return *r == STORE_OK;
}

static bool check_task(struct job_import *i, struct slice line, struct task_row *row,
                       enum store_result *r, struct problem *problem)
{
	if (row->position != i->at.counts.tasks)
		return refuse(i, problem, "task %u belongs here", i->at.counts.tasks);
	bool same = is_as_folded(i, line, row, r);
	if (*r != STORE_OK && *r != STORE_NONE)
		return false;
	if (i->at.fold.whole && !same)
		return refuse(i, problem, "the task is not what the events make of it");
	if (!i->at.fold.whole && *r == STORE_OK)
		return refuse(i, problem, "this task was there before");
	return put_task(i, row, r);
}

static bool take_task(struct job_import *i, struct slice line, enum store_result *r,
                      struct problem *problem)
{
	struct task_row row;
	const char *fault = decode_task_line(line, &row);

	if (fault)
		return refuse(i, problem, "%s", fault);
	bool ok = check_task(i, line, &row, r, problem);
	i->at.counts.tasks++;
	task_row_finish(&row);
	return ok;
}

static void add_deliverable_line(struct digest *d, const struct deliverable_row *row)
{
	struct buf text = { 0 };

	encode_deliverable(&text, row);
	digest_add(d, buf_as_slice(&text));
	buf_finish(&text);
}

/* All of them are compared at the end, in their order. */
static bool take_deliverable(struct job_import *i, struct slice line, enum store_result *r,
                             struct problem *problem)
{
	struct deliverable_row row;
	const char *fault = decode_deliverable_line(line, &row);

	if (fault)
		return refuse(i, problem, "%s", fault);
	add_deliverable_line(i->at.deliverable_lines, &row);
	if (!i->at.fold.whole)
		*r = i->store->ops->deliverable_put(i->store, i->key, &row);
	i->at.counts.deliverables++;
	deliverable_row_finish(&row);
	return *r == STORE_OK;
}

static bool add_stored(void *context, const struct deliverable_row *row)
{
	add_deliverable_line(context, row);
	return true;
}

static bool same_deliverables(struct job_import *i, enum store_result *r)
{
	uint8_t lines[DIGEST_LEN], rows[DIGEST_LEN];
	struct digest *d = digest_create();

	*r = i->store->ops->deliverables(i->store, i->key, add_stored, d);
	if (*r == STORE_NONE)
		*r = STORE_OK;
	digest_result(i->at.deliverable_lines, lines);
	digest_result(d, rows);
	digest_free(d);
	return digest_equal(lines, rows);
}

static bool same_job(const struct job_import *i, struct slice object)
{
	struct buf text = { 0 };

	buf_char(&text, '{');
	encode_job_head(&text, &i->at.fold.row);
	encode_job_position(&text, &i->at.fold.row);
	buf_char(&text, '}');
	bool same = text.len == object.len && memcmp(text.ptr, object.ptr, object.len) == 0;
	buf_finish(&text);
	return same;
}

/* What the events that are left say about the job. */
static bool fits(const struct job_import *i)
{
	const struct job_row *row = &i->at.row, *folded = &i->at.fold.row;

	return strcmp(row->id, folded->id) == 0 && strcmp(row->epoch, folded->epoch) == 0 &&
	       row->seq == folded->seq && row->updated == folded->updated &&
	       job_status_terminal(row->status) == (row->ended > 0) &&
	       (!folded->title[0] ||
	        (row->status == folded->status && strcmp(row->title, folded->title) == 0));
}

static bool take_job(struct job_import *i, struct slice line, enum store_result *r,
                     struct problem *problem)
{
	struct slice object;
	const char *fault = decode_job_line(line, &i->at.row, &object);

	if (fault)
		return refuse(i, problem, "%s", fault);
	if (i->at.fold.whole ? !same_job(i, object) : !fits(i))
		return refuse(i, problem, "the job is not what the events make of it");
	if (i->at.fold.whole && i->at.counts.tasks != i->at.fold.row.tasks)
		return refuse(i, problem, "it has %u tasks, and the events make %u",
		              i->at.counts.tasks, i->at.fold.row.tasks);
	bool same = same_deliverables(i, r);
	if (*r == STORE_OK && !same)
		return refuse(i, problem, "the deliverables are not what the events make of them");
	return *r == STORE_OK;
}

static bool take_end(struct job_import *i, struct slice line, enum store_result *r,
                     struct problem *problem)
{
	uint8_t sha256[DIGEST_LEN];
	struct buf expected = { 0 };

	(void)r;
	i->at.counts.first = i->at.fold.row.first;
	i->at.counts.seq = i->at.fold.row.seq;
	digest_result(i->at.all, sha256);
	job_export_end(&i->at.counts, sha256, &expected);
	bool same = expected.len == line.len + 1 && memcmp(expected.ptr, line.ptr, line.len) == 0;
	buf_finish(&expected);
	return same ||
	       refuse(i, problem, "the counts or the SHA-256 are not those of the lines before it");
}

/* How the lines of each part begin. */
static const struct {
	const char *start;
	take_line *take;
	bool once;
} parts[] = {
	[PART_HEAD] = { "{\"joblight\":", take_head, true },
	[PART_EVENTS] = { "{\"type\":", take_event, false },
	[PART_TASKS] = { "{\"task\":", take_task, false },
	[PART_DELIVERABLES] = { "{\"deliverable\":", take_deliverable, false },
	[PART_JOB] = { "{\"job\":", take_job, true },
	[PART_END] = { "{\"end\":", take_end, true },
};

static bool starts_with(struct slice line, const char *start)
{
	return line.len >= strlen(start) && memcmp(line.ptr, start, strlen(start)) == 0;
}

static bool may_follow(const struct job_import *i, enum part part)
{
	if (i->at.line == 1 || part == PART_HEAD)
		return i->at.line == 1 && part == PART_HEAD;
	if (part == PART_END)
		return i->at.part == PART_JOB;
	if (part != PART_EVENTS && i->at.fold.row.seq < i->at.fold.row.first)
		return false; /* there is no job without an event */
	return part > i->at.part || (part == i->at.part && !parts[part].once);
}

static bool take_one(struct job_import *i, struct slice line, enum store_result *r,
                     struct problem *problem)
{
	enum part part = PART_HEAD;

	while (part < PART_END && !starts_with(line, parts[part].start))
		part++;
	if (i->at.line > 1 && i->at.part == PART_END)
		return refuse(i, problem, "there is more after the end");
	if (!starts_with(line, parts[part].start) || !may_follow(i, part))
		return refuse(i, problem,
		              i->at.line == 1 ? "this is not the export of a job"
		                              : "this line does not belong here");
	i->at.part = part;
	if (!parts[part].take(i, line, r, problem))
		return false;
	digest_add(i->at.all, line);
	digest_add(i->at.all, SLICE("\n"));
	i->at.line++;
	return true;
}

/* ---- bytes ---- */

/* The line has ended.  If its beginning was saved, it is kept. */
static void end_rest(struct job_import *i)
{
	if (i->saved_rest_len && !i->saved.rest.len) {
		struct buf empty = i->saved.rest;
		i->saved.rest = i->at.rest;
		i->at.rest = empty;
	}
	i->at.rest.len = 0;
}

/* Takes the line that ends at `end`, the beginning of which may have come before. */
static bool take_whole_line(struct job_import *i, struct slice bytes, enum store_result *r,
                            struct problem *problem)
{
	if (i->at.rest.len + bytes.len > IMPORT_LINE_MAX)
		return refuse(i, problem, "it has more than %d bytes", IMPORT_LINE_MAX);
	if (!i->at.rest.len)
		return take_one(i, bytes, r, problem);
	buf_slice(&i->at.rest, bytes);
	bool ok = take_one(i, buf_as_slice(&i->at.rest), r, problem);
	end_rest(i);
	return ok;
}

static bool keep_rest(struct job_import *i, struct slice bytes, struct problem *problem)
{
	if (i->at.rest.len + bytes.len > IMPORT_LINE_MAX)
		return refuse(i, problem, "it has more than %d bytes", IMPORT_LINE_MAX);
	buf_slice(&i->at.rest, bytes);
	return true;
}

enum store_result job_import_take(struct job_import *i, struct slice bytes, int64_t steady,
                                  struct problem *problem)
{
	enum store_result r = STORE_OK;
	bool ok = true;

	i->steady = steady;
	while (ok && bytes.len) {
		const char *end = memchr(bytes.ptr, '\n', bytes.len);
		size_t len = end ? (size_t)(end - bytes.ptr) : bytes.len;
		struct slice line = { bytes.ptr, len };
		ok = end ? take_whole_line(i, line, &r, problem) : keep_rest(i, line, problem);
		bytes.ptr += len + (end != NULL);
		bytes.len -= len + (end != NULL);
	}
	return ok || outcome_is_error(problem->outcome) ? STORE_OK : r;
}

bool job_import_is_complete(const struct job_import *i, struct problem *problem)
{
	if (i->at.line > 1 && i->at.part == PART_END && !i->at.rest.len)
		return true;
	return refuse(i, problem,
	              i->at.line == 1 && !i->at.rest.len ? "there is nothing to import"
	                                                 : "the export ends here, incomplete");
}

/* ---- the end ---- */

const struct job_row *job_import_row(const struct job_import *i)
{
	return &i->at.row;
}

int64_t job_import_key(const struct job_import *i)
{
	return i->key;
}

enum store_result job_import_adopt(struct job_import *i, const char *epoch, int64_t now,
                                   struct job_row *row)
{
	uint64_t kept = i->at.fold.row.bytes;

	*row = i->at.row;
	if (i->as[0])
		snprintf(row->id, sizeof(row->id), "%s", i->as);
	snprintf(row->epoch, sizeof(row->epoch), "%s", epoch);
	row->first = i->at.fold.row.first;
	row->tasks = i->at.counts.tasks;
	row->deliverables = i->at.counts.deliverables;
	row->imported = now;
	row->bytes = i->at.fold.whole || row->bytes < kept ? kept : row->bytes;
	row->pruned = row->bytes - kept;
	return i->store->ops->import_end(i->store, i->key, row);
}

enum store_result job_import_drop(struct job_import *i)
{
	return i->store->ops->import_end(i->store, i->key, NULL);
}
