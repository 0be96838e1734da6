#include "joblight/core/ring.h"

#include <assert.h>
#include <stdlib.h>

#include "joblight/base/xalloc.h"
#include "joblight/core/metric.h"

#define FIRST_SLOTS 8
#define FIRST_BYTES 2048

/*
 * Offsets count all bytes ever appended and never wrap (64 bits); `base` is the offset of
 * bytes[0]. When the end of the memory is reached, the live bytes move to its beginning.  The
 * memory is twice the limit, so each byte moves at most once per limit of new bytes.
 */
struct frame_log {
	bool used;
	char *bytes;
	size_t cap;
	uint64_t base, end;
};

struct ring_slot {
	uint64_t at[FRAMING_COUNT]; /* where its frame begins */
	uint32_t json_len;
	enum event_type type;
};

struct ring {
	const struct limits *limits;
	struct ring_budget *budget;
	char epoch[EPOCH_LEN + 1];
	bool started;
	uint64_t first, next;
	struct ring_slot *slots;
	size_t slot_count; /* a power of two */
	struct frame_log logs[FRAMING_COUNT];
};

struct ring *ring_create(const struct limits *limits, struct ring_budget *budget, const char *epoch)
{
	struct ring *r = xcalloc(1, sizeof(*r));

	r->limits = limits;
	r->budget = budget;
	r->first = r->next = 1;
	memcpy(r->epoch, epoch, sizeof(r->epoch));
	return r;
}

/* The budget is of one hub, and the metric of all. */
static void budget_take(struct ring *r, size_t bytes)
{
	r->budget->used += bytes;
	metric_add(METRIC_RINGS, bytes);
}

static void budget_return(struct ring *r, size_t bytes)
{
	r->budget->used -= bytes;
	metric_subtract(METRIC_RINGS, bytes);
}

static void release_log(struct ring *r, struct frame_log *log)
{
	budget_return(r, log->cap);
	free(log->bytes);
	*log = (struct frame_log){ 0 };
}

void ring_free(struct ring *r)
{
	if (!r)
		return;
	for (int f = 0; f < FRAMING_COUNT; f++)
		release_log(r, &r->logs[f]);
	budget_return(r, r->slot_count * sizeof(*r->slots));
	free(r->slots);
	free(r);
}

static struct ring_slot *slot(const struct ring *r, uint64_t seq)
{
	return &r->slots[seq & (r->slot_count - 1)];
}

static uint64_t frame_start(const struct ring *r, enum framing f, uint64_t seq)
{
	return seq == r->next ? r->logs[f].end : slot(r, seq)->at[f];
}

static const char *at_offset(const struct frame_log *log, uint64_t offset)
{
	return log->bytes + (offset - log->base);
}

static void forget_all(struct ring *r, uint64_t next)
{
	r->first = r->next = next;
	for (int f = 0; f < FRAMING_COUNT; f++)
		r->logs[f].base = r->logs[f].end;
}

void ring_start(struct ring *r, uint64_t head)
{
	if (r->started)
		return; /* the events in between come through the loop's FIFO */
	forget_all(r, head + 1);
	r->started = true;
}

void ring_skip(struct ring *r, uint64_t head)
{
	if (head < r->next)
		return;
	forget_all(r, head + 1);
	r->started = true;
}

bool ring_started(const struct ring *r)
{
	return r->started;
}

uint64_t ring_first(const struct ring *r)
{
	return r->first;
}

uint64_t ring_next(const struct ring *r)
{
	return r->next;
}

bool ring_reaches(const struct ring *r, uint64_t seq)
{
	return r->started && seq + 1 >= r->first;
}

static uint64_t live_bytes(const struct ring *r, enum framing f)
{
	return r->logs[f].end - frame_start(r, f, r->first);
}

static bool may_grow(const struct ring *r, size_t more)
{
	if (r->budget->used + more <= r->budget->max)
		return true;
	metric_count(METRIC_CRAMPED);
	return false;
}

