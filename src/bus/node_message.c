#include "node_message.h"

#include "joblight/core/json.h"
#include "wire.h"

#define MAGIC "jl"
#define VERSION 1
#define AGENT_TIME_MAX_MS ((uint64_t)3600 * 1000) /* as --presence-ms */

enum node_message_fault node_message_read(struct slice bytes, struct node_message *m)
{
	struct wire w = wire_of(bytes);
	struct slice magic = wire_bytes(&w, 2);
	uint8_t version = wire_byte(&w);

	if (!slice_is(magic, MAGIC) || version != VERSION)
		return NODE_MESSAGE_FOREIGN;
	m->kind = wire_byte(&w);
	m->node = wire_fixed(&w);
	m->number = wire_number(&w);
	m->body = wire_text(&w);
	if (w.bad || wire_left(&w) || bytes.len > NODE_MESSAGE_MAX)
		return NODE_MESSAGE_BROKEN;
	return m->kind >= NODE_EVENTS && m->kind <= NODE_BYE ? NODE_MESSAGE_OK
	                                                     : NODE_MESSAGE_FOREIGN;
}

void node_message_write(struct buf *out, const struct node_message *m)
{
	buf_text(out, MAGIC);
	buf_char(out, VERSION);
	buf_char(out, (char)m->kind);
	wire_add_fixed(out, m->node);
	wire_add_number(out, m->number);
	wire_add_text(out, m->body);
}

/* ---- records: each has its length before it ---- */

static void add_record(struct buf *out, struct buf *record)
{
	wire_add_text(out, buf_as_slice(record));
	record->len = 0;
}

static bool job_id_read(struct wire *w, char out[ID_MAX + 1])
{
	wire_copy(w, out, ID_MAX);
	w->bad = w->bad || !id_valid(slice_of(out));
	return !w->bad;
}

/* ---- events ---- */

#define EVENT_OVERHEAD 64 /* bytes of an event apart from its JSON and title, and some more */
#define HEAD_BYTES 256    /* of a message and a body without events, and some more */

static void add_event(struct buf *out, const struct batch *b, const struct event *e,
                      struct buf *record)
{
	buf_char(record, (char)e->type);
	buf_char(record, (char)e->job_status);
	buf_char(record, e->deleted);
	wire_add_text(record, (struct slice){ b->text.ptr + e->title_at, e->title_len });
	wire_add_text(record, event_json(b, e));
	add_record(out, record);
}

size_t node_events_fit(const struct event *const *at, size_t count, size_t max)
{
	size_t bytes = HEAD_BYTES, fit = 0;

	while (fit < count && !at[fit]->is_head) {
		bytes += at[fit]->json_len + at[fit]->title_len + EVENT_OVERHEAD;
		if (bytes > max)
			break;
		fit++;
	}
	return fit;
}

void node_events_write(struct buf *out, const struct batch *b, const struct event *const *at,
                       size_t count, size_t max)
{
	size_t fit = node_events_fit(at, count, max);
	const struct event *first = at[0], *last = at[count - 1];
	struct buf record = { 0 };

	wire_add_text(&record, slice_of(first->job_id));
	wire_add_text(&record, slice_of(first->epoch));
	wire_add_number(&record, first->seq);
	wire_add_number(&record, last->seq);
	buf_char(&record, (char)last->job_status);
	add_record(out, &record);
	for (size_t i = 0; i < fit; i++)
		add_event(out, b, at[i], &record);
	buf_finish(&record);
}

static bool is_json_object(struct slice s)
{
	if (s.len < 2 || s.ptr[0] != '{' || s.ptr[s.len - 1] != '}')
		return false;
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < ' ')
			return false; /* a line feed would end the frame of a stream */
	return utf8_valid(s);
}

struct event_record {
	uint8_t type, status, flags;
	struct slice title, json;
};

static bool event_record_read(struct wire *w, struct event_record *e)
{
	struct wire record = wire_of(wire_text(w));

	e->type = wire_byte(&record);
	e->status = wire_byte(&record);
	e->flags = wire_byte(&record);
	e->title = wire_text(&record);
	e->json = wire_text(&record);
	return !w->bad && !record.bad &&
	       ((e->flags & 1) ? !e->json.len : is_json_object(e->json)) &&
	       !memchr(e->title.ptr, '\0', e->title.len) && utf8_valid(e->title);
}

static bool is_known(const struct event_record *e)
{
	return e->type < EVENT_LOGGED_COUNT && e->status < JOB_STATUS_COUNT;
}

static void put_text(struct batch *b, struct slice text, size_t *at, size_t *len)
{
	*at = b->text.len;
	*len = text.len;
	buf_slice(&b->text, text);
}

/* The part of all events of a body. */
struct events_head {
	char job_id[ID_MAX + 1], epoch[EPOCH_LEN + 1];
	uint64_t first, last;
	uint8_t status;
};

static bool events_head_read(struct wire *body, struct events_head *h)
{
	struct wire head = wire_of(wire_text(body)), *w = &head;

	job_id_read(w, h->job_id);
	wire_copy(w, h->epoch, EPOCH_LEN);
	h->first = wire_number(w);
	h->last = wire_number(w);
	h->status = wire_byte(w);
	return !body->bad && !w->bad && strlen(h->epoch) == EPOCH_LEN && h->first >= 1 &&
	       h->last >= h->first && h->last < UINT64_MAX - 1;
}

