/*
 * Decodes what encode.h wrote: events, and the rows of an export.  Private to core.
 *
 * The functions return NULL, or what is wrong with the text.
 */
#ifndef JOBLIGHT_CORE_DECODE_ROW_H
#define JOBLIGHT_CORE_DECODE_ROW_H

#include "joblight/core/model.h"

/* What an event says.  Its texts, and those of its rows, belong to `document`. */
struct event_content {
	enum event_type type;
	char job_id[ID_MAX + 1];
	uint64_t seq;
	int64_t time;
	/* JOB_UPDATE */
	enum job_status status;
	char *title;
	struct slice metadata; /* raw; ptr is NULL if it was not given */
	int64_t silence_ms;
	bool created;
	/* of TASK_UPDATE one, of a creation any number; their times and positions are not set */
	struct task_row *tasks;
	size_t task_count;
	struct deliverable_row deliverable; /* DELIVERABLE */
	void *document;
};

const char *decode_event(struct slice json, struct event_content *out);
void event_content_finish(struct event_content *e);

/* The first line of an export. */
struct export_head {
	uint64_t version, first;
	char id[ID_MAX + 1], epoch[EPOCH_LEN + 1];
};
const char *decode_export_head(struct slice json, struct export_head *out);

/* Lines of an export that hold one row.  The row owns its texts. */
const char *decode_task_line(struct slice json, struct task_row *out);
const char *decode_deliverable_line(struct slice json, struct deliverable_row *out);
/* `object`: the raw text of the job. */
const char *decode_job_line(struct slice json, struct job_row *out, struct slice *object);

#endif
