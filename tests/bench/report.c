#include "report.h"

#include <stdio.h>

#include "check.h"
#include "peer.h"

static double per(double amount, double unit)
{
	return unit > 0 ? amount / unit : 0;
}

/* All figures of a run fit a double exactly. */
static void put(const char *name, double value, int decimals)
{
	printf(",\"%s\":%.*f", name, decimals, value);
}

static void put_load(const struct options *o)
{
	printf("{\"peer\":\"%s\",\"transport\":\"%s\"", o->peer->name, o->websocket ? "ws" : "sse");
	put("subscribers", (double)o->subscribers, 0);
	put("publishers", (double)o->publishers, 0);
	put("idle", (double)o->idle, 0);
	put("stalled", (double)o->stalled, 0);
	put("jobs", (double)o->jobs, 0);
	put("batch", (double)o->batch, 0);
	put("rate", (double)o->rate, 0);
}

static void put_rates(const struct load *load)
{
	double cpu = load->end.cpu_s - load->start.cpu_s, seconds = load->measured_s;
	double answers = (double)load->measured.answers, updates = (double)load->measured.updates;
	double deliveries = (double)load->measured.deliveries;
	put("seconds", seconds, 3);
	put("answers", answers, 0);
	put("updates", updates, 0);
	put("deliveries", deliveries, 0);
	put("answers_per_s", per(answers, seconds), 1);
	put("updates_per_s", per(updates, seconds), 1);
	put("deliveries_per_s", per(deliveries, seconds), 1);
	put("cpu_s", cpu, 2);
	put("cpu_percent", 100 * per(cpu, seconds), 2);
	put("answers_per_cpu_s", per(answers, cpu), 1);
	put("deliveries_per_cpu_s", per(deliveries, cpu), 1);
	put("generator_cpu_s", load->own_cpu_s, 2);
}

static void put_latency(const char *name, const struct histogram *h)
{
	static const struct {
		const char *name;
		double quantile;
	} marks[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p999", 0.999 } };
	printf(",\"%s\":{\"count\":%.0f", name, (double)h->count);
	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++)
		put(marks[i].name, (double)histogram_quantile(h, marks[i].quantile) / 1e3, 1);
	put("max", (double)h->max / 1e3, 1);
	printf("}");
}

static void put_connections(const struct load *load)
{
	double count = (double)load->subscriber_count;
	double grown = (double)load->connected.rss_kib - (double)load->fresh.rss_kib;
	put("setup_s", load->setup_s, 3);
	put("setup_cpu_us_each", 1e6 * per(load->setup_cpu_s, count), 2);
	put("rss_fresh_kib", (double)load->fresh.rss_kib, 0);
	put("rss_connected_kib", (double)load->connected.rss_kib, 0);
	put("rss_end_kib", (double)load->end.rss_kib, 0);
	put("rss_bytes_each", 1024 * per(grown, count), 0);
	put("rest_s", load->rest_s, 3);
	put("rest_cpu_percent", 100 * per(load->rest_cpu_s, load->rest_s), 3);
	put("heartbeats", (double)load->heartbeats, 0);
}

bool report_print(const struct load *load)
{
	struct verdict verdict = check_verdict(load->check);
	put_load(&load->options);
	put_rates(load);
	put_latency("answer_us", &load->answer);
	put_latency("delivery_us", &load->delivery);
	put_connections(load);
	put("lost", (double)verdict.lost, 0);
	put("twice", (double)verdict.twice, 0);
	put("out_of_order", (double)verdict.out_of_order, 0);
	put("misrouted", (double)verdict.misrouted, 0);
	put("errors", (double)load->errors, 0);
	printf("}\n");
	return verdict_clean(&verdict) && !load->errors;
}
