#include "subscriber.h"

#include "preamble.h"

void hub_detach(struct hub *h, struct subscriber *s)
{
	if (!s->channel)
		return;
	channel_leave(h, s);
	if (s->read) {
		s->read->subscriber = NULL;
		atomic_store(&s->read->request.gone, true);
	}
	s->read = NULL;
	preamble_drop(s);
	list_remove(&s->heartbeat_link);
	list_remove(&s->wait_link);
	s->open = s->blocked = false;
}

bool subscriber_in_message(const struct subscriber *s)
{
	return preamble_in_message(s->preamble);
}

uint64_t subscriber_heartbeat_ms(const struct hub *h, const struct subscriber *s)
{
	return s->heartbeat_s ? s->heartbeat_s * UINT64_C(1000) : h->limits->heartbeat_ms;
}

void subscriber_schedule_heartbeat(struct hub *h, struct subscriber *s)
{
	s->heartbeat_due = (uint32_t)(h->now + subscriber_heartbeat_ms(h, s));
	list_move(&h->heartbeats[s->heartbeat_s], &s->heartbeat_link);
}

/* Of two times of which only the low halves are known. */
static bool is_later(const struct list *a, const struct list *b)
{
	return (int32_t)(container_of(a, struct subscriber, wait_link)->wait_due -
	                 container_of(b, struct subscriber, wait_link)->wait_due) > 0;
}

/* The list is in the order of the deadlines; the new one comes last unless the limit was lowered.
 */
void hub_block(struct hub *h, struct subscriber *s)
{
	if (!s->channel)
		return;
	s->blocked = true;
	s->wait_due = (uint32_t)(h->now + h->limits->write_stall_ms);
	list_move_sorted(&h->write_stalls, &s->wait_link, is_later);
}

/* The functions of polling subscribers. */

bool subscriber_filters(const struct subscriber *s)
{
	return s->types != TYPE_BITS_ALL;
}

uint64_t subscriber_head(const struct subscriber *s)
{
	return later(channel_head(s->channel), s->cursor);
}

bool subscriber_ended(const struct subscriber *s)
{
	const struct channel *c = s->channel;

	return c->deleted || (c->ended && subscriber_head(s) >= c->end_seq);
}

bool subscriber_deleted(const struct subscriber *s)
{
	return s->channel->deleted;
}

bool subscriber_reaches(const struct subscriber *s)
{
	return s->channel->ring && ring_reaches(s->channel->ring, s->cursor);
}

bool subscriber_wants(const struct subscriber *s, enum event_type type)
{
	return s->types & TYPE_BIT(type);
}

enum event_type subscriber_type(const struct subscriber *s, uint64_t seq)
{
	return ring_type(s->channel->ring, seq);
}

void subscriber_skip_to(struct subscriber *s, uint64_t seq)
{
	s->cursor = later(s->cursor, seq);
}

struct slice subscriber_json(const struct subscriber *s, uint64_t seq)
{
	return ring_json(s->channel->ring, seq);
}

enum job_status subscriber_status(const struct subscriber *s)
{
	return s->channel->status;
}

const char *subscriber_job_id(const struct subscriber *s)
{
	return s->channel->job_id;
}

const char *subscriber_epoch(const struct subscriber *s)
{
	return s->channel->epoch;
}