static struct event *put_event(struct batch *b, const struct events_head *h, uint64_t seq)
{
	struct event *e = batch_add(b);

	memcpy(e->job_id, h->job_id, sizeof(e->job_id));
	memcpy(e->epoch, h->epoch, sizeof(e->epoch));
	e->seq = seq;
	return e;
}

/* The status of an unknown one is not taken: the database has it. */
static void put_head(struct batch *b, const struct events_head *h)
{
	struct event *e = put_event(b, h, h->last);

	e->is_head = true;
	e->job_status = h->status < JOB_STATUS_COUNT ? (enum job_status)h->status : JOB_PENDING;
}

static void put_record(struct batch *b, const struct events_head *h, uint64_t seq,
                       const struct event_record *r)
{
	struct event *e = put_event(b, h, seq);

	e->type = (enum event_type)r->type;
	e->job_status = (enum job_status)r->status;
	e->deleted = r->flags & 1;
	put_text(b, r->json, &e->json_at, &e->json_len);
	put_text(b, r->title, &e->title_at, &e->title_len);
}

bool node_events_read(struct slice body, struct batch *into)
{
	struct wire w = wire_of(body);
	size_t count = into->count, text = into->text.len;
	struct events_head h;
	struct event_record r;
	bool ok = events_head_read(&w, &h);
	uint64_t seq = h.first;

	while (ok && wire_left(&w) && seq <= h.last) {
		ok = event_record_read(&w, &r);
		if (ok && !is_known(&r))
			break;
		if (ok)
			put_record(into, &h, seq++, &r);
	}
	if (ok && seq <= h.last)
		put_head(into, &h);
	if (!ok) {
		into->count = count;
		into->text.len = text;
	}
	return ok;
}

/* ---- counts and agents ---- */

void node_counts_begin(struct buf *out, unsigned parts)
{
	wire_add_number(out, parts);
}

void node_counts_add(struct buf *out, const char *job_id, uint64_t count)
{
	struct buf record = { 0 };

	wire_add_text(&record, slice_of(job_id));
	wire_add_number(&record, count);
	add_record(out, &record);
	buf_finish(&record);
}

bool node_records_begin(struct node_records *r, struct slice body)
{
	struct wire w = wire_of(body);
	uint64_t parts = wire_number(&w);

	*r = (struct node_records){ { w.at, wire_left(&w) }, (unsigned)(parts & 3), w.bad };
	return !w.bad;
}

static struct wire next_record(struct node_records *r)
{
	struct wire w = wire_of(r->left);
	struct slice record = wire_text(&w);

	r->left = (struct slice){ w.at, wire_left(&w) };
	r->bad = r->bad || w.bad;
	return wire_of(record);
}

bool node_counts_next(struct node_records *r, struct node_count *count)
{
	if (!r->left.len || r->bad)
		return false;
	struct wire w = next_record(r);
	job_id_read(&w, count->job_id);
	count->count = wire_number(&w);
	r->bad = r->bad || w.bad || count->count > INT32_MAX;
	return !r->bad;
}

void node_agents_begin(struct buf *out, unsigned parts)
{
	wire_add_number(out, parts);
}

void node_agents_add(struct buf *out, const struct presence_report *report, uint64_t now_ms)
{
	struct buf record = { 0 };
	uint64_t rest = report->due_ms > now_ms ? report->due_ms - now_ms : 0;

	wire_add_text(&record, slice_of(report->job_id));
	wire_add_text(&record, slice_of(report->agent));
	wire_add_text(&record, slice_of(report->state));
	wire_add_text(&record, slice_of(report->task_id));
	wire_add_number(&record, report->owner);
	wire_add_number(&record, report->loop);
	wire_add_number(&record, rest);
	add_record(out, &record);
	buf_finish(&record);
}

/* A report without an agent names an owner that has gone, and nothing else. */
static bool report_is_valid(const struct presence_report *r)
{
	if (!r->agent[0])
		return !r->job_id[0] && !r->state[0] && !r->task_id[0] && r->owner;
	return utf8_valid(slice_of(r->state)) && id_valid(slice_of(r->job_id)) &&
	       id_valid(slice_of(r->agent)) && (!r->task_id[0] || id_valid(slice_of(r->task_id)));
}

bool node_agents_next(struct node_records *r, struct presence_report *report, uint64_t now_ms)
{
	if (!r->left.len || r->bad)
		return false;
	struct wire w = next_record(r);
	*report = (struct presence_report){ 0 };
	wire_copy(&w, report->job_id, ID_MAX);
	wire_copy(&w, report->agent, ID_MAX);
	wire_copy(&w, report->state, AGENT_STATE_MAX);
	wire_copy(&w, report->task_id, ID_MAX);
	report->owner = wire_number(&w);
	uint64_t loop = wire_number(&w), rest = wire_number(&w);
	report->loop = (unsigned)loop;
	report->due_ms = now_ms + (rest < AGENT_TIME_MAX_MS ? rest : AGENT_TIME_MAX_MS);
	r->bad = r->bad || w.bad || loop >= BUS_LOOPS_MAX || !report_is_valid(report);
	return !r->bad;
}

/* ---- questions ---- */

void node_ask_write(struct buf *out, uint64_t node)
{
	wire_add_fixed(out, node);
}

bool node_ask_names(struct slice body, uint64_t node)
{
	struct wire w = wire_of(body);
	uint64_t named = wire_fixed(&w);

	return !w.bad && (!named || named == node);
}
