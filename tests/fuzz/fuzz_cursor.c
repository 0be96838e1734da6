/*
 * Positions as clients send them.
 *
 * covers: src/core/cursor.c
 *
 * A cursor that was read is written as the same text, and a time only where polling allows it.
 */
#include "fuzz.h"

#include "joblight/core/cursor.h"

static void check_cursor(const struct position *p, struct slice text)
{
	struct buf again = { 0 };

	cursor_add(&again, p->epoch, p->seq);
	PROMISE(again.len == text.len && memcmp(again.ptr, text.ptr, text.len) == 0);
	buf_finish(&again);
}

static void check_resume(const struct position *p, const char *epoch, uint64_t first, uint64_t head)
{
	enum reset_reason reason;
	enum resume resume = position_resume(p, epoch, first, head, &reason);

	PROMISE((resume == RESUME_FRESH) == (p->kind == POSITION_NONE));
	PROMISE((resume == RESUME_RESET) == (reason != RESET_NONE));
	PROMISE((reset_reason_text(reason) != NULL) == (reason != RESET_NONE));
	PROMISE(resume_text(resume)[0]);
	if (resume == RESUME_EXACT)
		PROMISE(p->seq <= head && p->seq + 1 >= first && strcmp(p->epoch, epoch) == 0);
}

void fuzz_one(struct slice input)
{
	struct slice text = fuzz_copy(input);
	struct position p = position_parse(text), timed = position_parse_time(text);

	PROMISE((p.kind == POSITION_NONE) == (text.len == 0) && p.kind != POSITION_TIME);
	if (p.kind == POSITION_CURSOR)
		check_cursor(&p, text);
	PROMISE(timed.kind == p.kind ||
	        (p.kind == POSITION_INVALID && timed.kind == POSITION_TIME));
	check_resume(&p, p.epoch, 1, UINT64_MAX - 1);
	check_resume(&p, "0123456789", 1, 10);
	check_resume(&p, p.epoch, 5, 10);
	fuzz_free(text);
}
