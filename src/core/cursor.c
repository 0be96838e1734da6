#include "joblight/core/cursor.h"

#include "joblight/base/clock.h"

static bool parse_seq(struct slice text, uint64_t *seq)
{
	if (text.len > 1 && text.ptr[0] == '0')
		return false;
	return slice_number(text, SLICE_DIGITS_MAX, seq);
}

static bool parse_cursor(struct slice text, struct position *p)
{
	const char *dot = text.len ? memchr(text.ptr, '.', text.len) : NULL;
	size_t epoch_len = dot ? (size_t)(dot - text.ptr) : 0;

	if (!epoch_len || epoch_len > EPOCH_LEN)
		return false;
	for (size_t i = 0; i < epoch_len; i++) {
		char c = text.ptr[i];
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')))
			return false;
	}
	memcpy(p->epoch, text.ptr, epoch_len);
	p->epoch[epoch_len] = '\0';
	return parse_seq((struct slice){ dot + 1, text.len - epoch_len - 1 }, &p->seq);
}

struct position position_parse(struct slice text)
{
	struct position p = { .kind = POSITION_NONE };

	if (text.len)
		p.kind = parse_cursor(text, &p) ? POSITION_CURSOR : POSITION_INVALID;
	return p;
}

struct position position_parse_time(struct slice text)
{
	struct position p = position_parse(text);

	if (p.kind == POSITION_INVALID && clock_parse(text, &p.time))
		p.kind = POSITION_TIME;
	return p;
}

void cursor_add(struct buf *out, const char *epoch, uint64_t seq)
{
	buf_text(out, epoch);
	buf_char(out, '.');
	buf_u64(out, seq);
}

const char *resume_text(enum resume r)
{
	static const char *const texts[] = { "fresh", "exact", "reset" };
	return texts[r];
}

const char *reset_reason_text(enum reset_reason r)
{
	static const char *const texts[] = { NULL, "pruned", "epoch", "future", "invalid" };
	return texts[r];
}

static enum reset_reason why_not(const struct position *p, const char *epoch, uint64_t first,
                                 uint64_t head)
{
	if (p->kind != POSITION_CURSOR)
		return RESET_INVALID;
	if (strcmp(p->epoch, epoch) != 0)
		return RESET_EPOCH;
	if (p->seq > head)
		return RESET_FUTURE;
	return p->seq + 1 < first ? RESET_PRUNED : RESET_NONE;
}

enum resume position_resume(const struct position *p, const char *epoch, uint64_t first,
                            uint64_t head, enum reset_reason *reason)
{
	*reason = RESET_NONE;
	if (p->kind == POSITION_NONE)
		return RESUME_FRESH;
	*reason = why_not(p, epoch, first, head);
	return *reason == RESET_NONE ? RESUME_EXACT : RESUME_RESET;
}
