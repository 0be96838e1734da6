#include "job_lines.h"

#include "answer.h"

#define BAR_COLUMNS 12
#define NAME_COLUMNS 28
#define NARROW 50 /* columns: below, there is no bar */

static void add_progress(const struct output *o, struct buf *line, double progress, bool narrow)
{
	if (!narrow) {
		buf_char(line, ' ');
		output_bar(o, line, progress, BAR_COLUMNS);
	}
	buf_format(line, " %3.0f%%", progress);
}

void job_line_print(const struct output *o, const char *name, const cJSON *item)
{
	unsigned columns = output_columns(), used = 0;
	const char *status = answer_text(item, "status"), *text = answer_text(item, "note");
	double progress = answer_number(item, "progress", -1);
	bool narrow = columns < NARROW;
	struct buf line = { 0 };

	output_mark(o, &line, status ? status : "");
	buf_char(&line, ' ');
	unsigned name_columns = narrow ? columns > 8 ? columns - 8 : 1 : NAME_COLUMNS;
	output_padded(o, &line, name ? name : "?", name_columns);
	used = 2 + name_columns;
	if (progress >= 0) {
		add_progress(o, &line, progress, narrow);
		used += narrow ? 5 : 6 + BAR_COLUMNS;
	}
	if (!text)
		text = answer_text(item, "title");
	if (text && !narrow && used + 3 < columns) {
		buf_text(&line, "  ");
		output_text(o, &line, text, columns - used - 3);
	}
	output_line(buf_as_slice(&line));
	buf_finish(&line);
}
