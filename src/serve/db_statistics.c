/* `joblight db statistics`: the rows of jobs and days. */
#include "db.h"
#include "db_open.h"
#include "joblight/core/encode.h"

static bool print_day(void *context, const struct job_day_row *row)
{
	struct buf *line = context;

	line->len = 0;
	encode_job_day(line, row);
	puts(buf_string(line));
	return !ferror(stdout);
}

int db_statistics(const struct config *c)
{
	struct buf line = { 0 };
	int status = 0;
	struct store *s = db_peek(c);

	if (!s)
		return 1;
	enum store_result r = s->ops->job_days(s, INT64_MIN, 0, SIZE_MAX, print_day, &line);
	if (r != STORE_OK && r != STORE_NONE)
		status = db_fail(db_shown(c), store_error(s));
	db_peek_end(s);
	buf_finish(&line);
	return db_flush(status);
}
