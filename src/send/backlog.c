#include "backlog.h"

bool backlog_has_room(const struct backlog *b)
{
	return b->count < BACKLOG_BODIES && b->bytes < BACKLOG_BYTES;
}

static struct backlog_body *first(const struct backlog *b)
{
	return (struct backlog_body *)&b->bodies[b->first];
}

void backlog_add(struct backlog *b, struct buf *bytes, uint32_t items, uint64_t now)
{
	b->bodies[(b->first + b->count++) % BACKLOG_BODIES] = (struct backlog_body){
		.bytes = *bytes, .items = items, .came = now
	};
	b->bytes += bytes->len;
	*bytes = (struct buf){ 0 };
}

const struct backlog_body *backlog_next(const struct backlog *b, uint64_t now)
{
	return b->count && b->due <= now ? first(b) : NULL;
}

uint64_t backlog_wait_ms(const struct backlog *b, uint64_t now)
{
	if (!b->count)
		return UINT64_MAX;
	return b->due > now ? b->due - now : 0;
}

void backlog_drop(struct backlog *b)
{
	b->bytes -= first(b)->bytes.len;
	buf_finish(&first(b)->bytes);
	b->first = (b->first + 1) % BACKLOG_BODIES;
	b->count--;
}

void backlog_done(struct backlog *b)
{
	b->failures = 0;
	b->due = 0;
}

/* Half of the pause is random, so that many servers do not come back at once. */
static uint64_t pause_ms(unsigned failures, uint64_t random)
{
	uint64_t pause = BACKLOG_PAUSE_MAX_MS;

	if (failures < 6)
		pause = (uint64_t)BACKLOG_PAUSE_MS << (failures - 1);

	if (pause > BACKLOG_PAUSE_MAX_MS)
		pause = BACKLOG_PAUSE_MAX_MS;
	return pause / 2 + random % (pause / 2 + 1);
}

void backlog_failed(struct backlog *b, uint64_t now, uint64_t asked_ms, uint64_t random)
{
	uint64_t pause = pause_ms(++b->failures, random);

	if (asked_ms > BACKLOG_PAUSE_MAX_MS)
		asked_ms = BACKLOG_PAUSE_MAX_MS;
	b->due = now + (asked_ms > pause ? asked_ms : pause);
}

bool backlog_is_old(const struct backlog *b, uint64_t now)
{
	return b->count && now - first(b)->came >= BACKLOG_KEEP_MS;
}

void backlog_finish(struct backlog *b)
{
	while (b->count)
		backlog_drop(b);
}
