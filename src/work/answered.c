#include "answered.h"

#include <string.h>

#include "joblight/base/clock.h"
#include "joblight/base/log.h"

/* An idle server checks the files every second, and an answer may be as old again. */
#define RECENT_MS 2000

static const struct op *next_op(const struct op *op)
{
	return (const struct op *)op->mail.next; /* mail is the first member */
}

void answered_add(struct answered *a, const struct op *ops)
{
	uint64_t now = clock_monotonic_ms();

	for (; ops; ops = next_op(ops)) {
		if (outcome_is_error(ops->problem.outcome) || ops->replayed ||
		    ops->kind == OP_CANARY)
			continue;
		struct answered_write *write = &a->writes[a->next++ % ANSWERED_COUNT];
		memcpy(write->job_id, ops->job_id, sizeof write->job_id);
		write->seq = ops->seq_last;
		write->at = now;
	}
}

void answered_log(struct answered *a)
{
	if (a->logged)
		return;
	a->logged = true;
	uint64_t now = clock_monotonic_ms();
	struct buf text = { 0 };

	for (size_t i = 0; i < ANSWERED_COUNT; i++) {
		const struct answered_write *write = &a->writes[(a->next + i) % ANSWERED_COUNT];
		if (write->at && now - write->at <= RECENT_MS)
			buf_format(&text, "%s%s:%llu", text.len ? " " : "", write->job_id,
			           (unsigned long long)write->seq);
	}
	log_error("these writes were answered within the last two seconds and may be lost",
	          "job:seq", text.len ? buf_string(&text) : "none");
	buf_finish(&text);
}
