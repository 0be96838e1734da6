#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"
#include "net.h"
#include "peer.h"
#include "stamp.h"

#define HEAD_SIZE 1024
#define ITEM_SIZE 160 /* more than one update's JSON, or a task's at creation */

static char *text_create(size_t size)
{
	char *text = malloc(size);
	if (!text)
		abort();
	return text;
}

static uint32_t tasks_each(const struct options *o)
{
	return (uint32_t)((o->publishers + o->jobs - 1) / o->jobs);
}

static int write_job(const struct load *load, uint32_t job, char *out, size_t size)
{
	char id[40];
	load_job_id(load, job, id, sizeof(id));
	int len = snprintf(out, size,
	                   "{\"id\":\"%s\",\"title\":\"Benchmark\",\"status\":\"in_progress\","
	                   "\"tasks\":[",
	                   id);
	for (uint32_t i = 0; i < tasks_each(&load->options); i++)
		len += snprintf(out + len, size - (size_t)len, "%s{\"id\":\"t%u\",\"title\":\"Render pages\"}",
		                i ? "," : "", i);
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

/* One object, or an array of them when the run posts batches. */
static int write_updates(const struct load *load, uint32_t publisher, char *out, size_t size)
{
	const struct options *o = &load->options;
	char stamp[STAMP_LEN + 1] = { 0 };
	int len = 0;
	stamp_write(stamp, &(struct stamp){ .publisher = publisher });
	if (o->batch > 1)
		out[len++] = '[';
	for (uint64_t i = 0; i < o->batch; i++)
		len += snprintf(out + len, size - (size_t)len,
		                "%s{\"taskId\":\"t%u\",\"status\":\"in_progress\",\"note\":\"%s\"}", i ? "," : "",
		                (unsigned)(publisher / o->jobs), stamp);
	return len + snprintf(out + len, size - (size_t)len, o->batch > 1 ? "]" : "");
}

static uint32_t offset_of(const char *text, uint32_t from, const char *what)
{
	const char *found = strstr(text + from, what);
	return found ? (uint32_t)(found - text) : 0;
}

void request_init(struct request *request, const struct load *load, uint32_t publisher)
{
	const struct options *o = &load->options;
	size_t size = HEAD_SIZE + o->batch * ITEM_SIZE;
	char path[200], key[96] = "", *body = text_create(size), *text = text_create(size + HEAD_SIZE);
	load_path(load, o->peer->post_path, (uint32_t)(publisher % o->jobs), path, sizeof(path));
	if (o->keys)
		snprintf(key, sizeof(key), "Idempotency-Key: %s-%04x-00000000\r\n", load->run, publisher);
	int body_len = write_updates(load, publisher, body, size);
	int len = snprintf(text, size + HEAD_SIZE,
	                   "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s"
	                   "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
	                   path, (unsigned)o->port, key, body_len, body);
	free(body);
	uint32_t first = offset_of(text, 0, STAMP_MARK), second = offset_of(text, first + 1, STAMP_MARK);
	*request = (struct request){ text, (uint32_t)len, (uint32_t)o->batch, 0, first, 0 };
	request->key_at = o->keys ? offset_of(text, 0, "-00000000\r\n") + 1 : 0;
	request->stamp_stride = second ? second - first : 0;
}

void request_finish(struct request *request)
{
	free(request->text);
	request->text = NULL;
}

void request_stamp(struct request *request, const struct stamp *stamp)
{
	struct stamp next = *stamp;
	char *at = request->text + request->stamp_at;
	if (request->key_at)
		hex_write(request->text + request->key_at, stamp->counter, 8);
	for (uint32_t i = 0; i < request->batch; i++, next.counter++, at += request->stamp_stride)
		stamp_write(at, &next);
}