/* Moves the live bytes to the beginning of the same memory. */
static void compact(struct ring *r, enum framing f)
{
	struct frame_log *log = &r->logs[f];
	uint64_t start = frame_start(r, f, r->first);

	if (start > log->base && log->bytes)
		memmove(log->bytes, at_offset(log, start), log->end - start);
	log->base = start;
}

static void set_capacity(struct ring *r, struct frame_log *log, size_t cap)
{
	budget_take(r, cap - log->cap);
	log->bytes = xrealloc(log->bytes, cap);
	log->cap = cap;
}

/* Doubles the log, up to twice the limit.  False: the limit for all rings or for this log forbids
 * it. */
static bool grow_log(struct ring *r, struct frame_log *log, size_t need)
{
	size_t cap = log->cap ? log->cap : FIRST_BYTES;
	size_t max = 2 * (size_t)r->limits->ring_bytes;

	while (cap < need)
		cap *= 2;
	cap = cap > max ? max : cap;
	if (cap < need || cap <= log->cap || !may_grow(r, cap - log->cap))
		return false;
	set_capacity(r, log, cap);
	return true;
}

static void drop_oldest(struct ring *r)
{
	r->first++;
}

/* Makes room for `len` more bytes in one log and drops the oldest events as needed.  False: they
 * can never fit. */
static bool make_room(struct ring *r, enum framing f, size_t len)
{
	struct frame_log *log = &r->logs[f];

	if (len > r->limits->ring_bytes)
		return false;
	while (live_bytes(r, f) + len > r->limits->ring_bytes)
		drop_oldest(r);
	if (log->end - log->base + len <= log->cap)
		return true;
	compact(r, f);
	if (log->end - log->base + len <= log->cap / 2 + 1 ||
	    grow_log(r, log, 2 * (live_bytes(r, f) + len)))
		return true;
	while (r->first < r->next && live_bytes(r, f) + len > log->cap)
		drop_oldest(r);
	compact(r, f);
	return len <= log->cap;
}

static bool grow_slots(struct ring *r)
{
	size_t count = r->slot_count ? r->slot_count * 2 : FIRST_SLOTS;
	size_t more = (count - r->slot_count) * sizeof(*r->slots);

	if (r->slot_count >= r->limits->ring_events || !may_grow(r, more))
		return false;
	struct ring_slot *slots = xcalloc(count, sizeof(*slots));
	for (uint64_t seq = r->first; seq < r->next; seq++)
		slots[seq & (count - 1)] = *slot(r, seq);
	free(r->slots);
	r->slots = slots;
	r->slot_count = count;
	budget_take(r, more);
	return true;
}

static bool make_slot(struct ring *r)
{
	while (r->next - r->first >= r->limits->ring_events)
		drop_oldest(r);
	if (r->next - r->first < r->slot_count || grow_slots(r))
		return true;
	if (!r->slot_count)
		return false;
	drop_oldest(r);
	return true;
}

static void put(struct frame_log *log, const void *bytes, size_t len)
{
	memcpy(log->bytes + (log->end - log->base), bytes, len);
	log->end += len;
}

static bool append_frame(struct ring *r, enum framing f, uint64_t seq, enum event_type type,
                         struct slice json, struct ring_slot *s)
{
	char prefix[FRAME_PREFIX_MAX];
	size_t len = frame_prefix(f, prefix, r->epoch, seq, type, json.len);
	struct slice suffix = frame_suffix(f);

	if (!make_room(r, f, len + json.len + suffix.len))
		return false;
	struct frame_log *log = &r->logs[f];
	s->at[f] = log->end;
	put(log, prefix, len);
	put(log, json.ptr, json.len);
	put(log, suffix.ptr, suffix.len);
	return true;
}

