#include "joblight/core/outcome.h"

#include <stdarg.h>
#include <stdio.h>

#include "joblight/core/json.h"
#include "joblight/core/model.h"

static const struct {
	int status;
	const char *code, *title;
} rows[OUTCOME_COUNT] = {
#define OUTCOME(name, status, code, title) { status, code, title },
#include "joblight/core/outcome.def"
#undef OUTCOME
};

int outcome_status(enum outcome o)
{
	return rows[o].status;
}

const char *outcome_code(enum outcome o)
{
	return rows[o].code;
}

const char *outcome_title(enum outcome o)
{
	return rows[o].title;
}

bool problem_set(struct problem *p, enum outcome o, const char *format, ...)
{
	va_list args;

	p->outcome = o;
	va_start(args, format);
	vsnprintf(p->detail, sizeof(p->detail), format, args);
	va_end(args);
	utf8_mend(p->detail, strlen(p->detail));
	return false;
}

bool problem_field(struct problem *p, enum outcome o, const char *field, const char *message)
{
	size_t from = p->errors.len;

	if (problem_full(p))
		return false;
	if (p->error_count++)
		buf_char(&p->errors, ',');
	buf_text(&p->errors, "{\"field\":");
	json_string(&p->errors, slice_of(field));
	buf_text(&p->errors, ",\"message\":");
	json_string(&p->errors, slice_of(message));
	buf_char(&p->errors, '}');
	utf8_mend(p->errors.ptr + from, p->errors.len - from); /* a long name was cut */
	return problem_set(p, o, "%s: %s", field, message);
}

void problem_encode(const struct problem *p, struct buf *out)
{
	buf_format(
	    out,
	    "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"code\":\"%s\",\"detail\":",
	    outcome_title(p->outcome), outcome_status(p->outcome), outcome_code(p->outcome));
	json_string(out, slice_of(p->detail[0] ? p->detail : outcome_title(p->outcome)));
	if (p->errors.len) {
		buf_text(out, ",\"errors\":[");
		buf_slice(out, buf_as_slice(&p->errors));
		buf_char(out, ']');
	}
	buf_char(out, '}');
}

void problem_finish(struct problem *p)
{
	buf_finish(&p->errors);
	p->error_count = 0;
}

bool problem_no_job(struct problem *p, const char *job_id)
{
	char id[ID_MAX + 1];

	id_reveal(id, job_id);
	return problem_set(p, OUTCOME_NOT_FOUND, "there is no job \"%s\"", id);
}
