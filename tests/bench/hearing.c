#include "hearing.h"

#include <string.h>

#include "check.h"
#include "nats.h"
#include "peer.h"
#include "stamp.h"
#include "subscriber.h"
#include "websocket.h"

/* Where a piece of text stood in the last event is where it stands in the next one, but for a digit
 * more. */
struct place {
	const char *text;
	size_t len;
	size_t last;
};

static struct place stamp_place = { STAMP_MARK, STAMP_MARK_LEN, 0 };
static struct place seq_place = { "\"seq\":", 6, 0 };

static inline const char *find(struct place *place, const char *data, size_t len)
{
	if (place->last + place->len <= len && !memcmp(data + place->last, place->text, place->len))
		return data + place->last;
	const char *found = memmem(data, len, place->text, place->len);
	if (found)
		place->last = (size_t)(found - data);
	return found;
}

static uint64_t number_at(const char *digits, const char *end)
{
	uint64_t value = 0;
	for (; digits < end && *digits >= '0' && *digits <= '9'; digits++)
		value = value * 10 + (uint64_t)(*digits - '0');
	return value;
}

/* 0 when the event has no number. */
static inline uint64_t event_seq(const char *data, size_t len)
{
	const char *found = find(&seq_place, data, len);
	return found ? number_at(found + 6, data + len) : 0;
}

/* The subscriber has all that the job had when it reconnected. */
static void catch_up(struct subscriber *s, uint64_t seq)
{
	struct load *load = s->load;
	if (s->caught_up || seq < s->goal)
		return;
	s->caught_up = true;
	load->caught_up++;
	histogram_add(&load->resume, load->read_ns - s->since_ns);
}

static void take_update(struct subscriber *s, const char *data, size_t len)
{
	struct load *load = s->load;
	struct stamp stamp;
	const char *mark = find(&stamp_place, data, len);
	if (!mark || (size_t)(data + len - mark) < STAMP_LEN || !stamp_read(mark, &stamp)) {
		load_error(load, "update without a stamp on connection", s->index);
		return;
	}
	uint64_t seq = load->options.peer->has_seq ? event_seq(data, len) : 0;
	if (load->options.peer->has_seq && !seq)
		load_error(load, "update without seq on connection", s->index);
	check_event(load->check, s->index, s->job, seq, &stamp);
	if (load->coming != COMING_FIRST)
		catch_up(s, seq);
	if (s->manner != MANNER_READS)
		return;
	histogram_add(&load->delivery,
	              load->read_ns > stamp.time_ns ? load->read_ns - stamp.time_ns : 0);
	load->seen.deliveries++;
}

/* The lane of each writer continues after its last update in the snapshot. */
static void take_snapshot(struct subscriber *s, const char *data, size_t len)
{
	struct stamp stamp;
	const char *end = data + len;
	for (const char *p = data; (p = memmem(p, (size_t)(end - p), STAMP_MARK, STAMP_MARK_LEN));
	     p += STAMP_MARK_LEN)
		if (end - p >= STAMP_LEN && stamp_read(p, &stamp))
			check_fold(s->load->check, s->index, s->job, &stamp);
}

static void take_return(struct subscriber *s, uint64_t next, const char *data, size_t len)
{
	struct load *load = s->load;
	const char *head = memmem(data, len, "\"head\":", 7);
	bool exact = memmem(data, len, "\"resume\":\"exact\"", 16) != NULL;
	s->goal = head ? number_at(head + 7, data + len) : UINT64_MAX;
	if (load->coming == COMING_FRESH) {
		check_start(load->check, s->index, next);
		take_snapshot(s, data, len);
	} else if (!exact || next != check_position(load->check, s->index) + 1) {
		load_error(load, "not brought back to where it was: connection", s->index);
	}
	catch_up(s, next - 1);
}

static void keep_epoch(struct load *load, const char *epoch, size_t len)
{
	if (!load->epoch[0] && len < sizeof(load->epoch))
		memcpy(load->epoch, epoch, len);
}

