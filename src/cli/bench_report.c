#include "bench.h"

#include <stdarg.h>
#include <stdio.h>

#include "answer.h"
#include "joblight/core/json.h"

#define CLIENT_FULL 0.9 /* of a processor: then the figures are those of this client */

void bench_fault(struct bench *b, const char *format, ...)
{
	va_list list;

	if (b->fault[0])
		return;
	va_start(list, format);
	vsnprintf(b->fault, sizeof(b->fault), format, list);
	va_end(list);
	utf8_mend(b->fault, strlen(b->fault));
	b->status = EXIT_FAILED;
}

void bench_say_fault(const struct bench *b)
{
	struct buf line = { 0 };

	output_text(&b->output, &line, b->fault, BENCH_FAULT_LEN);
	fprintf(stderr, "joblight: %s: %s\n", b->probe->remote.url, buf_string(&line));
	buf_finish(&line);
}

void bench_fault_of(struct bench *b, const char *what, const struct exchange *x)
{
	cJSON *root = answer_parse(buf_as_slice(&x->body));
	bool first = !b->fault[0];
	const char *detail = answer_text(root, "detail");

	if (!x->status)
		bench_fault(b, "%s was not answered: %s", what,
		            x->done ? exchange_error(x) : "too slow");
	else
		bench_fault(b, "%s was answered %d: %s", what, x->status, detail ? detail : "");
	if (first)
		b->status = exchange_failure(x);
	cJSON_Delete(root);
}

static uint64_t errors_of(const struct bench *b)
{
	return b->refused + b->broken + b->missing + b->repeated;
}

static void print(struct bench *b, const struct buf *line)
{
	b->probe->stopped = !output_try_line(buf_as_slice(line)) || b->probe->stopped;
}

void bench_print_second(struct bench *b, unsigned second, uint64_t updates, uint64_t deliveries)
{
	struct buf line = { 0 };

	buf_format(&line,
	           b->output.json ? "{\"second\":%u,\"updates\":%llu,\"deliveries\":%llu}"
	                          : "%4u s  %9llu updates  %11llu deliveries",
	           second, (unsigned long long)updates, (unsigned long long)deliveries);
	print(b, &line);
	buf_finish(&line);
}

static void add_figure(struct buf *line, const char *name, double value)
{
	json_name(line, name);
	buf_format(line, "%.3f", value);
}

static void add_count(struct buf *line, const char *name, uint64_t value)
{
	json_name(line, name);
	buf_format(line, "%llu", (unsigned long long)value);
}

static void add_figures(const struct bench *b, struct buf *line)
{
	add_figure(line, "seconds", b->took_s);
	add_count(line, "updates", b->updates);
	add_figure(line, "updatesPerSecond", (double)b->updates / b->took_s);
	add_count(line, "deliveries", b->deliveries);
	add_figure(line, "deliveriesPerSecond", (double)b->deliveries / b->took_s);
	add_figure(line, "answerP50Ms", histogram_ms(&b->answered, 50));
	add_figure(line, "answerP99Ms", histogram_ms(&b->answered, 99));
	add_figure(line, "receiveP50Ms", histogram_ms(&b->received, 50));
	add_figure(line, "receiveP99Ms", histogram_ms(&b->received, 99));
	add_figure(line, "commitToReceiveP50Ms", delay_ms(&b->delay, 50));
	add_figure(line, "commitToReceiveP99Ms", delay_ms(&b->delay, 99));
	add_figure(line, "commitToReceiveErrorMs", delay_error_ms(&b->delay));
}

static void add_json(const struct bench *b, struct buf *line)
{
	buf_format(line, "{\"watchers\":%u,\"workers\":%u,\"jobs\":%u,\"rate\":%u",
	           b->options.watchers, b->options.workers, b->options.jobs, b->options.rate);
	add_figures(b, line);
	add_count(line, "refusedUpdates", b->refused);
	add_count(line, "brokenStreams", b->broken);
	add_count(line, "missingEvents", b->missing);
	add_count(line, "repeatedEvents", b->repeated);
	add_figure(line, "clientProcessor", b->client_s / b->took_s);
	if (b->fault[0]) {
		json_name(line, "fault");
		json_string(line, slice_of(b->fault));
	}
	buf_char(line, '}');
}

static void add_text(const struct bench *b, struct buf *line)
{
	double client = b->client_s / b->took_s;

	buf_format(line, "\n%u watchers and %u workers on %u job%s for %.1f s\n\n",
	           b->options.watchers, b->options.workers, b->options.jobs,
	           b->options.jobs == 1 ? "" : "s", b->took_s);
	buf_format(line, "updates     %12.0f /s   answered after %.2f ms (p50), %.2f ms (p99)\n",
	           (double)b->updates / b->took_s, histogram_ms(&b->answered, 50),
	           histogram_ms(&b->answered, 99));
	buf_format(
	    line,
	    "deliveries  %12.0f /s   received %.2f ms (p50), %.2f ms (p99) after they were sent\n",
	    (double)b->deliveries / b->took_s, histogram_ms(&b->received, 50),
	    histogram_ms(&b->received, 99));
	buf_format(line,
	           "commit to receive            %.2f ms (p50), %.2f ms (p99), within %.2f ms\n",
	           delay_ms(&b->delay, 50), delay_ms(&b->delay, 99), delay_error_ms(&b->delay));
	buf_format(
	    line,
	    "errors      %12llu      %llu updates refused, %llu streams cut, %llu events missing, "
	    "%llu twice\n",
	    (unsigned long long)errors_of(b), (unsigned long long)b->refused,
	    (unsigned long long)b->broken, (unsigned long long)b->missing,
	    (unsigned long long)b->repeated);
	buf_format(line, "this client %11.0f %% of a processor%s", client * 100,
	           client > CLIENT_FULL
	               ? ": it is the limit, not the server; take fewer watchers, or --rate"
	               : "");
	if (b->fault[0]) {
		buf_text(line, "\nthe first error: ");
		output_text(&b->output, line, b->fault, BENCH_FAULT_LEN);
	}
}

void bench_print(struct bench *b)
{
	struct buf line = { 0 };

	if (b->output.json)
		add_json(b, &line);
	else
		add_text(b, &line);
	print(b, &line);
	buf_finish(&line);
}
