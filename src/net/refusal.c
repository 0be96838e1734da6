#include "refusal.h"

#include "accept.h"
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

unsigned refusal_stopping_ms(void)
{
	return STOPPING_MIN_MS + (unsigned)(random_u64() % (STOPPING_MAX_MS - STOPPING_MIN_MS + 1));
}

bool refusal_is_event(struct slice accept, enum outcome o)
{
	return (outcome_status(o) == 503 || outcome_status(o) == 429) &&
	       accept_names(accept, "text/event-stream");
}

void refusal_encode(struct buf *out, enum outcome o, unsigned wait_ms)
{
	buf_format(out, "retry: %u\n\nevent: refused\n", wait_ms);
	buf_format(out, "data: {\"code\":\"%s\",\"status\":%d,\"retryAfterMs\":%u}\n\n",
	           outcome_code(o), outcome_status(o), wait_ms);
}
