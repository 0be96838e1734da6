#include "joblight/core/model.h"

#include <stdio.h>

#include <stdlib.h>

struct status {
	const char *text;
	bool terminal;
};

#define STATUS_ROW(name, text, terminal) { text, terminal },
static const struct status job_statuses[] = { JOB_STATUSES(STATUS_ROW) };
static const struct status task_statuses[] = { TASK_STATUSES(STATUS_ROW) };
#undef STATUS_ROW

/* ", a, b, c"; callers skip the first two characters. */
#define STATUS_WORD(name, text, terminal) ", " text

const char *job_status_text(enum job_status s)
{
	return job_statuses[s].text;
}

const char *task_status_text(enum task_status s)
{
	return task_statuses[s].text;
}

bool job_status_terminal(enum job_status s)
{
	return job_statuses[s].terminal;
}

bool task_status_terminal(enum task_status s)
{
	return task_statuses[s].terminal;
}

static int find(const struct status *all, int count, struct slice text)
{
	for (int i = 0; i < count; i++)
		if (slice_is(text, all[i].text))
			return i;
	return -1;
}

bool job_status_parse(struct slice text, enum job_status *s)
{
	int found = find(job_statuses, JOB_STATUS_COUNT, text);

	if (found >= 0)
		*s = (enum job_status)found;
	return found >= 0;
}

bool task_status_parse(struct slice text, enum task_status *s)
{
	int found = find(task_statuses, TASK_STATUS_COUNT, text);

	if (found >= 0)
		*s = (enum task_status)found;
	return found >= 0;
}

const char *job_status_all(void)
{
	static const char words[] = JOB_STATUSES(STATUS_WORD);

	return words + 2; /* without the first comma */
}

const char *task_status_all(void)
{
	static const char words[] = TASK_STATUSES(STATUS_WORD);

	return words + 2;
}

static bool alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool id_valid(struct slice id)
{
	if (!id.len || id.len > ID_MAX || !alphanumeric(id.ptr[0]))
		return false;
	for (size_t i = 1; i < id.len; i++) {
		char c = id.ptr[i];
		if (!alphanumeric(c) && c != '.' && c != '_' && c != '~' && c != '-')
			return false;
	}
	return true;
}

void id_reveal(char out[ID_MAX + 1], const char *id)
{
	snprintf(out, ID_MAX + 1, "%s", id);
	out[0] = (char)(out[0] & 0x7f);
}

bool command_name_valid(struct slice name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_.-";

	for (size_t i = 0; i < name.len; i++)
		if (!name.ptr[i] || !strchr(allowed, name.ptr[i]))
			return false;
	return name.len && name.len <= 64;
}

bool key_valid(struct slice key)
{
	if (!key.len || key.len > KEY_MAX)
		return false;
	for (size_t i = 0; i < key.len; i++)
		if (key.ptr[i] <= ' ' || key.ptr[i] >= 0x7f)
			return false;
	return true;
}

static const char *const event_types[EVENT_TYPE_COUNT] = {
#define LOGGED(name, text) [EVENT_##name] = text,
#define EPHEMERAL(name, text) [EVENT_##name] = text,
#include "joblight/core/events.def"
#undef LOGGED
#undef EPHEMERAL
};

const char *event_type_text(enum event_type t)
{
	return event_types[t];
}

bool event_type_parse(struct slice text, enum event_type *t)
{
	for (int i = 0; i < EVENT_TYPE_COUNT; i++) {
		*t = (enum event_type)i;
		if (slice_is(text, event_types[i]))
			return true;
	}
	return false;
}

const char *event_type_all(void)
{
	static const char list[] =
#define LOGGED(name, text) ", " text
#define EPHEMERAL(name, text) ", " text
#include "joblight/core/events.def"
#undef LOGGED
#undef EPHEMERAL
	    ;
	return list + strlen(", ");
}

double task_counts_progress(const struct task_counts *c)
{
	uint32_t all = c->total - c->cancelled;

	return all ? floor(c->done / all * 100) / 100 : 0;
}

void epoch_format(const uint8_t *entropy, char epoch[EPOCH_LEN + 1])
{
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

	for (int i = 0; i < EPOCH_LEN; i++)
		epoch[i] = digits[entropy[i] & 31];
	epoch[EPOCH_LEN] = '\0';
}

void task_row_set_status(struct task_row *row, enum task_status status, int64_t time)
{
	bool was_over = task_status_terminal(row->status), is_over = task_status_terminal(status);

	if (status == TASK_IN_PROGRESS && (!row->started || was_over))
		row->started = time;
	if (is_over && !was_over)
		row->ended = time;
	if (!is_over)
		row->ended = 0;
	row->status = status;
}

void job_row_finish(struct job_row *row)
{
	free(row->title);
	free(row->metadata);
	row->title = row->metadata = NULL;
}

void task_row_finish(struct task_row *row)
{
	free(row->title);
	free(row->note);
	row->title = row->note = NULL;
}

void deliverable_row_finish(struct deliverable_row *row)
{
	free(row->title);
	free(row->url);
	free(row->media_type);
	row->title = row->url = row->media_type = NULL;
}