/* The cursor is `<epoch>.<seq>`; the next event is seq + 1. */
static void take_connected(struct subscriber *s, const char *data, size_t len)
{
	const char *end = data + len;
	const char *cursor = memmem(data, len, "\"cursor\":\"", 10);
	const char *dot = cursor ? memchr(cursor, '.', (size_t)(end - cursor)) : NULL;
	if (!dot) {
		if (s->load->options.peer->has_seq)
			load_error(s->load, "connected without a cursor on connection", s->index);
	} else if (s->load->coming != COMING_FIRST) {
		take_return(s, number_at(dot + 1, end) + 1, data, len);
	} else {
		keep_epoch(s->load, cursor + 10, (size_t)(dot - cursor - 10));
		check_start(s->load->check, s->index, number_at(dot + 1, end) + 1);
	}
	subscriber_accepted(s);
}

static bool is_type(const char *data, size_t len, const char *type)
{
	size_t n = strlen(type);
	return len > 9 + n && !memcmp(data, "{\"type\":\"", 9) && !memcmp(data + 9, type, n) &&
	       data[9 + n] == '"';
}

/* What is neither an update nor `connected`. A snapshot in mid-stream is a fault here: nothing
 * these runs do may push a reader out of what the server keeps. */
static void take_other(struct subscriber *s, const char *data, size_t len)
{
	if (is_type(data, len, "heartbeat"))
		s->load->heartbeats++;
	else if (is_type(data, len, "job_update"))
		check_other(s->load->check, s->index, event_seq(data, len));
	else if (is_type(data, len, "presence") || is_type(data, len, "pong") ||
	         s->manner >= MANNER_STALLED)
		return;
	else
		load_error(s->load, "unexpected event on connection", s->index);
}

static void take_data(struct subscriber *s, const char *data, size_t len)
{
	if (len <= 9 || memcmp(data, "{\"type\":\"", 9) != 0 || data[9] == 't')
		take_update(s, data, len);
	else if (is_type(data, len, "connected"))
		take_connected(s, data, len);
	else
		take_other(s, data, len);
}

static void take_head(struct subscriber *s, const char *head, size_t len)
{
	char hello[512], id[LOAD_ID_SIZE];
	const struct load *load = s->load;
	if (load->options.websocket && !websocket_accepted(head, len))
		load_error(s->load, "wrong Sec-WebSocket-Accept on connection", s->index);
	if (load->options.peer->nats) {
		load_job_id(load, s->job, id);
		size_t hello_len = nats_hello(hello, sizeof(hello), id);
		if (!websocket_send(s->fd, WEBSOCKET_BINARY, hello, hello_len))
			load_error(s->load, "cannot say hello on connection", s->index);
	} else if (!load->options.peer->says_connected) {
		subscriber_accepted(s);
	}
}

static void take_ping(struct subscriber *s, const char *data, size_t len)
{
	bool nats = s->load->options.peer->nats;
	if (nats ? !websocket_send(s->fd, WEBSOCKET_BINARY, "PONG\r\n", 6)
	         : !websocket_send(s->fd, WEBSOCKET_PONG, data, len))
		load_error(s->load, "ping not answered on connection", s->index);
}

void hearing_message(void *owner, enum message kind, const char *data, size_t len)
{
	struct subscriber *s = owner;
	switch (kind) {
	case MESSAGE_HEAD:
		take_head(s, data, len);
		break;
	case MESSAGE_DATA:
		take_data(s, data, len);
		break;
	case MESSAGE_HEARTBEAT:
		s->load->heartbeats++;
		break;
	case MESSAGE_PING:
		take_ping(s, data, len);
		break;
	case MESSAGE_READY:
		subscriber_accepted(s);
		break;
	case MESSAGE_OK:
		break;
	case MESSAGE_END:
		if (s->manner < MANNER_STALLED)
			load_error(s->load, "stream ended on connection", s->index);
		break;
	}
}
