#include "refusal.h"

#include <strings.h>

#include "joblight/base/random.h"

unsigned refusals_wait_ms(struct refusals *r, uint64_t now_ms)
{
	uint64_t ms = REFUSALS_MIN_MS + random_u64() % (REFUSALS_MAX_MS - REFUSALS_MIN_MS + 1);

	if (now_ms - r->since >= REFUSALS_HALVED_MS) {
		uint64_t halves = (now_ms - r->since) / REFUSALS_HALVED_MS;
		r->recent = halves < 64 ? r->recent >> halves : 0;
		r->since += halves * REFUSALS_HALVED_MS;
	}
	ms += ms * r->recent / REFUSALS_DOUBLE;
	r->recent++;
	return (unsigned)(ms < REFUSALS_LIMIT_MS ? ms : REFUSALS_LIMIT_MS);
}

/* Returns what is before `c`, and removes that and `c` from `s`. */
static struct slice take_until(struct slice *s, char c)
{
	const char *end = s->len ? memchr(s->ptr, c, s->len) : NULL;
	size_t len = end ? (size_t)(end - s->ptr) : s->len, taken = end ? len + 1 : len;
	struct slice part = { s->ptr, len };

	*s = (struct slice){ s->ptr + taken, s->len - taken };
	return slice_trimmed(part);
}

static bool accepts_events(struct slice accept)
{
	static const char type[] = "text/event-stream";

	while (accept.len) {
		struct slice range = take_until(&accept, ',');
		struct slice name = take_until(&range, ';');
		if (name.len == sizeof(type) - 1 && strncasecmp(name.ptr, type, name.len) == 0)
			return true;
	}
	return false;
}

bool refusal_is_event(struct slice accept, enum outcome o)
{
	int status = outcome_status(o);

	return (status == 503 || status == 429) && accepts_events(accept);
}

void refusal_encode(struct buf *out, enum outcome o, unsigned wait_ms)
{
	buf_format(out, "retry: %u\n\nevent: refused\n", wait_ms);
	buf_format(out, "data: {\"code\":\"%s\",\"status\":%d,\"retryAfterMs\":%u}\n\n",
	           outcome_code(o), outcome_status(o), wait_ms);
}
