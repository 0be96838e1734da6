#include "first_message.h"

#include "joblight/base/clock.h"
#include "joblight/base/random.h"
#include "net/attendance.h"
#include "joblight/core/json.h"
#include "net/loop_private.h"

#define RETRY_MIN_MS 2000
#define RETRY_MAX_MS 4000
/* Behind a proxy another server takes them at once: half of them are back within three seconds. */
#define RESTART_MIN_MS 1000

static unsigned random_between(unsigned min, unsigned max)
{
	return min + (unsigned)(random_u64() % (max - min + 1));
}

unsigned reconnect_delay_ms(void)
{
	return random_between(RETRY_MIN_MS, RETRY_MAX_MS);
}

unsigned restart_delay_ms(void)
{
	return random_between(RESTART_MIN_MS, RETRY_MAX_MS);
}

static void add_number(struct buf *out, const char *name, uint64_t value)
{
	json_name(out, name);
	buf_u64(out, value);
}

static void add_head(struct buf *out, const struct loop *l, const struct subscription_start *o)
{
	buf_text(out, o->again ? "{\"type\":\"reset\"" : "{\"type\":\"connected\"");
	json_text(out, "jobId", o->job_id);
	json_text(out, "status", job_status_text(o->status));
	json_text(out, "title", o->title);
	json_text(out, "epoch", o->epoch);
	buf_text(out, ",\"cursor\":\"");
	cursor_add(out, o->epoch, o->start);
	buf_char(out, '"');
	add_number(out, "head", o->head);
	json_text(out, "resume", resume_text(o->resume));
	if (o->reason)
		json_text(out, "reason", reset_reason_text(o->reason));
	add_number(out, "heartbeatMs", o->heartbeat_ms);
	add_number(out, "watchers", o->watchers);
	json_name(out, "agents");
	attendance_agents(l->attendance, o->job_id, out);
}

void first_message_encode(struct first_message *m, const struct loop *l,
                          const struct subscription_start *o)
{
	add_head(&m->head, l, o);
	m->snapshot = o->snapshot;
	m->rows_at = o->rows_at;
	if (o->snapshot.len)
		json_name(&m->head, "job");
	buf_char(o->snapshot.len ? &m->tail : &m->head, '}');
}

static void add_cursor(struct buf *out, const char *epoch, uint64_t seq)
{
	json_name(out, "cursor");
	buf_char(out, '"');
	cursor_add(out, epoch, seq);
	buf_char(out, '"');
}

void end_encode(struct buf *out, const struct subscription_end *e, bool with_cursor)
{
	buf_text(out, "{\"type\":\"end\"");
	json_text(out, "jobId", e->job_id);
	add_number(out, "seq", e->seq);
	json_text(out, "status", e->status);
	if (with_cursor)
		add_cursor(out, e->epoch, e->seq);
	buf_char(out, '}');
}

void restart_encode(struct buf *out)
{
	buf_format(out, "{\"type\":\"restart\",\"retryMs\":%u}", restart_delay_ms());
}

void heartbeat_encode(struct buf *out, const struct subscriber *s, uint64_t head)
{
	buf_char(out, '{');
	if (s) {
		json_text(out, "type", "heartbeat");
		json_text(out, "jobId", subscriber_job_id(s));
	}
	add_number(out, "head", head);
	if (s && subscriber_filters(s))
		add_cursor(out, subscriber_epoch(s), s->cursor);
	json_name(out, "timestamp");
	json_time(out, clock_wall_ms());
	buf_char(out, '}');
}