static bool append_event(struct ring *r, uint64_t seq, enum event_type type, struct slice json)
{
	struct ring_slot s = { .json_len = (uint32_t)json.len, .type = type };

	if (!make_slot(r))
		return false;
	for (int f = 0; f < FRAMING_COUNT; f++)
		if (r->logs[f].used && !append_frame(r, (enum framing)f, seq, type, json, &s))
			return false;
	*slot(r, seq) = s;
	r->next = seq + 1;
	return true;
}

void ring_append(struct ring *r, uint64_t seq, enum event_type type, struct slice json)
{
	if (!r->started)
		ring_start(r, seq - 1);
	if (seq < r->next)
		return;
	if (seq > r->next)
		forget_all(r, seq);
	if (!append_event(r, seq, type, json))
		forget_all(r, seq + 1); /* too large for the ring: readers get it from the store */
}

void ring_use(struct ring *r, enum framing f)
{
	int other = 0;

	if (r->logs[f].used)
		return;
	r->logs[f].used = true;
	while (other < FRAMING_COUNT && (other == (int)f || !r->logs[other].used))
		other++;
	if (other ==
	    FRAMING_COUNT) /* events came while no framing was used: no log has their JSON */
		forget_all(r, r->next);
	if (r->first == r->next)
		return;
	/* The events are framed again from the JSON in the other log.  When they do not all fit,
	 * the oldest are dropped. */
	uint64_t oldest = r->first, end = r->next;
	r->next = r->first;
	for (uint64_t seq = oldest; seq < end; seq++) {
		struct ring_slot *s = slot(r, seq);
		struct frame_log *from = &r->logs[other];
		uint64_t frame_end = seq + 1 < end ? slot(r, seq + 1)->at[other] : from->end;
		struct slice json = { at_offset(from, frame_end) -
			                  frame_suffix((enum framing)other).len - s->json_len,
			              s->json_len };
		r->next = seq;
		if (!append_frame(r, f, seq, s->type, json, s)) {
			r->first = seq + 1;
			r->logs[f].base = r->logs[f].end;
		}
		r->next = seq + 1;
	}
}

struct slice ring_frames(const struct ring *r, enum framing f, uint64_t seq, size_t max,
                         uint64_t *last)
{
	const struct frame_log *log = &r->logs[f];

	assert(ring_reaches(r, seq) && log->used);
	*last = r->next - 1;
	if (seq >= *last) {
		*last = seq; /* a read of the store is ahead of the ring */
		return (struct slice){ 0 };
	}
	uint64_t start = frame_start(r, f, seq + 1);
	if (log->end - start > max) {
		/* bisection for the last frame that ends within `max` */
		uint64_t low = seq + 1, high = r->next - 1;
		while (low < high) {
			uint64_t middle = low + (high - low + 1) / 2;
			if (frame_start(r, f, middle + 1) - start <= max)
				low = middle;
			else
				high = middle - 1;
		}
		*last = low;
	}
	return (struct slice){ at_offset(log, start),
		               (size_t)(frame_start(r, f, *last + 1) - start) };
}

size_t ring_span(const struct ring *r, enum framing f, uint64_t seq, uint64_t last)
{
	return last > seq ? (size_t)(frame_start(r, f, last + 1) - frame_start(r, f, seq + 1)) : 0;
}

struct slice ring_json(const struct ring *r, uint64_t seq)
{
	assert(seq >= r->first && seq < r->next);
	for (int f = 0; f < FRAMING_COUNT; f++) {
		if (!r->logs[f].used)
			continue;
		const char *end = at_offset(&r->logs[f], frame_start(r, (enum framing)f, seq + 1));
		size_t len = slot(r, seq)->json_len;
		return (struct slice){ end - frame_suffix((enum framing)f).len - len, len };
	}
	assert(false); /* a ring in use has a log */
	return (struct slice){ 0 };
}

enum event_type ring_type(const struct ring *r, uint64_t seq)
{
	return slot(r, seq)->type;
}
