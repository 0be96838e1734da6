#include "joblight/core/otlp.h"

#include "joblight/core/json.h"

#define KIND_SERVER 2
#define STATUS_ERROR 2
#define FLAG_SAMPLED 1
#define FLAG_KNOWS_PARENT 0x100
#define FLAG_PARENT_IS_REMOTE 0x200

/* Attributes. */

static void begin_attribute(struct buf *out, const char *key, const char *type)
{
	buf_text(out, out->ptr[out->len - 1] == '[' ? "{\"key\":\"" : ",{\"key\":\"");
	buf_text(out, key);
	buf_text(out, "\",\"value\":{\"");
	buf_text(out, type);
	buf_text(out, "\":");
}

static void add_text(struct buf *out, const char *key, const char *value)
{
	if (!value || !value[0] || !utf8_valid(slice_of(value)))
		return;
	begin_attribute(out, key, "stringValue");
	json_string(out, slice_of(value));
	buf_text(out, "}}");
}

/* 64 bits are a string, as in every JSON made from a protocol buffer. */
static void add_number(struct buf *out, const char *key, uint64_t value)
{
	if (!value)
		return;
	begin_attribute(out, key, "intValue");
	buf_format(out, "\"%llu\"}}", (unsigned long long)value);
}

static void add_true(struct buf *out, const char *key)
{
	begin_attribute(out, key, "boolValue");
	buf_text(out, "true}}");
}

static void add_time(struct buf *out, const char *name, int64_t us)
{
	buf_format(out, "\"%s\":\"%lld000\"", name, (long long)us);
}

/* The whole. */

void otlp_begin(struct buf *out, const char *version, const char *instance)
{
	buf_text(out, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
	add_text(out, "service.name", "joblight");
	add_text(out, "service.version", version);
	add_text(out, "service.instance.id", instance);
	buf_text(out, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"joblight\",\"version\":");
	json_string(out, slice_of(version));
	buf_text(out, "},\"spans\":[");
}

void otlp_end(struct buf *out)
{
	buf_text(out, "]}]}]}");
}

/* Spans. */

static void add_ids(struct buf *out, const struct span *s)
{
	buf_format(out, "\"traceId\":\"%s\",\"spanId\":\"%s\"", s->trace_id, s->span_id);
	if (s->parent_id[0])
		buf_format(out, ",\"parentSpanId\":\"%s\"", s->parent_id);
	buf_format(out, ",\"flags\":%d",
	           FLAG_SAMPLED | FLAG_KNOWS_PARENT |
	               (s->parent_id[0] ? FLAG_PARENT_IS_REMOTE : 0));
}

/* "PUT /api/jobs/:job/tasks/:task", "message update". */
static void add_name(struct buf *out, const struct span *s)
{
	buf_text(out, ",\"name\":\"");
	buf_text(out, s->method ? s->method : s->route ? "message" : "request");
	if (s->route) {
		buf_char(out, ' ');
		buf_text(out, s->route);
	}
	buf_format(out, "\",\"kind\":%d,", KIND_SERVER);
}

static void add_attributes(struct buf *out, const struct span *s)
{
	bool is_http = s->method || !s->route;

	buf_text(out, ",\"attributes\":[");
	add_text(out, "http.request.method", s->method);
	add_text(out, is_http ? "http.route" : "joblight.message", s->route);
	add_text(out, "url.path", s->path);
	add_number(out, is_http ? "http.response.status_code" : "joblight.status",
	           (uint64_t)s->status);
	add_text(out, "client.address", s->client);
	add_text(out, "joblight.request_id", s->request_id);
	add_text(out, "joblight.job", s->job_id);
	add_text(out, "joblight.task", s->task_id);
	if (s->replayed)
		add_true(out, "joblight.replayed");
	buf_char(out, ']');
}

static void add_events(struct buf *out, const struct span *s)
{
	if (!s->committed_us)
		return;
	buf_text(out, ",\"events\":[{");
	add_time(out, "timeUnixNano", s->committed_us);
	buf_text(out, ",\"name\":\"commit\",\"attributes\":[");
	add_number(out, "joblight.seq", s->seq);
	buf_text(out, "]}]");
}

void otlp_add(struct buf *out, const struct span *s)
{
	buf_text(out, out->ptr[out->len - 1] == '[' ? "{" : ",{");
	add_ids(out, s);
	add_name(out, s);
	add_time(out, "startTimeUnixNano", s->began_us);
	buf_char(out, ',');
	add_time(out, "endTimeUnixNano", s->ended_us);
	add_attributes(out, s);
	add_events(out, s);
	if (s->status >= 500)
		buf_format(out, ",\"status\":{\"code\":%d}", STATUS_ERROR);
	buf_char(out, '}');
}
