#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"
#include "net.h"
#include "peer.h"
#include "stamp.h"
#include "websocket.h"

#define HEAD_SIZE 1024
#define ITEM_SIZE 300 /* more than one update's JSON, an event's, or a task's at creation */

static char *text_create(size_t size)
{
	char *text = malloc(size);
	if (!text)
		abort();
	return text;
}

static uint32_t tasks_each(const struct options *o)
{
	uint64_t writers = (o->publishers + o->jobs - 1) / o->jobs;
	return (uint32_t)(writers > o->tasks ? writers : o->tasks);
}

static int write_job(const struct load *load, uint32_t job, char *out, size_t size)
{
	char id[LOAD_ID_SIZE];
	load_job_id(load, job, id);
	int len = snprintf(
	    out, size,
	    "{\"id\":\"%s\",\"title\":\"Benchmark\",\"status\":\"in_progress\",\"tasks\":[", id);
	for (uint32_t i = 0; i < tasks_each(&load->options); i++)
		len += snprintf(out + len, size - (size_t)len,
		                "%s{\"id\":\"t%u\",\"title\":\"Render pages\"}", i ? "," : "", i);
	return len + snprintf(out + len, size - (size_t)len, "]}");
}

static void create_job(const struct load *load, uint32_t job)
{
	size_t size = HEAD_SIZE + (size_t)tasks_each(&load->options) * ITEM_SIZE;
	char *body = text_create(size), *text = text_create(size + HEAD_SIZE);
	int body_len = write_job(load, job, body, size);
	int len = snprintf(text, size + HEAD_SIZE,
	                   "POST /api/jobs HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\n"
	                   "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
	                   (unsigned)load->options.port, body_len, body);
	int status = net_ask(&load->options, text, (size_t)len);
	if (status != 201) {
		fprintf(stderr, "loadgen: POST /api/jobs answered %d\n", status);
		exit(1);
	}
	free(text);
	free(body);
}

void request_create_jobs(const struct load *load)
{
	for (uint32_t job = 0; load->options.peer->has_jobs && job <= load->options.jobs; job++)
		create_job(load, job);
}

/* What the hook takes; or, where a server only hands on what it gets, what joblight makes of it. */
static const char hook_item[] = "\"taskId\":\"t%u\",\"status\":\"in_progress\",\"note\":\"%s\"";
static const char event_item[] =
    "\"type\":\"task_update\",\"jobId\":\"%s\",\"seq\":1000000,\"taskId\":\"t%u\",\"status\":\"in_"
    "progress\",\"title\":"
    "\"Render pages\",\"note\":\"%s\",\"timestamp\":\"2026-02-05T19:00:00.000Z\"";

static int write_item(const struct load *load, uint32_t publisher, char *out, size_t size)
{
	const struct options *o = &load->options;
	char id[LOAD_ID_SIZE], stamp[STAMP_LEN + 1] = { 0 };
	unsigned task = (unsigned)(publisher / o->jobs);
	stamp_write(stamp, &(struct stamp){ .publisher = publisher });
	load_job_id(load, (uint32_t)(publisher % o->jobs), id);
	if (o->peer->relays)
		return snprintf(out, size, event_item, id, task, stamp);
	return snprintf(out, size, hook_item, task, stamp);
}

/* One object, or an array of them when the run posts batches. */
static int write_updates(const struct load *load, uint32_t publisher, char *out, size_t size)
{
	uint64_t batch = load->options.batch;
	char item[ITEM_SIZE];
	int len = 0;
	write_item(load, publisher, item, sizeof(item));
	for (uint64_t i = 0; i < batch; i++)
		len += snprintf(out + len, size - (size_t)len, "%s{%s}",
		                i           ? ","
		                : batch > 1 ? "["
		                            : "",
		                item);
	return len + snprintf(out + len, size - (size_t)len, batch > 1 ? "]" : "");
}

static int write_http(const struct load *load, uint32_t publisher, char *out, size_t size)
{
	const struct options *o = &load->options;
	size_t body_size = o->batch * ITEM_SIZE;
	char path[200], key[96] = "", *body = text_create(body_size);
	load_path(load, o->peer->post_path, (uint32_t)(publisher % o->jobs), path);
	if (o->keys)
		snprintf(key, sizeof(key), "Idempotency-Key: %s-%04x-00000000\r\n", load->run,
		         publisher);
	int body_len = write_updates(load, publisher, body, body_size);
	int len = snprintf(out, size,
	                   "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%sContent-Type: "
	                   "application/json\r\nContent-Length: %d\r\n\r\n%s",
	                   path, (unsigned)o->port, key, body_len, body);
	free(body);
	return len;
}

/* The payload of one frame. */
static int write_message(const struct load *load, uint32_t publisher, char *out, size_t size)
{
	const struct options *o = &load->options;
	size_t body_size = o->batch * ITEM_SIZE;
	char id[LOAD_ID_SIZE], *body = text_create(body_size);
	load_job_id(load, (uint32_t)(publisher % o->jobs), id);
	int len, body_len = write_updates(load, publisher, body, body_size);
	if (o->peer->nats)
		len = snprintf(out, size, "PUB %s %d\r\n%s\r\n", id, body_len, body);
	else
		len = snprintf(
		    out, size,
		    "{\"type\":\"update\",\"id\":\"%s-%04x-00000000\",\"jobId\":\"%s\",%s%s}",
		    load->run, publisher, id, o->batch > 1 ? "\"updates\":" : "",
		    body + (o->batch == 1));
	/* One update stands in the message itself: its own closing bracket is the message's. */
	if (!o->peer->nats && o->batch == 1)
		len--;
	free(body);
	return len;
}

static int write_frame(const struct load *load, uint32_t publisher, char *out, size_t size)
{
	char head[WEBSOCKET_HEAD_MAX];
	int len = write_message(load, publisher, out + WEBSOCKET_HEAD_MAX,
	                        size - WEBSOCKET_HEAD_MAX);
	size_t head_len = websocket_head(
	    head, load->options.peer->nats ? WEBSOCKET_BINARY : WEBSOCKET_TEXT, (size_t)len);
	if (len > UINT16_MAX)
		abort(); /* no batch is that long */
	memmove(out + head_len, out + WEBSOCKET_HEAD_MAX, (size_t)len);
	memcpy(out, head, head_len);
	return (int)head_len + len;
}

/* The request has bytes of zero in it when it is a frame. */
static uint32_t offset_of(const struct request *request, uint32_t from, const char *what)
{
	const char *found = memmem(request->text + from, request->len - from, what, strlen(what));
	return found ? (uint32_t)(found - request->text) : 0;
}

void request_init(struct request *request, const struct load *load, uint32_t publisher)
{
	const struct options *o = &load->options;
	size_t size = 2 * HEAD_SIZE + o->batch * ITEM_SIZE;
	char *text = text_create(size), prefix[LOAD_ID_SIZE];
	int len = (o->publish_ws ? write_frame : write_http)(load, publisher, text, size);
	*request = (struct request){ text, (uint32_t)len, (uint32_t)o->batch, 0, 0, 0, 0 };
	request->stamp_at = offset_of(request, 0, STAMP_MARK);
	uint32_t second = offset_of(request, request->stamp_at + 1, STAMP_MARK);
	request->stamp_stride = second ? second - request->stamp_at : 0;
	uint32_t key = offset_of(request, 0, "-00000000");
	request->key_at = key ? key + 1 : 0;
	int prefix_len = snprintf(prefix, sizeof(prefix), "%s-", load->run);
	/* The job stands last but for a key, which begins with the same word and has hex digits. */
	if (o->walk)
		request->job_at = offset_of(request,
		                            o->publish_ws ? offset_of(request, 0, "\"jobId\"") : 0,
		                            prefix) +
		                  (uint32_t)prefix_len;
}

void request_finish(struct request *request)
{
	free(request->text);
	request->text = NULL;
}

static void decimal_write(char *out, uint32_t value, int width)
{
	for (int i = width - 1; i >= 0; i--, value /= 10)
		out[i] = (char)('0' + value % 10);
}

void request_stamp(struct request *request, const struct stamp *stamp)
{
	struct stamp next = *stamp;
	char *at = request->text + request->stamp_at;
	if (request->key_at)
		hex_write(request->text + request->key_at, stamp->counter, 8);
	if (request->job_at)
		decimal_write(request->text + request->job_at, stamp->job, LOAD_JOB_DIGITS);
	for (uint32_t i = 0; i < request->batch; i++, next.counter++, at += request->stamp_stride)
		stamp_write(at, &next);
}
